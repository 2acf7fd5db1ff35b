"""The documented part of New Relic's NerdGraph, as a schema that executes what it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from contract import body
from graphql import build_schema, graphql_sync

from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["SCHEMA", "NerdGraph"]

# Names and types as NerdGraph's explorer shows them.
SCHEMA = build_schema("""
scalar Nrql
scalar Seconds
scalar NrdbResult
scalar EpochMilliseconds
type Query { actor: Actor }
type Actor { account(id: Int!): Account }
type Account {
  id: Int
  nrql(query: Nrql!, timeout: Seconds = 5, async: Boolean = false): NrdbResultContainer
}
type NrdbResultContainer {
  results: [NrdbResult!]
  nrql: Nrql
  metadata: NrdbMetadata
}
type NrdbMetadata {
  eventTypes: [String]
  facets: [String]
  messages: [String]
  timeWindow: NrdbMetadataTimeWindow
}
type NrdbMetadataTimeWindow {
  begin: EpochMilliseconds
  end: EpochMilliseconds
  since: String
  until: String
}
""")


class NerdGraph:
    """Execute what it is asked on the schema, and remember it.

    :param rows: gives a query of NRQL its rows.
    """

    def __init__(self, rows: Callable[[str], list[dict[str, Any]]]) -> None:
        self._rows = rows
        self.nrql: list[str] = []
        self.accounts: list[int] = []

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        assert (request.method, request.url) == ("POST", "/graphql")
        sent = json.loads(request.body or b"")
        done = graphql_sync(
            SCHEMA,
            sent["query"],
            root_value={"actor": {"account": self._account}},
            variable_values=sent["variables"],
        )
        return body(done.formatted)

    def _account(self, info: Any, **named: int) -> dict[str, Any]:
        self.accounts.append(named["id"])
        return {"nrql": self._ask}

    def _ask(self, info: Any, query: str, timeout: int, **_: Any) -> dict[str, Any]:
        self.nrql.append(query)
        return {"results": self._rows(query), "metadata": {"messages": []}}

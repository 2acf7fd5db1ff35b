"""Metric source `web`: a number out of any JSON that answers HTTP.

A query is an address and a JSONPath, or a JSON object with more of a request:

    /api/errors?service=app-canary $.data.rate

    {"url": "/api/errors", "method": "POST", "body": {"service": "app-canary"},
     "path": "$.data.rate", "requests": "$.data.count"}

A relative address goes to the connection with its credentials, an absolute one without them. The
path has to lead to one number; where it leads nowhere there is no data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import finite, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "WebProvider", "make"]

SYSTEM = "web"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

_METHODS = ("GET", "POST", "PUT")
_FIELDS = ("url", "method", "body", "headers", "path", "requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    request: HttpRequest
    path: str
    requests: str | None


def make(source: MetricSource) -> WebProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(source, {}, timeout_seconds=10.0)
    return WebProvider(timeout_seconds=options.timeout_seconds)


class WebProvider:
    """Ask a web API for one number."""

    def __init__(self, *, timeout_seconds: float = 10.0) -> None:
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the number a query's path leads to.

        :raises PermanentAdapterError: a query that is none, several numbers, or something else.
        """
        expression = written_query(query, system=SYSTEM).strip()
        asked = _read(expression, self._timeout_seconds)
        what = f"{asked.request.method} {asked.request.url}"
        data = read_json(await ask_http(send, asked.request), system=SYSTEM, what=what)
        number = _number(data, asked.path, what)
        if number is None:
            return NoData(at=at.end, reason=f"{what}: no number at {asked.path}")
        if asked.requests is None:
            return Value(at=at.end, canary=number)
        requests = _number(data, asked.requests, what)
        # Without a number of requests it is not unknown, it is none.
        return Value(at=at.end, canary=number, requests=round(requests or 0))


def _read(expression: str, timeout_seconds: float) -> _Asked:
    if not expression.startswith("{"):
        place, _, path = expression.partition(" ")
        data: dict[str, Any] = {"url": place, "path": path.strip() or "$"}
    else:
        data = _object(expression)
    method = str(data.get("method", "GET")).upper()
    headers = data.get("headers", {})
    url = data.get("url")
    if method not in _METHODS or not isinstance(headers, dict) or not isinstance(url, str):
        raise _no_query(expression)
    body: Any = data.get("body")
    sent = body if isinstance(body, str) or body is None else json.dumps(body)
    if not isinstance(body, str) and body is not None:
        headers = {"content-type": "application/json", **headers}
    request = HttpRequest(
        method=method,
        url=url,
        headers=tuple((str(name), str(value)) for name, value in headers.items()),
        body=None if sent is None else sent.encode(),
        timeout_seconds=timeout_seconds,
    )
    requests = data.get("requests")
    return _Asked(
        request=request,
        path=str(data.get("path", "$")),
        requests=None if requests is None else str(requests),
    )


def _object(expression: str) -> dict[str, Any]:
    try:
        data = json.loads(expression)
    except ValueError:
        data = None
    if not isinstance(data, dict) or set(data) - set(_FIELDS):
        raise _no_query(expression)
    return data


def _no_query(expression: str) -> PermanentAdapterError:
    return PermanentAdapterError(
        f"the query is neither an address with a JSONPath nor an object of {', '.join(_FIELDS)}: "
        f"{shorten(expression)}",
        system=SYSTEM,
    )


def _number(data: Any, path: str, what: str) -> float | None:
    """Return the number at a path, None where it leads nowhere or to null."""
    found = _find(data, path)
    if len(found) > 1:
        raise PermanentAdapterError(
            f"{what}: {path} leads to {len(found)} places, not to one number", system=SYSTEM
        )
    if not found:
        return None
    if isinstance(found[0], Mapping | list):
        raise PermanentAdapterError(
            f"{what}: {path} leads to {shorten(found[0])}, not to a number", system=SYSTEM
        )
    return finite(found[0], what=f"{what}: {path}", system=SYSTEM)


def _find(data: Any, path: str) -> list[Any]:
    tree = _tree(path)
    with understanding(path, system=SYSTEM):
        return [match.value for match in tree.find(data)]


# Reading a path takes a hundred times as long as following it.
@lru_cache(maxsize=256)
def _tree(path: str) -> Any:
    # Imported here: its parser takes longer to load than a DAG file may.
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.ext.parser import parse

    # Argo writes paths in braces.
    bare = path.strip().removeprefix("{").removesuffix("}")
    try:
        return parse(bare)
    except (JSONPathError, AttributeError, TypeError) as error:
        raise PermanentAdapterError(
            f"{path!r} is no JSONPath: {str(error)[:200]}", system=SYSTEM
        ) from None

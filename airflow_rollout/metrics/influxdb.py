"""Metric source `influxdb`: InfluxQL (1), Flux (2) or SQL (3), by the option `version`.

A query has to end in one row with one number, and beside it a column `requests` if the number of
requests behind the value is known: `|> last()`, `|> sum()`, `SELECT sum(...)`. No row is no data,
never zero. InfluxDB 1 writes errors into answers with status 200.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, SpecError, shorten
from airflow_rollout.metrics.answers import (
    finite,
    items,
    plain_words,
    read_json,
    understanding,
)
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import (
    ConnectionForm,
    HttpRequest,
    HttpResponse,
    Send,
    ask_http,
    refuse_status,
)

__all__ = ["CONNECTION", "InfluxdbProvider", "make"]

SYSTEM = "influxdb"

# The type of Airflow's own InfluxDB provider. A token is for 2 and 3; 1 takes login and password.
CONNECTION = ConnectionForm(
    conn_type="influxdb",
    label="Influxdb",
    headers=(("Authorization", "Token {extra.token}"),),
    test_path="/ping",
)

# Columns of a Flux answer that are no part of the data.
_FLUX_OWN = frozenset({"", "result", "table", "_start", "_stop", "_time"})

Row = dict[str, Any]


def make(source: MetricSource) -> InfluxdbProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option, or no database or organisation where one is needed.
    """
    options = read_source_options(
        source,
        {
            "version": "2 (Flux) if not given, 1 (InfluxQL) or 3 (SQL)",
            "database": "database that is asked, for 1 and 3",
            "org": "organisation that is asked, for 2",
        },
        timeout_seconds=10.0,
    )
    version = options.choice("version", ("2", "1", "3"))
    needed = "org" if version == "2" else "database"
    place = options.text(needed)
    if version != "2" and not place:
        raise SpecError("is missing", path=f"source.{needed}", allowed="the database's name")
    return InfluxdbProvider(version=version, place=place, timeout_seconds=options.timeout_seconds)


class InfluxdbProvider:
    """Ask InfluxDB for one row.

    :param version: 1, 2 or 3: which language, and which API.
    :param place: the database (1, 3) or the organisation (2).
    """

    def __init__(self, *, version: str, place: str, timeout_seconds: float = 10.0) -> None:
        self._version = version
        self._place = place
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the number of the query's one row.

        :raises PermanentAdapterError: a bad query, or several rows or numbers.
        """
        text = written_query(query, system=SYSTEM)
        what = f"query {shorten(text)}"
        response = await ask_http(send, self._request(text))
        with understanding(what, system=SYSTEM):
            rows = self._rows(response, what)
            return _one_number(rows, what, at.end)

    def _request(self, text: str) -> HttpRequest:
        if self._version == "1":
            params = (("db", self._place), ("q", text), ("epoch", "ms"))
            return HttpRequest(url="/query", params=params, timeout_seconds=self._timeout_seconds)
        if self._version == "2":
            return HttpRequest(
                method="POST",
                url="/api/v2/query",
                params=(("org", self._place),) if self._place else (),
                headers=(("content-type", "application/vnd.flux"), ("accept", "application/csv")),
                body=text.encode(),
                timeout_seconds=self._timeout_seconds,
            )
        asked = {"db": self._place, "q": text, "format": "json"}
        return HttpRequest(
            method="POST",
            url="/api/v3/query_sql",
            headers=(("content-type", "application/json"),),
            body=json.dumps(asked).encode(),
            timeout_seconds=self._timeout_seconds,
        )

    def _rows(self, response: HttpResponse, what: str) -> list[Row]:
        if self._version == "2":
            return _flux_rows(response, what)
        data = read_json(response, system=SYSTEM, what=what, words=_words)
        if self._version == "3":
            if not isinstance(data, list):
                raise PermanentAdapterError(f"{what}: {_words(data) or 'no rows'}", system=SYSTEM)
            return [{name: row[name] for name in row if name != "time"} for row in data]
        if _words(data) or not items(data, "results"):
            raise PermanentAdapterError(
                f"{what}: {_words(data) or 'not an answer of InfluxDB'}", system=SYSTEM
            )
        return [
            {name: value for name, value in zip(series["columns"], row, strict=True)
             if name != "time"}
            for result in items(data, "results")
            for series in items(result, "series")
            for row in series["values"]
        ]  # fmt: skip


def _flux_rows(response: HttpResponse, what: str) -> list[Row]:
    """Return the rows of annotated CSV: tables follow each other, each with a header of its own."""
    said = "" if response.status < 400 else _flux_words(response.body)
    refuse_status(response, system=SYSTEM, what=what, detail=said)
    rows: list[Row] = []
    header: list[str] = []
    defaults: list[str] = []
    kind = response.headers.get("content-type", "")
    if "html" in kind or response.body[:1] in (b"{", b"<"):
        raise PermanentAdapterError(
            f"{what}: the answer is no CSV: {plain_words(response.body)}", system=SYSTEM
        )
    for cells in csv.reader(io.StringIO(response.body.decode())):
        if not cells:
            header = []
        elif cells[0].startswith("#"):
            defaults = cells if cells[0] == "#default" else defaults
            header = []
        elif not header:
            header = cells
        else:
            row = dict(zip(header, cells, strict=True))
            if "error" in row:
                raise PermanentAdapterError(f"{what}: {row['error']}", system=SYSTEM)
            rows.append({name: text for name, text in row.items() if name not in _FLUX_OWN})
    return rows


def _flux_words(body: bytes) -> str:
    try:
        return _words(json.loads(body)) or plain_words(body)
    except ValueError:
        return plain_words(body)


def _one_number(rows: list[Row], what: str, at: float) -> Reading:
    if len(rows) > 1:
        raise PermanentAdapterError(
            f"{what}: {len(rows)} rows, not one number; end it with an aggregate or last()",
            system=SYSTEM,
        )
    if not rows:
        return NoData(at=at, reason="the query found no row")
    row = dict(rows[0])
    requests = row.pop("requests", None)
    value = row["_value"] if "_value" in row else _only(row, what)
    number = None if value == "" else finite(value, what=what, system=SYSTEM)
    if number is None:
        return NoData(at=at, reason=f"the query's row holds {value!r}")
    counted = None if requests in (None, "") else finite(requests, what=what, system=SYSTEM)
    return Value(at=at, canary=number, requests=None if counted is None else round(counted))


def _only(row: Row, what: str) -> Any:
    if len(row) != 1:
        raise PermanentAdapterError(
            f"{what}: columns {', '.join(map(str, row)) or 'none'}; one is asked for, "
            "and beside it `requests` at most",
            system=SYSTEM,
        )
    return next(iter(row.values()))


def _words(data: object) -> str:
    """Return the error of an answer, which may be inside a result."""
    if not isinstance(data, dict):
        return ""
    inside = [
        one["error"] for one in items(data, "results") if isinstance(one, dict) and "error" in one
    ]
    found = data.get("error") or data.get("message") or "; ".join(map(str, inside))
    code = data.get("code")
    return f"{code}: {found}" if code and found else str(found or "")

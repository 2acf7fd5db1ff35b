"""The `influxdb` source in its three versions: what is asked, and rows of each."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from contract import Recorded, Replay, ask_metric, body, page, read, read_with
from influxdb_answers import CONTRACT, FLUX_ERROR, ONE, THREE, flux, influxql

from airflow_rollout.analysis.readings import NoData, Value
from airflow_rollout.errors import PermanentAdapterError, SpecError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.credentials import fill_in
from airflow_rollout.metrics.influxdb import CONNECTION, make
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import HttpRequest, HttpResponse


def asked(answer: HttpResponse, options: tuple[tuple[str, str], ...]) -> HttpRequest:
    replay = Replay([answer])
    recorded = Recorded(answers=(), asked=ask_metric("q"), options=options)
    asyncio.run(read_with(CONTRACT, recorded, replay))
    return replay.asked[0]


def test_version_1_asks_influxql_with_its_database() -> None:
    request = asked(influxql([0, 7]), ONE)
    assert (request.method, request.url) == ("GET", "/query")
    assert dict(request.params) == {"db": "app", "q": "q", "epoch": "ms"}


def test_version_2_sends_flux_with_its_organisation() -> None:
    request = asked(flux("1"), (("org", "ops"),))
    assert (request.method, request.url, request.body) == ("POST", "/api/v2/query", b"q")
    assert dict(request.params) == {"org": "ops"}
    assert dict(request.headers)["content-type"] == "application/vnd.flux"


def test_version_3_sends_sql() -> None:
    request = asked(body([{"share": 1}]), THREE)
    assert request.url == "/api/v3/query_sql"
    assert json.loads(request.body or b"") == {"db": "app", "q": "q", "format": "json"}


@pytest.mark.parametrize(
    ("answer", "options", "value", "requests"),
    [
        (influxql([0, 7]), ONE, 7, None),
        (influxql([0, 0.5, 40], columns=("time", "share", "requests")), ONE, 0.5, 40),
        (flux("12"), (), 12, None),
        (body([{"share": 0.5, "requests": 9, "time": "2026-11-24T06:00:00"}]), THREE, 0.5, 9),
    ],
)
def test_one_row_is_a_value(
    answer: HttpResponse, options: Any, value: float, requests: int | None
) -> None:
    reading = read(CONTRACT, answer, options=options)
    assert isinstance(reading, Value)
    assert (reading.canary, reading.requests) == (value, requests)


@pytest.mark.parametrize(
    ("answer", "options"), [(influxql(), ONE), (body([]), THREE), (page("", kind="text/csv"), ())]
)
def test_no_row_is_no_data_and_never_zero(answer: HttpResponse, options: Any) -> None:
    assert isinstance(read(CONTRACT, answer, options=options), NoData)


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        (influxql([0, 1], [1, 2]), ONE),
        (body([{"a": 1}, {"a": 2}]), THREE),
        (influxql([0, 1, 2], columns=("time", "a", "b")), ONE),
        (body([{}]), THREE),
        (flux("x"), ()),
    ],
)
def test_what_is_not_one_number_is_refused(answer: HttpResponse, options: Any) -> None:
    with pytest.raises(PermanentAdapterError, match="query"):
        read(CONTRACT, answer, options=options)


def test_an_error_inside_a_flux_answer_is_an_error() -> None:
    with pytest.raises(PermanentAdapterError, match="Failed to parse query"):
        read(CONTRACT, FLUX_ERROR)


def test_a_busy_cloud_says_how_long_to_wait() -> None:
    busy = body(
        {"code": "too many requests", "message": "limit"}, status=429, **{"retry-after": "9"}
    )
    with pytest.raises(TransientAdapterError, match="limit") as caught:
        read(CONTRACT, busy)
    assert caught.value.retry_after_seconds == 9


@pytest.mark.parametrize("version", ["1", "3"])
def test_a_database_has_to_be_named(version: str) -> None:
    options = (("version", version),)
    with pytest.raises(SpecError, match=r"source\.database"):
        make(MetricSource(provider="influxdb", conn_id="c", every_seconds=5.0, options=options))


def test_the_token_of_airflows_own_connection_is_sent() -> None:
    info = ConnectionInfo(
        conn_id="i", conn_type="influxdb", host="h", port=8086, extra={"token": "t0k", "org": "o"}
    )
    found = fill_in(info, CONNECTION)
    assert found.extra["headers"] == {"Authorization": "Token t0k"}
    assert (found.host, found.port) == ("h", 8086)

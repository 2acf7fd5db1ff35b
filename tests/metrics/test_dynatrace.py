"""The `dynatrace` source: whole minutes, selectors, and its limits."""

from __future__ import annotations

import asyncio

import pytest
from contract import START, Recorded, Replay, ask_metric, body, read, read_with
from dynatrace_answers import CONTRACT, series

from airflow_rollout.analysis.readings import NoData
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.credentials import fill_in
from airflow_rollout.metrics.dynatrace import CONNECTION


def params(selector: str) -> dict[str, str]:
    replay = Replay([series([1])])
    asyncio.run(read_with(CONTRACT, Recorded(answers=(), asked=ask_metric(selector)), replay))
    return dict(replay.asked[0].params)


def test_a_selector_is_asked_for_the_complete_minutes_as_one_number() -> None:
    assert params("app.errors:sum") == {
        "metricSelector": "app.errors:sum", "resolution": "Inf",
        "from": f"{START:.0f}000", "to": f"{START + 60:.0f}000",
    }  # fmt: skip


def test_a_query_string_brings_its_entities() -> None:
    found = params("metricSelector=app.errors:sum&entitySelector=type(SERVICE)")
    assert found["metricSelector"] == "app.errors:sum"
    assert found["entitySelector"] == "type(SERVICE)"


def test_a_limit_of_series_that_is_reached_is_an_error() -> None:
    with pytest.raises(PermanentAdapterError, match="splitBy"):
        read(CONTRACT, series([1], nextPageKey="x"))


def test_warnings_stay_beside_a_missing_value() -> None:
    result = {"metricId": "a", "data": [], "warnings": ["The metric has no data points"]}
    reading = read(CONTRACT, body({"result": [result]}))
    assert isinstance(reading, NoData)
    assert "no data points" in reading.reason


def test_the_rate_limit_is_told_by_its_own_clock() -> None:
    limited = body(
        {"error": {"code": 429, "message": "Too many requests"}},
        status=429,
        **{"x-ratelimit-reset": "1795500030000000", "date": "Tue, 24 Nov 2026 06:00:00 GMT"},
    )
    with pytest.raises(TransientAdapterError, match="Too many requests") as caught:
        read(CONTRACT, limited)
    assert caught.value.retry_after_seconds == 30


def test_the_token_is_a_header_and_the_environment_an_address() -> None:
    info = ConnectionInfo(
        conn_id="d", conn_type="dynatrace", password="dt0c01.X", extra={"environment": "abc12345"}
    )
    found = fill_in(info, CONNECTION)
    assert found.host == "https://abc12345.live.dynatrace.com"
    assert found.extra["headers"] == {"Authorization": "Api-Token dt0c01.X"}

"""What is asked of New Relic, executed on a schema of the documented part, and its traps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from contract import START, Recorded, ask_metric, body, page, read, read_with
from graphql import graphql_sync
from nerdgraph import SCHEMA, NerdGraph
from newrelic_answers import CONTRACT, ERRORS, LAST, answer, error, row

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Cumulative, NoData, Value
from airflow_rollout.errors import PermanentAdapterError, SpecError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.credentials import fill_in
from airflow_rollout.metrics.newrelic import CONNECTION, make
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import HttpRequest, HttpResponse, Request

LATENCY = ask_metric(question=Question.LATENCY, quantile=0.99, boundary_seconds=0.4)


def execute(recorded: Recorded, rows: list[dict[str, Any]]) -> tuple[NerdGraph, Any]:
    graph = NerdGraph(lambda _: rows)

    async def send(request: Request) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        return graph.answer(request)

    return graph, asyncio.run(read_with(CONTRACT, recorded, send))


def test_both_arms_are_one_request_that_the_schema_executes() -> None:
    graph, reading = execute(Recorded(answers=(), asked=ERRORS), [row(LAST, 50, 3)])
    assert isinstance(reading, Cumulative)
    assert graph.accounts == [1234567]
    assert graph.nrql == [
        "SELECT count(*) AS requests, filter(count(*), WHERE `http.statusCode` >= 500) AS worse0 "
        f"FROM Transaction WHERE appName = 'app-{arm}' "
        f"SINCE {START:.0f}000 UNTIL {START + 90:.0f}000 TIMESERIES 10 seconds"
        for arm in ("canary", "stable")
    ]


def test_a_query_of_ones_own_is_executed_and_gets_the_window() -> None:
    graph, reading = execute(Recorded(answers=()), [{"share": 0.5, "requests": 20}])
    assert isinstance(reading, Value)
    assert (reading.canary, reading.requests) == (0.5, 20)
    assert f"SINCE {START:.0f}000 UNTIL {START + 120:.0f}000" in graph.nrql[0]


def test_a_query_that_says_since_itself_is_left_as_it_is() -> None:
    text = "SELECT count(*) FROM Transaction since 2 minutes ago"
    graph, _ = execute(Recorded(answers=(), asked=ask_metric(text)), [{"count": 7}])
    assert graph.nrql == [text]


def test_latency_counts_the_slower_ones_at_each_boundary() -> None:
    counts = row(LAST, 50, 10, 5, 2, 1, 0, 0)
    graph, reading = execute(Recorded(answers=(), asked=LATENCY), [counts])
    assert isinstance(reading, Cumulative)
    assert reading.boundaries == (0.1, 0.25, 0.4, 0.5, 1.0, 2.5)
    assert reading.canary[0].points[0].bad == (10, 5, 2, 1, 0, 0)
    assert "filter(count(*), WHERE duration > 0.4) AS worse2" in graph.nrql[0]


def test_a_field_that_the_schema_has_not_is_an_error_of_the_query() -> None:
    done = graphql_sync(SCHEMA, "{ actor { acount(id: 1) { id } } }")
    with pytest.raises(PermanentAdapterError, match="acount"):
        read(CONTRACT, body(done.formatted))


@pytest.mark.parametrize("kind", ["TOO_MANY_REQUESTS", "TIMEOUT", "SERVER_ERROR"])
def test_not_now_comes_with_status_200(kind: str) -> None:
    with pytest.raises(TransientAdapterError, match=kind):
        read(CONTRACT, answer([error(kind, "later")]))


@pytest.mark.parametrize("status", [200, 401])
def test_a_bad_key_comes_with_either_status(status: int) -> None:
    refused = body({"errors": [error("BAD_API_KEY", "Invalid API key")]}, status=status)
    with pytest.raises(PermanentAdapterError, match="Invalid API key"):
        read(CONTRACT, refused)


def test_a_percentile_is_an_object_of_its_own() -> None:
    reading = read(CONTRACT, answer(one=[{"percentile.duration": {"99": 0.31}}]))
    assert isinstance(reading, Value)
    assert reading.canary == 0.31


def test_two_numbers_without_a_name_for_the_requests_are_refused() -> None:
    with pytest.raises(PermanentAdapterError, match=r"count, share.*`requests`"):
        read(CONTRACT, answer(one=[{"share": 0.1, "count": 5}]))


def test_an_answer_without_the_account_is_refused() -> None:
    with pytest.raises(PermanentAdapterError, match="not an answer"):
        read(CONTRACT, answer())


def test_buckets_without_a_request_in_either_arm_are_silence() -> None:
    empty = [row(LAST, 0, 0)]
    assert isinstance(read(CONTRACT, answer(canary=empty, stable=empty), asked=ERRORS), NoData)


@pytest.mark.parametrize("count", [2.5, -1, "7"])
def test_a_count_that_is_none_is_refused(count: Any) -> None:
    rows = [row(LAST, count, 0)]
    with pytest.raises(PermanentAdapterError, match="no count"):
        read(CONTRACT, answer(canary=rows, stable=rows), asked=ERRORS)


@pytest.mark.parametrize(("account", "words"), [("", "is missing"), ("my-account", "no account")])
def test_the_account_has_to_be_a_number(account: str, words: str) -> None:
    options = (("account", account),)
    with pytest.raises(SpecError, match=words):
        make(MetricSource(provider="newrelic", conn_id="c", every_seconds=5.0, options=options))


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ({}, "https://api.newrelic.com"),
        ({"extra": {"region": "eu"}}, "https://api.eu.newrelic.com"),
        ({"host": "proxy.test"}, "proxy.test"),
    ],
)
def test_the_key_is_a_header_and_the_region_an_address(fields: Any, host: str) -> None:
    info = ConnectionInfo(conn_id="n", conn_type="newrelic", password="NRAK-1", **fields)
    found = fill_in(info, CONNECTION)
    assert found.host == host
    assert found.extra["headers"] == {"Api-Key": "NRAK-1"}
    assert found.password == ""


def test_a_gateways_page_keeps_its_words() -> None:
    with pytest.raises(TransientAdapterError, match="Bad gateway of the proxy"):
        read(CONTRACT, page("<h1>Bad gateway</h1><p>of the proxy</p>", status=502))

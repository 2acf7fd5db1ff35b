"""What Flagger's and Argo Rollouts' readers make of answers, and what is made of them here.

Each test is one defect found in their sources, named by it; the right behaviour is asserted.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

import datadog_answers as datadog
import google_monitoring_answers as google
import graphite_answers as graphite
import influxdb_answers as influxdb
import keptn_answers as keptn
import newrelic_answers as newrelic
import prometheus_answers as prometheus
import pytest
import skywalking_answers as skywalking
import web_answers as web
from contract import START, WINDOW, Contract, Recorded, Replay, ask_metric, body, page, read
from contract import read_with as read_through

from airflow_rollout.analysis.readings import NoData, Value
from airflow_rollout.errors import PermanentAdapterError, SpecError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.credentials import fill_in
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.prometheus import CONNECTION
from airflow_rollout.metrics.registry import make_provider
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import HttpRequest, HttpResponse


def asked(contract: Contract, answer: HttpResponse, text: str) -> HttpRequest:
    """Return what a question of one's own comes to."""
    replay = Replay([answer])
    recorded = Recorded(answers=(), asked=ask_metric(text))
    asyncio.run(read_through(contract, recorded, replay))
    return replay.asked[0]


# --- Flagger ---


def test_an_influxdb_query_without_a_row_is_not_zero() -> None:
    assert isinstance(read(influxdb.CONTRACT, page("\r\n", kind="text/csv")), NoData)


def test_a_whole_number_of_influxdbs_is_a_number() -> None:
    reading = read(influxdb.CONTRACT, influxdb.influxql([0, 7]), options=influxdb.ONE)
    assert reading == Value(at=WINDOW.end, canary=7.0)


def test_the_last_of_several_prometheus_series_is_not_taken_silently() -> None:
    with pytest.raises(PermanentAdapterError, match="2 series"):
        read(prometheus.CONTRACT, prometheus.vector("0", "100"))


def test_infinity_is_no_value_that_could_be_above_a_minimum() -> None:
    assert isinstance(read(prometheus.CONTRACT, prometheus.vector("+Inf")), NoData)


def test_an_unknown_provider_is_not_taken_for_prometheus() -> None:
    with pytest.raises(SpecError, match="unknown provider"):
        make_provider(MetricSource(provider="promethues", conn_id="c", every_seconds=5.0))


def test_the_authorization_header_does_not_grow_with_every_query() -> None:
    heads: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            answer = prometheus.vector("1").body
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n".encode())
            writer.write(answer)
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        given = {"token": "t", "headers": {"X-Team": "shop"}}
        info = ConnectionInfo(conn_id="c", conn_type="prometheus", host=host, extra=given)
        async with open_send(fill_in(info, CONNECTION), system="prometheus") as send:
            for _ in range(3):
                await read_through(prometheus.CONTRACT, None, send)
        server.close()

    asyncio.run(test())
    for head in heads:
        sent = [line for line in head.split("\r\n") if line.lower().startswith("authorization:")]
        assert [line.split(": ", 1)[1] for line in sent] == ["Bearer t"]
        assert head.lower().count("x-team: shop") == 1


def test_the_oldest_point_of_a_long_datadog_window_is_not_the_answer() -> None:
    answer = datadog.classic([[START, 100], [datadog.LAST - 10, 50], [datadog.LAST, 1]])
    reading = read(datadog.CONTRACT, answer)
    assert isinstance(reading, Value)
    assert reading.canary == 1


def test_a_datadog_window_does_not_reach_behind_the_release() -> None:
    request = asked(datadog.CONTRACT, datadog.classic([[datadog.LAST, 1]]), "sum:x{*}")
    assert float(dict(request.params)["from"]) >= START


def test_new_relic_is_asked_where_it_still_answers() -> None:
    answer = body({"data": {"actor": {"account": {"one": {"results": [{"share": 1}]}}}}})
    request = asked(newrelic.CONTRACT, answer, "SELECT latest(share) FROM X")
    assert (request.method, request.url) == ("POST", "/graphql")


def test_a_whole_number_of_googles_is_not_zero() -> None:
    reading = read(google.CONTRACT, google.listed({START + 60: {"int64Value": "7"}}))
    assert isinstance(reading, Value)
    assert reading.canary == 7.0


def test_a_keptn_query_keeps_its_case() -> None:
    request = asked(keptn.CONTRACT, keptn.measured("1"), "prod/errorRate")
    assert request.url.endswith("/keptnmetrics/errorRate")


# --- Argo Rollouts ---


def test_errors_of_a_datadog_formula_stand_at_the_top_and_are_errors() -> None:
    answer = body({"data": {"attributes": {"columns": []}}, "errors": "unknown metric app.errosr"})
    with pytest.raises(PermanentAdapterError, match=r"app\.errosr"):
        read(datadog.CONTRACT, answer, asked=datadog.FORMULA)


def test_a_null_point_of_datadogs_is_not_zero() -> None:
    reading = read(datadog.CONTRACT, datadog.classic([[datadog.LAST, None]]))
    assert isinstance(reading, NoData)


def test_a_prometheus_query_without_a_series_is_no_error_of_the_query() -> None:
    assert isinstance(read(prometheus.CONTRACT, prometheus.vector()), NoData)


def test_a_graphite_target_keeps_its_blanks() -> None:
    target = "alias(app.errors, 'errors of the canary')"
    request = asked(graphite.CONTRACT, graphite.render(1, 2), target)
    assert dict(request.params)["target"] == target


def test_a_graphite_connection_may_have_a_login() -> None:
    heads: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        info = ConnectionInfo(conn_id="c", conn_type="http", host=host, login="a", password="b")
        async with open_send(info, system="graphite") as send:
            await read_through(graphite.CONTRACT, None, send)
        server.close()

    asyncio.run(test())
    assert "Authorization: Basic YTpi" in heads[0]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_skywalkings_minutes_do_not_depend_on_where_airflow_runs(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        request = asked(skywalking.CONTRACT, skywalking.result({START: 1}), "service_sla")
    finally:
        monkeypatch.undo()
        time.tzset()
    sent = json.loads(request.body or b"")["variables"]["duration"]
    assert sent["start"] == datetime.fromtimestamp(START, UTC).strftime("%Y-%m-%d %H%M")


def test_a_web_page_that_is_no_json_is_not_a_text_to_compare() -> None:
    with pytest.raises(PermanentAdapterError, match="no JSON"):
        read(web.CONTRACT, page("all is well"))

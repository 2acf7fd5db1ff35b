"""Metric systems against real servers: VictoriaMetrics as a second PromQL, and InfluxDB 1."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from real_servers import Program, free_port, needed, running

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Cumulative, NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.registry import make_provider
from airflow_rollout.spec.model import MetricSource

pytestmark = pytest.mark.real

_SYSTEMS = "of Debian and Ubuntu"


class Database(Program):
    """One server with an address."""

    def __init__(self, command: list[str], port: int, ready: str, home: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(command, f"{self.url}{ready}", home / "log")

    def post(self, path: str, body: str = "", **params: str) -> None:
        httpx.post(f"{self.url}{path}", content=body, params=params, timeout=20).raise_for_status()


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    binary = needed("victoria-metrics", f"the package victoria-metrics {_SYSTEMS}")
    home, port = tmp_path_factory.mktemp("victoria"), free_port()
    command = [
        binary, f"-storageDataPath={home / 'data'}", f"-httpListenAddr=127.0.0.1:{port}",
    ]  # fmt: skip
    with running(Database(command, port, "/health", home)) as program:
        yield program


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    binary = needed("influxd", f"the package influxdb {_SYSTEMS}")
    home, port, other = tmp_path_factory.mktemp("influx"), free_port(), free_port()
    config = home / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{other}"\n'
        f'[meta]\ndir = "{home}/meta"\n[data]\ndir = "{home}/data"\nwal-dir = "{home}/wal"\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\n'
    )
    command = [binary, "-config", str(config)]
    with running(Database(command, port, "/query?q=SHOW%20DATABASES", home)) as program:
        yield program


def read(
    database: Database,
    provider: str,
    expression: str | None,
    window: Window,
    *options: tuple[str, str],
) -> Reading:
    source = MetricSource(provider=provider, conn_id="c", every_seconds=5.0, options=options)
    question = Question.ERRORS if expression is None else Question.VALUE
    query = MetricQuery(
        name="m", question=question, router="traefik_file", service="app", namespace="prod",
        expression=expression,
    )  # fmt: skip
    info = ConnectionInfo(conn_id="c", conn_type="http", host=database.url)

    async def reading() -> Reading:
        async with open_send(info, system=provider) as send:
            return await make_provider(source).read(query, window, send)

    return asyncio.run(reading())


@pytest.fixture(scope="module")
def scraped(victoria: Database) -> Window:
    """Store three scrapes of a router, the last one a minute ago: older than what is held back."""
    last = float(int(time.time()) - 60)
    lines = []
    for age, requests, errors in ((20, 100, 0), (10, 140, 1), (0, 190, 4)):
        at = round((last - age) * 1000)
        target = 'instance="t:80",job="t"'
        name = "traefik_service_requests_total"
        for arm, times in (("canary", 1), ("stable", 10)):
            own = f'service="app-{arm}@file",method="GET",protocol="http"'
            lines += [
                f'{name}{{{target},{own},code="200"}} {times * (requests - errors)} {at}',
                f'{name}{{{target},{own},code="500"}} {errors} {at}',
            ]
        lines += [
            f"traefik_config_reloads_total{{{target}}} 1 {at}",
            f"process_start_time_seconds{{{target}}} {last - 900} {at}",
        ]
    victoria.post("/api/v1/import/prometheus", "\n".join(lines) + "\n")
    httpx.get(f"{victoria.url}/internal/force_flush", timeout=20).raise_for_status()
    return Window(start=last - 25, end=last + 1)


def test_victoria_metrics_gives_the_same_raw_counts(victoria: Database, scraped: Window) -> None:
    reading = read(victoria, "prometheus", None, scraped)
    assert isinstance(reading, Cumulative)
    points = [one.points for one in reading.canary]
    assert [len(one) for one in points] == [3, 3]
    assert sum(one[-1].requests for one in points) == 190
    assert sum(one[-1].bad[0] for one in points) == 4
    assert all("since" in one.key for one in reading.canary)


@pytest.mark.parametrize("method", ["get", "post"])
def test_victoria_metrics_gives_one_number(
    victoria: Database, scraped: Window, method: str
) -> None:
    text = 'sum(traefik_service_requests_total{service="app-canary@file"})'
    reading = read(victoria, "prometheus", text, scraped, ("method", method))
    assert isinstance(reading, Value)
    assert reading.canary == 190


def test_victoria_metrics_gives_nothing_where_prometheus_gives_nan(
    victoria: Database, scraped: Window
) -> None:
    assert isinstance(read(victoria, "prometheus", "sum(no_such_metric) / 0", scraped), NoData)


@pytest.mark.parametrize("text", ["sum(", "rate(x)[5m"])
def test_a_bad_query_is_a_bad_query_with_victorias_words(
    victoria: Database, scraped: Window, text: str
) -> None:
    with pytest.raises(PermanentAdapterError, match="422"):
        read(victoria, "prometheus", text, scraped)


NOW = Window(start=0.0, end=2_000_000_000.0)
APP = (("version", "1"), ("database", "app"))


@pytest.fixture(scope="module")
def hits(influx: Database) -> Database:
    influx.post("/query", q="CREATE DATABASE app")
    lines = [f"hits,version=v2 count={count},bad={bad}" for count, bad in ((40, 1), (60, 3))]
    influx.post("/write", "\n".join(f"{line} {at}" for at, line in enumerate(lines, 1)), db="app")
    return influx


def test_influxdb_1_gives_a_share_and_the_requests_behind_it(hits: Database) -> None:
    text = "SELECT sum(bad) / sum(count) AS share, sum(count) AS requests FROM hits"
    reading = read(hits, "influxdb", f"{text} WHERE version = 'v2'", NOW, *APP)
    assert isinstance(reading, Value)
    assert (reading.canary, reading.requests) == (0.04, 100)


@pytest.mark.parametrize("text", ["SELECT sum(bad) FROM hits WHERE version = 'v3'",
                                  "SELECT sum(bad) FROM nothing"])  # fmt: skip
def test_influxdb_1_without_a_row_is_no_data(hits: Database, text: str) -> None:
    assert isinstance(read(hits, "influxdb", text, NOW, *APP), NoData)


@pytest.mark.parametrize(
    ("text", "database", "words"),
    [
        ("SELECT sum(bad) FROM hits", "nothing", "database not found"),
        ("SELECT sum(bad FROM hits", "app", "error parsing query"),
        ("SELECT bad FROM hits", "app", "2 rows"),
    ],
)
def test_influxdb_1_keeps_its_words(hits: Database, text: str, database: str, words: str) -> None:
    options = (("version", "1"), ("database", database))
    with pytest.raises(PermanentAdapterError, match=words):
        read(hits, "influxdb", text, NOW, *options)

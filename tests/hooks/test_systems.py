"""The systems of a release, opened from its spec, on loopback and a temporary directory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_rollout.analysis.parameters import JudgeParams, Metric, Question, Semantics
from airflow_rollout.analysis.readings import Cumulative, ReadFailure
from airflow_rollout.errors import PermanentAdapterError, SpecError
from airflow_rollout.hooks.adapters import make_adapters
from airflow_rollout.hooks.connection import Connect, ConnectionInfo, static_connections
from airflow_rollout.hooks.systems import Systems, open_systems
from airflow_rollout.metrics.base import Window
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.spec.model import MetricSource, RolloutSpec, Step, TrafficRef, WorkloadRef
from airflow_rollout.traffic.base import WriteConflict

PAGE = Path(__file__).parents[1] / "metrics" / "recordings" / "traefik_3_7_page.txt"
METRICS = (
    Metric(name="errors", question=Question.ERRORS),
    Metric(name="p99", question=Question.LATENCY, quantile=0.99),
    Metric(name="mine", question=Question.VALUE, query="up"),
)
SPEC = RolloutSpec(
    name="app",
    namespace="prod",
    dialect="native",
    workload=WorkloadRef(kind="endpoints", name="app"),
    traffic=TrafficRef(router="traefik_file", service="app", conn_id="router"),
    source=MetricSource(provider="scrape", conn_id="metrics", every_seconds=1.0),
    steps=(Step(weight=10, hold_seconds=5.0),),
    verify_seconds=5.0,
    judge=JudgeParams(
        semantics=Semantics.NATIVE, metrics=METRICS[:2], interval_seconds=5.0, failure_limit=3
    ),
)
SPLIT = TrafficSplit(
    service="app",
    stable=Arm(version="v1", target="http://127.0.0.1:1"),
    canary=Arm(version="v2", target="http://127.0.0.1:2"),
    weight=10,
    state=ReleaseState.OPEN,
    token=Token(epoch="e", owner="o", digest="d"),
)


class Traefik:
    """Serves the recorded page and one service's weights, and counts what was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ")[1].decode()
                self.paths.append(path)
                status, body = self.answer(path)
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, path: str) -> tuple[int, bytes]:
        if path == "/metrics":
            return 200, PAGE.read_bytes()
        if path == "/api/http/services/app@file":
            services = [{"name": "app-stable", "weight": 93}, {"name": "app-canary", "weight": 7}]
            body = {"status": "enabled", "weighted": {"services": services}}
            return 200, json.dumps(body).encode()
        return (200, b"well") if path == "/" else (404, b"")


@asynccontextmanager
async def opened(
    directory: Path, spec: RolloutSpec = SPEC
) -> AsyncIterator[tuple[Systems, Traefik]]:
    traefik = Traefik()
    listening = await asyncio.start_server(traefik.handle, "127.0.0.1", 0)
    traefik.port = listening.sockets[0].getsockname()[1]
    async with open_systems(spec, connections(traefik.port, directory)) as systems:
        yield systems, traefik
    listening.close()


def connections(port: int, directory: Path) -> Connect:
    router = {"conn_type": "traefik", "host": f"http://127.0.0.1:{port}"}
    return static_connections(
        {
            "router": json.dumps({**router, "extra": {"directory": str(directory)}}),
            "metrics": f"http://127.0.0.1:{port}",
        }
    )


def window() -> Window:
    now = time.time()
    return Window(start=now - 60, end=now)


def test_all_metrics_of_a_gate_are_read_from_one_page(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as (systems, traefik):
            readings = await systems.read_metrics(METRICS[:2], window())
            assert traefik.paths == ["/metrics"]
            await systems.read_metrics(METRICS[:2], window())
            assert traefik.paths == ["/metrics"] * 2
        errors, latency = readings["errors"], readings["p99"]
        assert isinstance(errors, Cumulative)
        assert errors.canary[0].points[0].requests == 24
        assert isinstance(latency, Cumulative)
        assert len(latency.boundaries) == 8

    asyncio.run(test())


def test_what_cannot_be_read_is_a_failure_beside_the_others(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as (systems, _):
            readings = await systems.read_metrics(METRICS, window())
        assert list(readings) == ["errors", "p99", "mine"]
        assert isinstance(readings["errors"], Cumulative)
        failure = readings["mine"]
        assert isinstance(failure, ReadFailure)
        assert not failure.transient
        assert "prometheus" in failure.reason

    asyncio.run(test())


def test_a_metric_system_that_is_away_is_a_transient_failure(tmp_path: Path) -> None:
    async def test() -> None:
        async with open_systems(SPEC, connections(1, tmp_path)) as systems:
            (reading,) = (await systems.read_metrics(METRICS[:1], window())).values()
        assert isinstance(reading, ReadFailure)
        assert reading.transient

    asyncio.run(test())


def test_split_and_live_weight_go_through_the_routers_connection(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as (systems, _):
            assert await systems.read_split() is None
            assert await systems.write_split(SPLIT, None) == SPLIT
            assert await systems.read_split() == SPLIT
            with pytest.raises(WriteConflict):
                await systems.write_split(replace(SPLIT, weight=20), None)
            assert await systems.live_weight() == 7
        assert (tmp_path / "prod.app.yaml").exists()

    asyncio.run(test())


def test_a_probe_asks_the_arm_itself(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as (systems, traefik):
            arm = Arm(version="v2", target=f"http://127.0.0.1:{traefik.port}")
            assert (await systems.probe(arm, 3.0)).ok
            away = await systems.probe(Arm(version="v3", target="http://127.0.0.1:1"), 4.0)
            assert (away.at, away.ok, away.fatal) == (4.0, False, False)
            await systems.deploy(arm)
            assert await systems.promote(arm) == ""
            await systems.remove(arm, released=True)

    asyncio.run(test())


def test_a_missing_connection_is_named_before_anything_happens(tmp_path: Path) -> None:
    async def test() -> None:
        spec = replace(SPEC, source=replace(SPEC.source, conn_id="elsewhere"))
        with pytest.raises(PermanentAdapterError, match="'elsewhere'"):
            async with open_systems(spec, connections(1, tmp_path)):
                pass

    asyncio.run(test())


def test_one_connection_for_router_and_metrics_is_asked_for_once(tmp_path: Path) -> None:
    asked: list[str] = []
    known = connections(1, tmp_path)

    async def connect(conn_id: str) -> ConnectionInfo:
        asked.append(conn_id)
        return await known(conn_id)

    async def test() -> None:
        spec = replace(SPEC, source=replace(SPEC.source, conn_id="router"))
        async with open_systems(spec, connect):
            pass
        assert asked == ["router"]

    asyncio.run(test())


def test_adapters_are_checked_without_asking_anybody_and_the_file_is_named() -> None:
    assert make_adapters(SPEC).router.features
    judge = replace(SPEC.judge, metrics=METRICS)
    with pytest.raises(SpecError, match=r"^app\.yaml: metrics\[mine\]"):
        make_adapters(replace(SPEC, judge=judge, file="app.yaml"))


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, traffic=replace(SPEC.traffic, router="nginx")),
        replace(SPEC, workload=replace(SPEC.workload, kind="vm")),
        replace(SPEC, source=replace(SPEC.source, provider="nagios")),
    ],
)
def test_an_unknown_adapter_is_a_fault_of_the_spec(spec: RolloutSpec, tmp_path: Path) -> None:
    async def test() -> None:
        with pytest.raises(SpecError, match="unknown"):
            async with open_systems(spec, connections(1, tmp_path)):
                pass

    asyncio.run(test())

"""Adapters that keep everything in memory and keep their contracts: for tests of who uses them.

The router compares before it sets, like a router with conditional writes. Faults are set by the
test and raised until it takes them away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_rollout.analysis.parameters import (
    Comparison,
    JudgeParams,
    Metric,
    Mode,
    Question,
    Semantics,
    Threshold,
)
from airflow_rollout.analysis.readings import (
    CounterPoint,
    CounterSeries,
    Cumulative,
    Probe,
    Reading,
)
from airflow_rollout.hooks.connection import Connect
from airflow_rollout.hooks.results import Results
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.spec.model import MetricSource, RolloutSpec, Step, TrafficRef, WorkloadRef
from airflow_rollout.traffic.base import Feature, Lease, WriteConflict
from airflow_rollout.wire import FileContent, FileRead, Request, Response, Send

__all__ = [
    "CANARY", "SERVICE", "STABLE", "MemoryProvider", "MemoryRouter", "MemoryWorkload", "World",
    "make_spec", "open_split",
]  # fmt: skip

SERVICE = "shop"
STABLE = Arm(version="v1", target="http://127.0.0.1:1")
CANARY = Arm(version="v2", target="http://127.0.0.1:2")

ALL_FEATURES = frozenset(Feature)


def open_split(token: Token, *, weight: int = 0, stable: Arm | None = STABLE) -> TrafficSplit:
    """Return the split of a release that is under way."""
    return TrafficSplit(
        service=SERVICE,
        stable=stable,
        canary=CANARY,
        weight=weight,
        state=ReleaseState.OPEN,
        token=token,
    )


class MemoryRouter:
    """Keep one service's split; write only what was expected.

    `written` is every split that was written, `meanwhile` what somebody else does just before the
    next write. `data_plane` is the weight that traffic really has, None where it follows at once.
    """

    def __init__(
        self, split: TrafficSplit | None = None, *, features: frozenset[Feature] = ALL_FEATURES
    ) -> None:
        self.features = features
        self.split = split
        self.written: list[TrafficSplit] = []
        self.meanwhile: list[Callable[[], None]] = []
        self.data_plane: int | None = None
        self.read_fault: Exception | None = None
        self.write_fault: Exception | None = None
        self.live_fault: Exception | None = None
        self.write_seconds = 0.0
        self.lease: Lease | None = None

    async def read_lease(self, send: Send) -> Lease | None:
        return self.lease

    async def renew_lease(self, lease: Lease, send: Send) -> None:
        self.lease = lease

    def change(self, **changes: Any) -> None:
        """Change the record as a hand or another controller would."""
        assert self.split is not None
        self.split = replace(self.split, **changes)

    async def read(self, send: Send) -> TrafficSplit | None:
        if self.read_fault is not None:
            raise self.read_fault
        return self.split

    async def write(
        self, split: TrafficSplit, expected: TrafficSplit | None, send: Send
    ) -> TrafficSplit:
        await asyncio.sleep(self.write_seconds)
        await send(FileRead(name="record"))
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if self.write_fault is not None:
            raise self.write_fault
        if self.split != expected:
            raise WriteConflict(self.split)
        self.split = split
        self.written.append(split)
        return split

    async def live(self, send: Send) -> int | None:
        if self.live_fault is not None:
            raise self.live_fault
        if Feature.READ_BACK not in self.features:
            return None
        if self.data_plane is not None:
            return self.data_plane
        return 0 if self.split is None else self.split.weight


@dataclass
class MemoryWorkload:
    """Remember what was asked of it; `probe_fault` is what every probe says while it is set.

    `stable_fault` is what probes of the stable version say, and they are not counted. `waits_for`
    is what stable still waits for, one after the other, while it is promoted.
    """

    probe_fault: str = ""
    fatal: bool = False
    stable_fault: str = ""
    probes: int = 0
    deployed: list[Arm] = field(default_factory=list)
    promoted: list[Arm] = field(default_factory=list)
    removed: list[Arm] = field(default_factory=list)
    retired: list[Arm] = field(default_factory=list)
    waits_for: list[str] = field(default_factory=list)

    async def deploy(self, canary: Arm, send: Send) -> None:
        self.deployed.append(canary)

    async def probe(self, arm: Arm, at: float, send: Send) -> Probe:
        if arm == STABLE:
            return Probe(at=at, ok=not self.stable_fault, detail=self.stable_fault)
        self.probes += 1
        detail = self.probe_fault
        return Probe(at=at, ok=not detail, detail=detail, fatal=bool(detail) and self.fatal)

    async def promote(self, canary: Arm, send: Send) -> str:
        self.promoted.append(canary)
        return self.waits_for.pop(0) if self.waits_for else ""

    async def remove(self, canary: Arm, send: Send, *, released: bool) -> None:
        (self.retired if released else self.removed).append(canary)


@dataclass
class MemoryProvider:
    """Counters of both arms, `rate` requests a second of the canary; `bad_share` of those fail.

    `share` is what it has of all requests, in percent, from `moves_at` on; none of them before.
    `answer`, if set, is asked instead: it may return a reading, raise, or never come back.
    """

    bad_share: float = 0.0
    share: float = 10.0
    rate: float = 50.0
    moves_at: float = 0.0
    began_at: float | None = None
    reads: list[Window] = field(default_factory=list)
    answer: Callable[[MetricQuery, Window], Awaitable[Reading]] | None = None

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        self.reads.append(at)
        if self.answer is not None:
            return await self.answer(query, at)
        return self.counters(at.end)

    def counters(self, at: float) -> Cumulative:
        self.began_at = at if self.began_at is None else self.began_at
        everything = self.rate * 100.0 / self.share * (at - self.began_at)
        requests = int(self.rate * max(0.0, at - max(self.began_at, self.moves_at)))
        bad = int(requests * self.bad_share)
        stable = int(everything) - requests
        return Cumulative(
            at=at,
            boundaries=(),
            canary=(_series("canary", at, requests, bad),),
            stable=(_series("stable", at, stable, 0),),
        )


def _series(key: str, at: float, requests: int, bad: int) -> CounterSeries:
    return CounterSeries(key=key, points=(CounterPoint(at=at, requests=requests, bad=(bad,)),))


def make_spec(
    *,
    weights: tuple[int, ...] = (10, 50),
    interval_seconds: float = 10.0,
    every_seconds: float = 1.0,
    failure_limit: int = 2,
    mode: Mode = Mode.ACT,
    comparison: bool = True,
    ready_timeout_seconds: float = 60.0,
) -> RolloutSpec:
    """Return a rollout over the adapters of this file, with Flagger's rules and one metric."""
    metric = Metric(
        name="request-success-rate",
        question=Question.ERRORS,
        threshold=Threshold(minimum=99.0),
        weight=1.0,
        window_seconds=interval_seconds,
    )
    return RolloutSpec(
        name=SERVICE,
        namespace="prod",
        dialect="flagger",
        workload=WorkloadRef(kind="memory", name=SERVICE),
        traffic=TrafficRef(router="memory", service=SERVICE, conn_id="router"),
        source=MetricSource(provider="scrape", conn_id="metrics", every_seconds=every_seconds),
        steps=tuple(Step(weight=weight, hold_seconds=interval_seconds) for weight in weights),
        verify_seconds=interval_seconds,
        judge=JudgeParams(
            semantics=Semantics.FLAGGER,
            metrics=(metric,),
            interval_seconds=interval_seconds,
            failure_limit=failure_limit,
            comparison=Comparison(enabled=comparison, dispersion=1.0),
            mode=mode,
        ),
        ready_timeout_seconds=ready_timeout_seconds,
    )


@dataclass
class World:
    """One service's router, workload and metric system."""

    router: MemoryRouter = field(default_factory=MemoryRouter)
    workload: MemoryWorkload = field(default_factory=MemoryWorkload)
    provider: MemoryProvider = field(default_factory=MemoryProvider)

    closed: bool = False

    @property
    def systems(self) -> Systems:
        return Systems(
            router=self.router,
            workload=self.workload,
            provider=self.provider,
            router_send=self._send,
            workload_send=self._send,
            provider_send=self._send,
            traffic=make_spec().traffic,
            namespace="prod",
        )

    @asynccontextmanager
    async def open(
        self, spec: RolloutSpec, connect: Connect, results: Results | None = None
    ) -> AsyncIterator[Systems]:
        """Open like `open_systems`: what is sent after the end is refused."""
        self.closed = False
        try:
            yield self.systems
        finally:
            self.closed = True

    async def _send(self, request: Request) -> Response:
        if self.closed:
            raise RuntimeError("the client has been closed")
        return FileContent(content=None)

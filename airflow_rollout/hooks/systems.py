"""Everything one release talks to, opened once: router, workload and metric system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from airflow_rollout.analysis.latency import latency_limit
from airflow_rollout.analysis.parameters import Metric, Semantics
from airflow_rollout.analysis.readings import Probe, ReadFailure, Reading, Value
from airflow_rollout.errors import AdapterError, PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.adapters import make_adapters, make_workload_behind
from airflow_rollout.hooks.cluster import log_in, open_with
from airflow_rollout.hooks.connection import Connect
from airflow_rollout.hooks.credentials import connect_source, fill_in
from airflow_rollout.hooks.measured import Measurement, listening
from airflow_rollout.hooks.results import Results, seeing
from airflow_rollout.hooks.sources import SingleFlight, open_source
from airflow_rollout.metrics.base import KeepsSamples, MetricProvider, MetricQuery, Window
from airflow_rollout.metrics.registry import connection_form
from airflow_rollout.release import Arm, TrafficSplit
from airflow_rollout.seen import Exchange
from airflow_rollout.spec.model import RolloutSpec, TrafficRef
from airflow_rollout.spec.query_template import fill_query
from airflow_rollout.traffic.base import Feature, Lease, LeaseKeeper, OneService, Router, Shaped
from airflow_rollout.traffic.registry import make_router
from airflow_rollout.wire import Preflight, Request, Response, Send
from airflow_rollout.workloads.base import Sized, Workload
from airflow_rollout.workloads.endpoints import EndpointsWorkload
from airflow_rollout.workloads.registry import WORKLOADS

__all__ = ["Systems", "open_router", "open_systems"]


# Where the data plane cannot be read back it may still send to a canary that has no weight any
# more: 0.5 s were measured, and 2 s is the longest that a usual controller holds changes back.
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """One release's router, workload and metric system with the `Send` of each.

    :param traffic: how the router knows the service; metric queries are built from it.
    :param semantics: in which unit the metrics' limits are.
    :param flights: what is asked of the metric system at the moment, by whomever.
    """

    router: Router
    workload: Workload
    provider: MetricProvider
    router_send: Send
    workload_send: Send
    provider_send: Send
    traffic: TrafficRef
    namespace: str
    semantics: Semantics = Semantics.NATIVE
    flights: SingleFlight = field(default_factory=SingleFlight)

    async def read_split(self) -> TrafficSplit | None:
        """Return the router's record, None when it knows nothing of the service."""
        return await self.router.read(self.router_send)

    async def write_split(self, split: TrafficSplit, expected: TrafficSplit | None) -> TrafficSplit:
        """Write split and record; `WriteConflict` if `expected` is no longer there."""
        return await self.router.write(split, expected, self.router_send)

    async def live_weight(self) -> int | None:
        """Return the weight the data plane works with, None when it does not say."""
        return await self.router.live(self.router_send)

    async def read_lease(self) -> Lease | None:
        """Return the last sign of life of a gate, None where there is none or it is not kept."""
        if Feature.LEASE not in self.router.features:
            return None
        return await cast("LeaseKeeper", self.router).read_lease(self.router_send)

    async def renew_lease(self, lease: Lease) -> None:
        """Leave a sign of life, where the router keeps one."""
        if Feature.LEASE in self.router.features:
            await cast("LeaseKeeper", self.router).renew_lease(lease, self.router_send)

    async def read_metrics(self, metrics: Sequence[Metric], window: Window) -> dict[str, Reading]:
        """Return one reading a metric name; what could not be read is a `ReadFailure`."""
        return {one.metric: one.reading for one in await self.measure(metrics, window)}

    async def measure(self, metrics: Sequence[Metric], window: Window) -> list[Measurement]:
        """Return one measurement a metric, in their order.

        All metrics are read at once, and equal requests (one page, many metrics) are sent once,
        also those of other gates whose window ends at the same moment.
        """
        send = self.flights.at(window.end, self.provider_send)
        return await asyncio.gather(*(self._measure(metric, window, send) for metric in metrics))

    async def _measure(self, metric: Metric, window: Window, send: Send) -> Measurement:
        heard: list[Exchange] = []
        listened = listening(send, heard, about=self.traffic.service)
        reading = await self._read(metric, window, listened)
        return Measurement(
            metric=metric.name, reading=reading, window=window, exchanges=tuple(heard)
        )

    async def read_history(
        self, metrics: Sequence[Metric], *, before: float, seconds: float
    ) -> dict[str, Reading]:
        """Return what the source still has of the time before, nothing where it keeps none."""
        if not isinstance(self.provider, KeepsSamples) or not self.provider.keeps_samples:
            return {}
        return await self.read_metrics(metrics, Window(start=before - seconds, end=before))

    async def _read(self, metric: Metric, window: Window, send: Send) -> Reading:
        query = MetricQuery(
            name=metric.name,
            question=metric.question,
            router=self.traffic.router,
            service=self.traffic.service,
            namespace=self.namespace,
            quantile=metric.quantile,
            expression=metric.query,
            boundary_seconds=self._limit(metric),
            route=dict(self.traffic.options).get("route", ""),
        )
        try:
            return await self._ask(query, window, send)
        except AdapterError as error:
            transient = isinstance(error, TransientAdapterError)
            return ReadFailure(at=window.end, reason=str(error), transient=transient)

    async def _ask(self, query: MetricQuery, window: Window, send: Send) -> Reading:
        """Ask a query of the user's own for the canary, and if it names the arm for stable too."""
        if query.expression is None:
            return await self.provider.read(query, window, send)
        canary, stable = (self._filled(query, arm) for arm in ("canary", "stable"))
        if canary == stable:
            return await self.provider.read(canary, window, send)
        reading, beside = await asyncio.gather(
            self.provider.read(canary, window, send), self._beside(stable, window, send)
        )
        return replace(reading, stable=beside) if isinstance(reading, Value) else reading

    async def _beside(self, query: MetricQuery, window: Window, send: Send) -> float | None:
        """Return the stable version's number; it is shown and judges nothing, so it may be away."""
        try:
            reading = await self.provider.read(query, window, send)
        except AdapterError:
            return None
        return reading.canary if isinstance(reading, Value) else None

    def _filled(self, query: MetricQuery, arm: str) -> MetricQuery:
        text = fill_query(
            query.expression or "", arm=arm, namespace=query.namespace, service=query.service
        )
        return replace(query, expression=text)

    def _limit(self, metric: Metric) -> float | None:
        return latency_limit(metric, self.semantics) if metric.quantile is not None else None

    async def preflight(self, weights: Collection[int] = ()) -> list[str]:
        """Look for what would stop a release later; return what a person should know.

        :param weights: those of its steps.
        :raises PermanentAdapterError: what stops it.
        """
        told: list[str] = []
        asked = ((self.router, self.router_send), (self.workload, self.workload_send))
        for adapter, send in asked:
            if isinstance(adapter, Preflight):
                told += await adapter.preflight(send)
        if isinstance(self.workload, Sized):
            told += await self.workload.shares(weights, self.workload_send)
        return told

    async def deploy(self, canary: Arm) -> None:
        """Start the canary, without traffic; return before it is ready."""
        await self.workload.deploy(canary, self.workload_send)
        if isinstance(self.router, Shaped):
            await self.router.attach(self.router_send)

    async def probe(self, arm: Arm, at: float) -> Probe:
        """Ask once whether an arm can serve; what could not be asked is a failed probe."""
        try:
            return await self.workload.probe(arm, at, self.workload_send)
        except AdapterError as error:
            return Probe(at=at, ok=False, detail=str(error))

    @property
    def canary_grows(self) -> bool:
        """Say whether the canary has to be sized before its weight rises."""
        return isinstance(self.workload, Sized) and self.workload.grows

    async def size(self, canary: Arm, weight: int, at: float) -> str:
        """Let the canary grow for a weight; return what it still waits for."""
        if not isinstance(self.workload, Sized):
            return ""
        return await self.workload.size(canary, weight, at, self.workload_send)

    async def promote(self, canary: Arm) -> str:
        """Give the idle stable workload the canary's version; return what it still waits for."""
        return await self.workload.promote(canary, self.workload_send)

    async def remove(self, canary: Arm, *, released: bool) -> None:
        """Remove what `deploy` made, once its traffic has gone.

        :param released: whether the canary has become stable.
        :raises TransientAdapterError: the data plane may still send to it.
        """
        if isinstance(self.router, Shaped | OneService):
            if live := await self.live_weight():
                raise TransientAdapterError(f"{live} % is on it still", system="router")
            if isinstance(self.router, Shaped):
                await self.router.detach(self.router_send)
            await asyncio.sleep(_DRAIN_SECONDS)
        await self.workload.remove(canary, self.workload_send, released=released)


@asynccontextmanager
async def open_systems(
    spec: RolloutSpec, connect: Connect, results: Results | None = None
) -> AsyncIterator[Systems]:
    """Yield what a spec names, connected; credentials are read once, here.

    :param results: reads what other tasks of the release's run returned; None: they are not seen.
    :raises SpecError: what `make_adapters` refuses.
    :raises PermanentAdapterError: a missing connection.
    :raises TransientAdapterError: Airflow did not give a connection in time.
    """
    adapters = make_adapters(spec)
    # One after the other: in the triggerer all questions to Airflow share one channel.
    traffic_info = await connect(spec.traffic.conn_id)
    form = connection_form(spec.source.provider)
    if spec.source.conn_id == spec.traffic.conn_id:
        source_info = fill_in(traffic_info, form)
    else:
        source_info = await connect_source(spec.source.conn_id, form, connect)
    async with (
        log_in(traffic_info) as login,
        open_with(login, traffic_info, system=spec.traffic.router) as router_send,
        open_source(source_info, system=spec.source.provider) as source,
        open_with(login, None, system=spec.workload.kind) as workload_send,
    ):
        yield Systems(
            router=adapters.router,
            workload=adapters.workload,
            provider=adapters.provider,
            router_send=router_send,
            workload_send=workload_send,
            provider_send=seeing(source.send, results),
            traffic=spec.traffic,
            namespace=spec.namespace,
            semantics=spec.judge.semantics,
            flights=source.flights,
        )


@asynccontextmanager
async def open_router(spec: RolloutSpec, connect: Connect) -> AsyncIterator[Systems]:
    """Yield what the way back needs, the router and the workload; metrics cannot be read with it.

    For tools that put traffic back when nothing else works: the metric system is not asked for,
    and a workload that nobody named is one that runs by itself.

    :raises SpecError: an unknown router or option.
    :raises PermanentAdapterError: a missing connection.
    """
    router = make_router(spec.traffic, namespace=spec.namespace)
    workload: Workload = EndpointsWorkload()
    if spec.workload.kind in WORKLOADS:
        workload = make_workload_behind(router, spec)
    info = await connect(spec.traffic.conn_id)
    async with (
        log_in(info) as login,
        open_with(login, info, system=spec.traffic.router) as router_send,
        open_with(login, None, system=spec.workload.kind) as workload_send,
    ):
        yield Systems(
            router=router,
            workload=workload,
            provider=_NoMetrics(),
            router_send=router_send,
            workload_send=workload_send,
            provider_send=_ask_nobody,
            traffic=spec.traffic,
            namespace=spec.namespace,
        )


class _NoMetrics:
    """A metric system where none was opened."""

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:  # noqa: ARG002
        """Say that nothing can be read."""
        raise PermanentAdapterError(f"{query.name}: only the router was opened", system="metrics")


async def _ask_nobody(request: Request) -> Response:
    raise PermanentAdapterError(f"only the router was opened: {request}", system="metrics")

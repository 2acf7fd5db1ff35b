"""Many gates behind one source: what they share is asked once, and each counts it once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace

from gates import MINE, Gate, started
from in_memory import MemoryProvider, MemoryRouter, World, make_spec, open_split
from virtual_time import EPOCH, run_virtual

from airflow_rollout.analysis.readings import Reading
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.hooks.sources import SingleFlight
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response, Send

EVERY = 15.0
GATES, QUESTIONS = 40, 5


@dataclass
class AskingProvider(MemoryProvider):
    """Send what a system with queries is asked, its time in the request."""

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        params = (("query", query.expression or ""), ("time", f"{at.end:.3f}"))
        await send(HttpRequest(url="/query", params=params))
        return await super().read(query, at, send)


@dataclass
class SharedWorld(World):
    """A service whose source has other gates behind it."""

    provider: MemoryProvider = field(default_factory=AskingProvider)
    flights: SingleFlight = field(default_factory=SingleFlight)
    sent: list[tuple[float, str]] = field(default_factory=list)

    @property
    def systems(self) -> Systems:
        return replace(super().systems, provider_send=self.count, flights=self.flights)

    async def count(self, request: Request) -> Response:
        assert isinstance(request, HttpRequest)
        text = dict(request.params)["query"]
        self.sent.append((asyncio.get_running_loop().time(), text))
        await asyncio.sleep(0.05)
        return HttpResponse(status=200)


def asking(number: int) -> Gate:
    """Return a gate with one of the questions, which began at a time of its own."""
    spec = make_spec(every_seconds=EVERY, interval_seconds=100.0, comparison=False)
    metric = replace(spec.judge.metrics[0], query=f"q{number % QUESTIONS}")
    spec = replace(
        spec,
        source=replace(spec.source, provider="prometheus"),
        judge=replace(spec.judge, metrics=(metric,)),
    )
    world = SharedWorld(router=MemoryRouter(open_split(MINE, weight=10)))
    return Gate(world, spec=spec, start=started(written_at=EPOCH, release_started_at=EPOCH))


def test_forty_gates_with_five_questions_ask_five_times_an_interval() -> None:
    gates = [asking(number) for number in range(GATES)]
    first = gates[0].world
    assert isinstance(first, SharedWorld)
    for gate in gates:
        assert isinstance(gate.world, SharedWorld)
        gate.world.flights, gate.world.sent = first.flights, first.sent

    async def judged_from(second: float, gate: Gate) -> Verdict:
        await asyncio.sleep(second)
        return (await gate.judge()).judgement.verdict

    async def all_of_them() -> list[Verdict]:
        starts = (0.37 * number for number in range(GATES))
        return await asyncio.gather(*map(judged_from, starts, gates))

    assert run_virtual(all_of_them()) == [Verdict.PASS] * GATES
    # The first look of each gate is its own; the last gate began 15 s after the first.
    begin = 2 * EVERY
    intervals = Counter(int((at - begin) // EVERY) for at, _ in first.sent if at >= begin)
    assert {intervals[number] for number in range(4)} == {QUESTIONS}
    for gate in gates:
        ends = [window.end for window in gate.world.provider.reads]
        assert len(ends) == len(set(ends)), "no gate reads a window twice"
        assert len(ends) >= 6, "and every gate has its own reading of each"

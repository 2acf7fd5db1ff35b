"""Gates that ask the same ask at the same moments; each answer is counted once."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest
from gates import MINE, Gate, at_ten_percent, attempt_of, started
from hypothesis import given
from hypothesis import strategies as st
from in_memory import CANARY, MemoryRouter, MemoryWorkload, World, make_spec, open_split
from virtual_time import EPOCH, hold_up, run_virtual

from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.analysis.readings import Probe, Reading
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.release import Arm
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.pace import CROWD, Crowd, asked_together, next_moment
from airflow_rollout.wire import Send

SPEC = make_spec(every_seconds=3.0, interval_seconds=30.0)


def asking(provider: str, *metrics: Metric, service: str = "a") -> RolloutSpec:
    return replace(
        SPEC,
        source=replace(SPEC.source, provider=provider),
        traffic=replace(SPEC.traffic, service=service),
        judge=replace(SPEC.judge, metrics=metrics),
    )


ERRORS = Metric(name="errors", question=Question.ERRORS)
LATENCY = Metric(name="p99", question=Question.LATENCY, quantile=0.99)
QUEUE = Metric(name="queue", question=Question.VALUE, query="sum(queue)")


@given(
    now=st.floats(1.6e9, 2.0e9),
    every=st.sampled_from([0.25, 1.0, 5.0, 7.5, 15.0, 60.0]),
    place=st.floats(0, 1, exclude_max=True, allow_subnormal=False),
)
def test_the_next_moment_is_within_one_interval(now: float, every: float, place: float) -> None:
    moment = next_moment(now, every_seconds=every, place=place)
    assert now - 1e-5 <= moment <= now + every + 1e-5
    later = next_moment(moment + every / 2, every_seconds=every, place=place)
    assert later - moment == pytest.approx(every, abs=1e-5)
    between = now + (moment - now) / 2
    if moment - now > 1e-4:
        assert next_moment(between, every_seconds=every, place=place) == moment, "to the last bit"


def test_the_same_question_has_the_same_place_whoever_asks() -> None:
    one = asked_together(asking("prometheus", QUEUE, ERRORS))
    other = asked_together(asking("prometheus", replace(QUEUE, name="q"), service="b"))
    assert set(other) < set(one)
    assert set(asked_together(asking("prometheus", ERRORS, service="b"))).isdisjoint(one)


def test_a_query_with_a_template_depends_on_who_asks() -> None:
    mine = replace(QUEUE, query='queue{job="{{ service }}"}')
    places = [asked_together(asking("prometheus", mine, service=name)) for name in ("a", "b")]
    assert set(places[0]).isdisjoint(places[1])


def test_a_page_is_the_same_for_every_question_and_every_service() -> None:
    one = asked_together(asking("scrape", ERRORS, LATENCY))
    assert list(one.values()) == [(ERRORS, LATENCY)]
    assert set(asked_together(asking("scrape", ERRORS, service="b"))) == set(one)


def _ends(world: World, *, second: float) -> list[float]:
    world.provider.reads.clear()
    Gate(world, spec=SPEC, start=started(written_at=EPOCH + second, release_started_at=EPOCH)).run(
        second=second
    )
    return [window.end for window in world.provider.reads]


def test_gates_that_began_at_different_times_ask_about_the_same_windows() -> None:
    one = _ends(at_ten_percent(), second=0.0)
    other = _ends(at_ten_percent(), second=1.3)
    # The first look of each is its own: it must not wait, nor look at what was before.
    assert one[0] == EPOCH
    assert other[0] == EPOCH + 1.3
    assert len(set(one) & set(other)) >= 9
    assert all(b - a == pytest.approx(3.0) for a, b in pairwise(one[1:]))


def test_every_window_goes_on_where_an_answer_ended() -> None:
    gate = Gate(at_ten_percent(), spec=SPEC)
    gate.run()
    reads = gate.world.provider.reads
    assert all(after.start <= before.end for before, after in pairwise(reads))


def test_after_a_source_was_away_a_window_reaches_back_to_its_last_answer() -> None:
    world = at_ten_percent()
    away = TransientAdapterError("away", system="s")

    async def answer(query: MetricQuery, at: Window) -> Reading:
        if EPOCH + 100 < at.end < EPOCH + 400:
            raise away
        return world.provider.counters(at.end)

    world.provider.answer = answer
    gate = Gate(world, spec=make_spec(every_seconds=3.0, interval_seconds=500.0))
    gate.run()
    back = next(window for window in world.provider.reads if window.end >= EPOCH + 400)
    assert EPOCH + 30 < back.start <= EPOCH + 101 - 60


@pytest.mark.parametrize("bad_share", [0.0, 0.5])
def test_many_gates_share_answers_and_come_to_the_same_verdicts(bad_share: float) -> None:
    worlds = [at_ten_percent() for _ in range(5)]
    for world in worlds:
        world.provider.bad_share = bad_share
    gates = [Gate(world, spec=SPEC) for world in worlds]

    async def all_of_them() -> list[Verdict]:
        pieces = await asyncio.gather(*(gate.judge() for gate in gates))
        return [piece.judgement.verdict for piece in pieces]

    wanted = Verdict.FAIL if bad_share else Verdict.PASS
    assert run_virtual(all_of_them()) == [wanted] * 5
    ends = [[window.end for window in world.provider.reads] for world in worlds]
    assert all(one == ends[0] for one in ends)


def crowd_of(size: int) -> ExitStack:
    """Return many gates that are there until the stack is left."""
    crowd = ExitStack()
    for _ in range(size):
        crowd.enter_context(CROWD.joined())
    return crowd


def dies_after_twenty_seconds() -> Gate:
    gate = Gate(at_ten_percent(), spec=make_spec(interval_seconds=60.0))
    workload = gate.world.workload
    gate.later[20.0] = lambda: setattr(workload, "probe_fault", "connection refused")
    return gate


def test_gates_of_a_crowd_probe_more_rarely_and_still_see_a_dead_version() -> None:
    alone, crowded = dies_after_twenty_seconds(), dies_after_twenty_seconds()
    stopped = alone.run()
    with crowd_of(999):
        later = crowded.run()
    assert stopped.judgement.verdict is later.judgement.verdict is Verdict.FAIL
    assert "health probes" in later.judgement.reason
    assert alone.ended_after == pytest.approx(21.0, abs=1.1)
    # The first probe that fails within ten seconds, the second one as soon as a lone gate's.
    assert 21.0 <= crowded.ended_after <= 31.1
    assert crowded.world.workload.probes < alone.world.workload.probes / 3


def test_gates_of_a_crowd_that_began_in_one_moment_do_not_stay_in_step() -> None:
    gates = []
    for number in range(20):
        token = replace(MINE, epoch=f"e{number}")
        world = World(router=MemoryRouter(open_split(token, weight=10)), workload=Noting())
        gates.append(Gate(world, spec=SPEC, start=started(attempt=attempt_of(token))))

    async def all_of_them() -> None:
        await asyncio.gather(*(gate.judge() for gate in gates))

    with crowd_of(980):
        run_virtual(all_of_them())
    workloads = [cast("Noting", gate.world.workload) for gate in gates]
    seconds = {round(workload.times[1], 1) for workload in workloads}
    assert len(seconds) > 15, "one moment each, but for a few by chance"
    assert max(seconds) - min(seconds) > 5.0, "all over the interval"


def test_in_a_crowd_a_foreign_split_is_still_seen() -> None:
    gate = Gate(at_ten_percent(), spec=make_spec(interval_seconds=60.0))
    router = gate.world.router
    gate.later[12.0] = lambda: setattr(router, "split", open_split(MINE, weight=35))
    with crowd_of(999):
        piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert "35" in piece.judgement.reason
    assert 12.0 <= gate.ended_after <= 27.1


def test_who_leaves_a_crowd_is_no_longer_counted() -> None:
    crowd = Crowd()
    with ExitStack() as many:
        for _ in range(300):
            many.enter_context(crowd.joined())
        assert crowd.stretched(1.0) == 3.0
    assert crowd.stretched(1.0) == 1.0


class Noting(MemoryWorkload):
    """Remember when it was asked for the canary, in seconds of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    async def probe(self, arm: Arm, at: float, send: Send) -> Probe:
        if arm == CANARY:
            self.times.append(asyncio.get_running_loop().time())
        return await super().probe(arm, at, send)


class BusyAsker(MemoryWorkload):
    """Answer nothing in time, for that the asker is busy with something else again and again."""

    turns, busy_seconds = 1, 2.0

    async def probe(self, arm: Arm, at: float, send: Send) -> Probe:
        for _ in range(self.turns):
            await asyncio.sleep(0.001)
            hold_up(self.busy_seconds)
        return await super().probe(arm, at, send)


@pytest.mark.parametrize(("turns", "busy_seconds"), [(1, 2.0), (8, 0.13)])
def test_silence_that_the_asker_made_itself_stops_no_release(
    turns: int, busy_seconds: float
) -> None:
    gate = Gate(at_ten_percent())
    workload = BusyAsker(probe_fault="no answer in time")
    workload.turns, workload.busy_seconds = turns, busy_seconds
    gate.world.workload = workload
    assert gate.run().judgement.verdict is Verdict.PASS
    assert any("a probe does not count" in line for line in gate.notebook.lines)


def test_a_crowd_whose_process_is_behind_probes_more_rarely() -> None:
    spec = make_spec(interval_seconds=300.0)
    in_time, behind = Gate(at_ten_percent(), spec=spec), Gate(at_ten_percent(), spec=spec)
    behind.world.workload = BusyAsker(probe_fault="no answer in time")
    for gate in (in_time, behind):
        with crowd_of(999):
            assert gate.run().judgement.verdict is Verdict.PASS
    assert behind.world.workload.probes < in_time.world.workload.probes / 2


def test_silence_stops_a_release_as_soon_as_the_asker_is_in_time_again() -> None:
    gate = Gate(at_ten_percent(), spec=make_spec(interval_seconds=60.0))
    workload = BusyAsker(probe_fault="no answer in time")
    gate.world.workload = workload
    gate.later[20.0] = lambda: setattr(workload, "busy_seconds", 0.0)
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert "health probes" in piece.judgement.reason
    assert 20.0 < gate.ended_after < 26.0

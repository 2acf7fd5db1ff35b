"""How often a gate asks: alone by its own start, in a crowd more rarely and at its own place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import LoopClock, run_virtual

from airflow_rollout.triggers.pace import Crowd
from airflow_rollout.triggers.rounds import Next, Rounds


class Asker:
    """Note when it is asked; the first `faults` times it fails.

    `wants` says when it wants to be asked again, each time another thing.
    """

    def __init__(self, *, faults: int = 0, takes: float = 0.0, wants: Iterable[Next] = ()) -> None:
        self.times: list[float] = []
        self.faults = faults
        self.takes = takes
        self.wants = iter(wants)

    async def ask(self) -> Next | None:
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes)
        if len(self.times) <= self.faults:
            raise ConnectionError("away")
        return next(self.wants, None)


def asked(
    asker: Asker,
    *,
    crowd: int = 1,
    owner: str = "e1",
    until: float = 100.0,
    longest_seconds: float = 1e9,
    lines: list[str] | None = None,
) -> list[float]:
    """Return when a gate that begins at 0 asks every second."""
    many = Crowd()
    said = [] if lines is None else lines

    async def work() -> None:
        rounds = Rounds(owner=owner, clock=LoopClock(), say=said.append, crowd=many)
        asking = rounds.repeat(asker.ask, 1.0, longest_seconds=longest_seconds)
        task = asyncio.create_task(asking)
        await asyncio.wait({task}, timeout=until)
        task.cancel()

    with ExitStack() as stack:
        for _ in range(crowd):
            stack.enter_context(many.joined())
        run_virtual(work())
    return asker.times


@pytest.mark.parametrize("crowd", [1, 100])
def test_up_to_a_hundred_gates_ask_from_their_own_start_on(crowd: int) -> None:
    assert asked(Asker(), crowd=crowd, until=3.5) == pytest.approx([0, 1, 2, 3])


def test_a_slow_answer_delays_the_next_question() -> None:
    assert asked(Asker(takes=1.7), until=4.0) == pytest.approx([0, 1.75, 3.5])


def test_in_a_crowd_the_pace_is_as_much_slower_as_there_are_gates_too_many() -> None:
    times = asked(Asker(), crowd=1000)
    assert 5.0 <= times[1] <= 15.0
    assert [b - a for a, b in pairwise(times[1:])] == pytest.approx([10.0] * (len(times) - 2))


def test_in_a_crowd_each_gate_has_its_own_place() -> None:
    places = {round(asked(Asker(), crowd=1000, owner=f"e{n}")[1], 2) for n in range(20)}
    assert len(places) > 17


def test_a_round_is_never_longer_than_its_longest() -> None:
    times = asked(Asker(), crowd=1000, longest_seconds=4.0)
    assert [b - a for a, b in pairwise(times[1:])] == pytest.approx([4.0] * (len(times) - 2))


def test_a_longest_below_the_pace_of_a_lone_gate_makes_it_no_quicker() -> None:
    assert asked(Asker(), longest_seconds=0.1, until=2.5) == pytest.approx([0, 1, 2])


def test_who_wants_to_be_asked_soon_is_asked_as_if_it_were_alone() -> None:
    times = asked(Asker(wants=[Next.SOON] * 3), crowd=1000)
    assert times[:4] == pytest.approx([0, 1, 2, 3])
    assert times[4] - times[3] >= 5.0


def test_where_the_process_is_behind_a_crowd_asks_more_rarely_until_it_is_in_time_again() -> None:
    wants = [Next.STEADY] + [Next.LATER] * 4
    times = asked(Asker(wants=wants), crowd=1000, until=400.0)
    pauses = [after - before for before, after in pairwise(times)]
    assert 10.0 <= pauses[1] <= 30.0, "twice as long, at its place in that interval"
    assert pauses[3:5] == pytest.approx([40.0, 40.0]), "and never more than four times"
    assert pauses[6:] == pytest.approx([10.0] * len(pauses[6:]))


def test_a_gate_that_is_alone_asks_as_before_although_the_process_is_behind() -> None:
    times = asked(Asker(wants=[Next.LATER] * 3), until=3.5)
    assert times == pytest.approx([0, 1, 2, 3])


def test_an_answer_that_fails_is_said_and_asked_for_again() -> None:
    lines: list[str] = []
    assert len(asked(Asker(faults=2), until=3.5, lines=lines)) == 4
    assert len(lines) == 2
    assert all("ask" in line and "away" in line for line in lines)


@given(size=st.integers(101, 5000), alone=st.floats(0.1, 10.0))
def test_a_crowd_asks_no_more_often_in_all_than_a_hundred_gates(size: int, alone: float) -> None:
    crowd = Crowd()
    with ExitStack() as stack:
        for _ in range(size):
            stack.enter_context(crowd.joined())
        every = crowd.stretched(alone)
    assert size / every <= 100 / alone * 1.0001
    assert every <= alone * (size + 50) / 100 * 1.0001

"""How often a gate asks: alone by its own start, in a crowd more rarely and at its own place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import EPOCH, LoopClock, run_virtual

from airflow_rollout.triggers.pace import Crowd
from airflow_rollout.triggers.rounds import Rounds


class Asker:
    """Note when it is asked; the first `faults` times it fails."""

    def __init__(self, *, faults: int = 0, takes: float = 0.0) -> None:
        self.times: list[float] = []
        self.faults = faults
        self.takes = takes

    async def ask(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes)
        if len(self.times) <= self.faults:
            raise ConnectionError("away")


def asked(
    asker: Asker,
    *,
    crowd: int = 1,
    owner: str = "e1",
    until: float = 100.0,
    longest_seconds: float = 1e9,
    in_doubt: Callable[[], bool] = lambda: False,
    lines: list[str] | None = None,
) -> list[float]:
    """Return when a gate that begins at 0 asks every second."""
    many = Crowd()
    said = [] if lines is None else lines

    async def work() -> None:
        rounds = Rounds(owner=owner, clock=LoopClock(), say=said.append, crowd=many)
        asking = rounds.repeat(asker.ask, 1.0, longest_seconds=longest_seconds, in_doubt=in_doubt)
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


def test_in_doubt_a_gate_of_a_crowd_asks_as_a_lone_one_does() -> None:
    asker = Asker()
    times = asked(asker, crowd=1000, in_doubt=lambda: len(asker.times) < 4)
    assert times[:4] == pytest.approx([0, 1, 2, 3])
    assert times[4] - times[3] >= 5.0


def test_an_answer_that_fails_is_said_and_asked_for_again() -> None:
    lines: list[str] = []
    assert len(asked(Asker(faults=2), until=3.5, lines=lines)) == 4
    assert len(lines) == 2
    assert all("ask" in line and "away" in line for line in lines)


@given(
    size=st.integers(101, 5000),
    began=st.floats(EPOCH, EPOCH + 1e6),
    place=st.floats(0, 1, exclude_max=True, allow_subnormal=False),
)
def test_the_next_round_of_a_crowd_is_half_to_one_and_a_half_rounds_away(
    size: int, began: float, place: float
) -> None:
    crowd = Crowd()
    with ExitStack() as stack:
        for _ in range(size):
            stack.enter_context(crowd.joined())
        every = crowd.stretched(1.0)
        due = crowd.next_round(began, 1.0, place=place)
    assert every >= size / 100
    assert began + every / 2 - 1e-5 <= due <= began + every * 1.5 + 1e-5

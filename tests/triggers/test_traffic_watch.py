"""What a gate knows of the traffic while it judges."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from gates import AWAY, MINE, at_ten_percent, attempt_of, is_safe
from in_memory import MemoryRouter, World, open_split
from virtual_time import EPOCH, LoopClock, run_virtual

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.traffic.base import Feature
from airflow_rollout.triggers.traffic_watch import TrafficWatch, Unconfirmed

BROKEN = PermanentAdapterError("no YAML", system="router")

T = TypeVar("T")


def watch(world: World) -> TrafficWatch:
    return TrafficWatch(
        world.systems,
        attempt_of(),
        weight=10,
        written_at=EPOCH,
        clock=LoopClock(),
        say=lambda text: None,
    )


def at(second: float, work: Coroutine[Any, Any, T]) -> T:
    return run_virtual(work, second=second)


def test_the_steps_own_split_is_fine() -> None:
    assert at(1.0, watch(at_ten_percent()).look()) == ""


def test_a_router_that_does_not_say_what_it_serves_is_believed_its_record() -> None:
    features = frozenset({Feature.WEIGHTS})
    world = World(router=MemoryRouter(open_split(MINE, weight=10), features=features))
    assert at(60.0, watch(world).look()) == ""


@pytest.mark.parametrize("fault", ["read_fault", "live_fault"])
def test_a_router_that_does_not_answer_confirms_nothing_and_is_no_fault(fault: str) -> None:
    world = at_ten_percent()
    setattr(world.router, fault, AWAY)
    looking = watch(world)
    for _ in range(5):
        with pytest.raises(Unconfirmed, match="timed out"):
            at(1.0, looking.look())


def test_one_unreadable_record_may_be_somebodys_edit_two_in_a_row_are_a_fault() -> None:
    world = at_ten_percent()
    looking = watch(world)
    world.router.read_fault = BROKEN
    with pytest.raises(Unconfirmed):
        at(1.0, looking.look())
    world.router.read_fault = None
    assert at(2.0, looking.look()) == ""
    world.router.read_fault = BROKEN
    with pytest.raises(Unconfirmed):
        at(3.0, looking.look())
    assert at(8.0, looking.look()) == "the router's record cannot be read: router: no YAML"


@pytest.mark.parametrize(("second", "is_fault"), [(29.0, False), (31.0, True)])
def test_a_data_plane_behind_its_record_is_given_time_but_not_for_ever(
    second: float, is_fault: bool
) -> None:
    world = at_ten_percent()
    world.router.data_plane = 0
    if is_fault:
        assert "works with 0 %, its record says 10 %" in at(second, watch(world).look())
        return
    with pytest.raises(Unconfirmed, match="works with 0 % so far"):
        at(second, watch(world).look())


def test_a_record_that_is_wrong_is_a_fault_even_while_the_data_plane_moves() -> None:
    world = at_ten_percent()
    world.router.data_plane = 0
    world.router.change(weight=99)
    assert "the weight is 99 %" in at(1.0, watch(world).look())


def test_a_confirmation_waits_a_moment_for_a_data_plane_that_moves() -> None:
    world = at_ten_percent()
    world.router.data_plane = 0

    async def moves_soon() -> str:
        asyncio.get_running_loop().call_later(
            0.25, lambda: setattr(world.router, "data_plane", None)
        )
        return await watch(world).confirm()

    assert at(1.0, moves_soon()) == ""


def test_a_stop_without_a_record_has_nothing_to_write_and_does_not_say_it_had() -> None:
    world = at_ten_percent()
    world.router.split = None
    stop = at(1.0, watch(world).stop("FAIL"))
    assert (stop.written_at, world.router.written) == (None, [])
    assert "no record" in stop.error


def test_a_stop_that_is_repeated_writes_once() -> None:
    world = at_ten_percent()
    looking = watch(world)
    at(1.0, looking.stop("FAIL errors"))
    at(2.0, looking.stop("FAIL errors"))
    assert is_safe(world)
    assert len(world.router.written) == 1


def test_a_hand_edit_is_seen_while_the_data_plane_lags_behind_it() -> None:
    world = at_ten_percent()
    world.router.live_fault = AWAY
    world.router.change(weight=90)
    assert "the weight is 90 %, this step put it at 10 %" in at(1.0, watch(world).look())

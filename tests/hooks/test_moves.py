"""Moving traffic against a router in memory that compares before it sets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from in_memory import CANARY, SERVICE, STABLE, MemoryRouter, World, open_split
from virtual_time import run_virtual

from airflow_rollout.errors import (
    AccessDenied,
    PermanentAdapterError,
    ReleaseRefused,
    TransientAdapterError,
)
from airflow_rollout.hooks.moves import (
    Move,
    abort,
    make_stable,
    open_release,
    persist,
    raise_weight,
    wait_live,
)
from airflow_rollout.release import ReleaseState, Token, TrafficSplit
from airflow_rollout.traffic.base import Feature

MINE = Token(epoch="e1", owner="shop/run", digest="d")
OTHER = Token(epoch="e2", owner="shop/other", digest="d")


def world(split: TrafficSplit | None) -> World:
    return World(router=MemoryRouter(split))


def raise_to(place: World, weight: int, *, before: int = 0) -> Move:
    return run_virtual(
        raise_weight(
            place.systems, token=MINE, canary=CANARY, weight=weight, previous_weight=before
        )
    )


def stop(place: World, *, epoch: str = MINE.epoch) -> Move:
    return run_virtual(
        abort(place.systems, epoch=epoch, owner=MINE.owner, reason="worse than stable")
    )


def test_a_release_is_opened_raised_and_made_stable() -> None:
    place = world(None)

    async def first_and_second() -> None:
        systems = place.systems
        await open_release(systems, service=SERVICE, token=OTHER, canary=STABLE)
        await raise_weight(systems, token=OTHER, canary=STABLE, weight=10, previous_weight=0)
        await open_release(systems, service=SERVICE, token=MINE, canary=CANARY)
        for before, weight in ((0, 10), (10, 100)):
            await raise_weight(
                systems, token=MINE, canary=CANARY, weight=weight, previous_weight=before
            )
        await make_stable(systems, token=MINE, canary=CANARY)

    run_virtual(first_and_second())
    seen = [(it.state, it.stable, it.canary, it.weight) for it in place.router.written]
    assert seen == [
        (ReleaseState.OPEN, None, STABLE, 0),
        (ReleaseState.RELEASED, STABLE, None, 0),
        (ReleaseState.OPEN, STABLE, CANARY, 0),
        (ReleaseState.OPEN, STABLE, CANARY, 10),
        (ReleaseState.OPEN, STABLE, CANARY, 100),
        (ReleaseState.RELEASED, CANARY, None, 0),
    ]


def test_a_move_tells_what_it_found_and_what_stands_now() -> None:
    place = world(open_split(MINE))
    move = raise_to(place, 10)
    assert move == Move(
        found=open_split(MINE), wrote=True, reason="raise to 10 %", split=place.router.split
    )
    assert place.router.split == open_split(MINE, weight=10)


def test_a_repeated_move_writes_nothing() -> None:
    place = world(open_split(MINE, weight=10))
    move = raise_to(place, 10)
    assert (move.wrote, move.split) == (False, open_split(MINE, weight=10))
    assert place.router.written == []


def test_a_refusal_carries_what_was_found_and_what_was_wanted() -> None:
    place = world(open_split(OTHER, weight=30))
    with pytest.raises(ReleaseRefused) as caught:
        raise_to(place, 10)
    assert caught.value.found == "30 % on v2, stable v1, open by shop/other"
    assert caught.value.wanted == "10 % on v2"
    assert "belongs to shop/other" in caught.value.reason
    assert place.router.written == []


def test_a_raise_that_loses_to_an_abort_is_decided_anew_and_refused() -> None:
    place = world(open_split(MINE, weight=10))
    sealed = replace(
        open_split(MINE), state=ReleaseState.SEALED, reason="the gate was quicker"
    )  # fmt: skip
    place.router.meanwhile = [lambda: place.router.change(**_fields(sealed))]
    with pytest.raises(ReleaseRefused, match="the gate was quicker"):
        raise_to(place, 50, before=10)
    assert place.router.split == sealed
    assert place.router.written == []


def test_an_abort_that_loses_to_a_raise_is_decided_anew_and_written() -> None:
    place = world(open_split(MINE, weight=10))
    place.router.meanwhile = [lambda: place.router.change(weight=50)]
    move = stop(place)
    assert move.found == open_split(MINE, weight=50)
    assert place.router.split is not None
    assert (place.router.split.weight, place.router.split.state) == (0, ReleaseState.SEALED)


def test_two_that_raise_at_once_write_once() -> None:
    place = world(open_split(MINE))

    async def both() -> list[Move]:
        one, two = (
            raise_weight(
                place.systems, token=MINE, canary=CANARY, weight=10, previous_weight=0
            )
            for _ in range(2)
        )  # fmt: skip
        return await asyncio.gather(one, two)

    place.router.write_seconds = 1.0
    moves = run_virtual(both())
    assert sorted(move.wrote for move in moves) == [False, True]
    assert len(place.router.written) == 1


def test_a_record_that_never_rests_ends_the_move_loudly() -> None:
    place = world(open_split(MINE, weight=10))
    weights = iter(range(11, 100))
    place.router.meanwhile = [lambda: place.router.change(weight=next(weights))] * 50
    with pytest.raises(TransientAdapterError, match="changed under 10 writes in a row"):
        stop(place)


@pytest.mark.parametrize("epoch", [MINE.epoch, ""])
def test_an_abort_is_repeated_without_effect(epoch: str) -> None:
    place = world(open_split(MINE, weight=10))
    first, second = stop(place, epoch=epoch), stop(place, epoch=epoch)
    assert (first.wrote, second.wrote) == (True, False)
    assert second.split == first.split
    assert len(place.router.written) == 1


def test_an_abort_leaves_another_releases_split_alone() -> None:
    place = world(open_split(OTHER, weight=30))
    move = stop(place)
    assert (move.wrote, move.split) == (False, open_split(OTHER, weight=30))
    assert "belongs to shop/other" in move.reason


def test_nothing_rises_after_an_abort_not_even_in_another_order() -> None:
    place = world(open_split(MINE, weight=10))
    stop(place)
    for weight, before in ((10, 0), (50, 10), (50, 0), (100, 0)):
        with pytest.raises(ReleaseRefused, match="was stopped"):
            raise_to(place, weight, before=before)
    with pytest.raises(ReleaseRefused, match="was stopped"):
        run_virtual(make_stable(place.systems, token=MINE, canary=CANARY))
    with pytest.raises(ReleaseRefused, match="needs a new epoch"):
        run_virtual(open_release(place.systems, service=SERVICE, token=MINE, canary=CANARY))
    assert [split.weight for split in place.router.written] == [0]


# --- going back to safety goes on trying ---


def test_persist_returns_the_first_success_and_tells_every_error_before_it() -> None:
    told: list[str] = []
    errors: list[Exception] = [
        TransientAdapterError("timed out", system="router"),
        PermanentAdapterError("403", system="router"),
        ValueError("bug"),
    ]

    async def action() -> str:
        if errors:
            raise errors.pop(0)
        return "safe"

    assert run_virtual(persist(action, seconds=60, on_error=told.append)) == "safe"
    assert told == ["router: timed out", "router: 403", "ValueError('bug')"]


def test_persist_ends_at_its_deadline_with_the_last_error() -> None:
    tries: list[float] = []

    async def action() -> None:
        tries.append(asyncio.get_running_loop().time())
        raise TransientAdapterError(f"try {len(tries)}", system="router")

    told: list[str] = []
    with pytest.raises(TransientAdapterError) as caught:
        run_virtual(persist(action, seconds=5.0, on_error=told.append))
    assert caught.value.message == f"try {len(tries)}"
    assert told[-1] == f"router: try {len(tries)}"
    assert 3.0 < tries[-1] <= 5.0, "it uses its time and keeps to it"
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses == sorted(pauses), "it slows down"
    assert max(pauses) <= 2.0


def test_persist_repeats_nothing_but_what_it_was_told_to() -> None:
    errors: list[Exception] = [
        AccessDenied("HTTP 403", system="router"),
        TransientAdapterError("timed out", system="router"),
    ]

    async def action() -> None:
        raise errors.pop(0)

    told: list[str] = []
    with pytest.raises(TransientAdapterError, match="timed out"):
        run_virtual(persist(action, seconds=60, on_error=told.append, repeats=AccessDenied))
    assert told == ["router: HTTP 403"]


def test_persist_tries_at_least_once() -> None:
    async def action() -> str:
        return "safe"

    assert run_virtual(persist(action, seconds=0.0, on_error=print)) == "safe"


def test_persist_does_not_swallow_a_cancellation() -> None:
    async def action() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_virtual(persist(action, seconds=60, on_error=print))


# --- the data plane follows ---


def test_wait_live_waits_until_the_data_plane_follows() -> None:
    place = world(open_split(MINE, weight=10))
    place.router.data_plane = 50

    async def follow_after(seconds: float) -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, lambda: setattr(place.router, "data_plane", 10))
        await wait_live(place.systems, 10, seconds=30)
        return loop.time()

    assert run_virtual(follow_after(3.0)) == pytest.approx(3.0, abs=0.1)


def test_wait_live_says_what_it_saw_when_the_data_plane_does_not_follow() -> None:
    place = world(open_split(MINE))
    place.router.data_plane = 50
    with pytest.raises(TransientAdapterError, match="record says 0 %, the data plane shows 50 %"):
        run_virtual(wait_live(place.systems, 0, seconds=2))


def test_wait_live_bears_a_router_that_does_not_answer_for_a_while() -> None:
    place = world(open_split(MINE))
    place.router.live_fault = TransientAdapterError("away", system="router")

    async def back_after(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, lambda: setattr(place.router, "live_fault", None))
        await wait_live(place.systems, 0, seconds=30)

    run_virtual(back_after(3.0))
    place.router.live_fault = TransientAdapterError("away", system="router")
    with pytest.raises(TransientAdapterError, match="shows router: away"):
        run_virtual(wait_live(place.systems, 0, seconds=1))


def test_wait_live_asks_nothing_of_a_router_that_cannot_be_read_back() -> None:
    features = frozenset({Feature.WEIGHTS, Feature.CONDITIONAL_WRITE})
    place = World(router=MemoryRouter(open_split(MINE, weight=10), features=features))
    run_virtual(wait_live(place.systems, 0, seconds=0))


def _fields(split: TrafficSplit) -> dict[str, object]:
    return {"weight": split.weight, "state": split.state, "reason": split.reason}

"""A gate that was asleep, an attempt that was, and a release that has to wait: who may do what."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from in_memory import CANARY, MemoryRouter, World, make_spec, open_split
from virtual_time import LoopClock, run_virtual

from airflow_rollout.errors import ReleaseBusy, ReleaseRefused
from airflow_rollout.hooks.moves import open_release
from airflow_rollout.plan import later_step_ids
from airflow_rollout.record import Attempt, Stop
from airflow_rollout.release import (
    Action,
    ReleaseState,
    Token,
    decide_abort,
    decide_open,
    decide_raise,
    decide_seal,
)
from airflow_rollout.traffic.records import decode_record, encode_record
from airflow_rollout.triggers.traffic_watch import TrafficWatch

MINE = Token(epoch="e1", owner="shop/run", digest="d", attempt=2)
OTHER = Token(epoch="e2", owner="shop/other", digest="d")
SPEC = make_spec(weights=(10, 50))

AT_10 = replace(open_split(MINE, weight=10), step="step_01")
AT_50 = replace(open_split(MINE, weight=50), step="step_02")
SEALED, RELEASED = ReleaseState.SEALED, ReleaseState.RELEASED


def stop_of_step_01(world: World) -> Stop:
    """Let the gate of the first step put the traffic back."""

    async def stop() -> Stop:
        watch = TrafficWatch(
            world.systems,
            Attempt(token=MINE, canary=CANARY, stable=None, opened_at=0.0),
            weight=10,
            written_at=0.0,
            clock=LoopClock(),
            say=print,
            later_steps=later_step_ids(SPEC, "step_01"),
        )
        return await watch.stop("FAIL errors")

    return run_virtual(stop())


def test_a_gate_stops_its_own_step() -> None:
    world = World(router=MemoryRouter(AT_10))
    stop = stop_of_step_01(world)
    assert (stop.error, stop.written_at is not None) == ("", True)
    assert world.router.split == replace(AT_10, weight=0, state=SEALED, reason="FAIL errors")


@pytest.mark.parametrize("weight", [0, 30, 50, 100], ids=lambda weight: f"{weight} %")
def test_a_gate_puts_back_what_a_hand_has_changed_even_to_a_later_steps_weight(
    weight: int,
) -> None:
    world = World(router=MemoryRouter(replace(AT_10, weight=weight)))
    stop_of_step_01(world)
    assert world.router.split is not None
    assert (world.router.split.weight, world.router.split.state) == (0, SEALED)


@pytest.mark.parametrize(
    ("split", "why"),
    [
        pytest.param(AT_50, "moved on to step_02", id="a later step"),
        pytest.param(replace(AT_50, weight=70), "moved on to step_02", id="a later step, edited"),
        pytest.param(
            replace(AT_10, weight=100, step="step_full"), "moved on to step_full", id="full"
        ),
        pytest.param(
            replace(AT_50, stable=CANARY, canary=None, weight=0, state=RELEASED),
            "already released",
            id="released",
        ),
        pytest.param(replace(AT_10, token=OTHER), "belongs to shop/other", id="a later release"),
        pytest.param(
            replace(AT_10, token=replace(MINE, epoch="e9", attempt=3)),
            "belongs to shop/run",
            id="a later attempt",
        ),
    ],
)
def test_a_gate_that_wakes_up_late_changes_nothing_and_says_so(split: object, why: str) -> None:
    world = World(router=MemoryRouter(split))  # type: ignore[arg-type]
    stop = stop_of_step_01(world)
    assert world.router.written == []
    assert stop.written_at is None
    assert why in stop.error


def test_a_rollback_and_a_person_mean_the_whole_attempt() -> None:
    decision = decide_abort(AT_50, epoch="", owner=MINE.owner, reason="stopped")
    assert decision.split == replace(AT_50, weight=0, state=SEALED, reason="stopped")


def test_a_sealed_split_that_got_traffic_again_is_put_back_at_any_step() -> None:
    found = replace(AT_50, state=SEALED, reason="FAIL latency")
    decision = decide_abort(
        found, epoch="e1", owner=MINE.owner, reason="FAIL", later_steps={"step_02"}
    )
    assert decision.split == replace(found, weight=0)


def test_the_steps_behind_one_are_those_of_the_plan() -> None:
    assert later_step_ids(SPEC, "step_01") == {"step_02", "step_full"}
    assert later_step_ids(SPEC, "step_02") == {"step_full"}
    assert later_step_ids(SPEC, "step_full") == set()


def raise_to_50(found: object) -> object:
    return decide_raise(
        found, token=MINE, canary=CANARY, weight=50, previous_weight=10, step="step_02"
    ).split  # type: ignore[arg-type]


def test_a_raise_writes_its_step_even_where_a_hand_was_there_before() -> None:
    assert raise_to_50(AT_10) == AT_50
    assert raise_to_50(replace(AT_10, weight=50)) == AT_50


def test_a_new_release_begins_before_any_step() -> None:
    sealed = replace(AT_50, state=SEALED, weight=0)
    decision = decide_open(sealed, service="shop", token=OTHER, canary=CANARY)
    assert decision.split is not None
    assert decision.split.step == ""


# --- records of other versions of this package ---


def test_step_and_attempt_survive_the_record() -> None:
    assert decode_record(encode_record(AT_50), system="router") == AT_50


def test_a_record_without_step_and_attempt_is_read_and_may_be_stopped_by_any_gate() -> None:
    data = json.loads(encode_record(AT_50))
    del data["step"], data["token"]["attempt"]
    found = decode_record(json.dumps(data), system="router")
    assert (found.step, found.token.attempt) == ("", 0)
    decision = decide_abort(
        found, epoch="e1", owner=MINE.owner, reason="FAIL", later_steps={"step_02"}
    )
    assert decision.action is Action.WRITE


# --- opening ---


def opens(found: object, token: Token) -> object:
    world = World(router=MemoryRouter(found))  # type: ignore[arg-type]
    return run_virtual(
        open_release(world.systems, service="shop", token=token, canary=CANARY)
    )  # fmt: skip


def test_a_release_that_finds_another_one_open_is_told_that_it_may_ask_again() -> None:
    with pytest.raises(ReleaseBusy, match=r"shop/run is still open.*50 % on v2"):
        opens(AT_50, OTHER)


def test_a_release_that_never_may_open_is_not_told_to_ask_again() -> None:
    with pytest.raises(ReleaseRefused, match="needs a new epoch") as caught:
        opens(replace(AT_50, state=SEALED, weight=0), MINE)
    assert not isinstance(caught.value, ReleaseBusy)


def test_an_earlier_attempt_that_was_asleep_does_not_take_over_from_a_later_one() -> None:
    earlier = replace(MINE, epoch="e0", attempt=1)
    with pytest.raises(ReleaseRefused, match=r"attempt 2 of shop/run is open") as caught:
        opens(AT_10, earlier)
    assert not isinstance(caught.value, ReleaseBusy)


@pytest.mark.parametrize("attempt", [2, 3])
def test_a_later_attempt_takes_over_from_one_that_is_open(attempt: int) -> None:
    later = replace(MINE, epoch="e3", attempt=attempt)
    move = opens(AT_10, later)
    assert move.split == replace(AT_10, weight=0, step="", token=later)  # type: ignore[attr-defined]


def test_a_run_that_was_deleted_and_made_again_counts_from_one_and_opens() -> None:
    again = replace(MINE, epoch="e3", attempt=1)
    move = opens(replace(AT_10, weight=0, state=SEALED, reason="stopped"), again)
    assert move.split == replace(AT_10, weight=0, step="", token=again)  # type: ignore[attr-defined]


# --- a seal that something landed on ---


@pytest.mark.parametrize(
    "landed",
    [
        pytest.param(AT_50, id="a raise"),
        pytest.param(
            replace(AT_50, stable=CANARY, canary=None, weight=0, state=RELEASED), id="a promotion"
        ),
        pytest.param(replace(AT_10, weight=5, state=SEALED), id="a hand"),
    ],
)
def test_what_landed_on_a_seal_gives_way_to_it(landed: object) -> None:
    decision = decide_seal(landed, before=AT_10, reason="stopped")  # type: ignore[arg-type]
    assert decision.split == replace(AT_10, weight=0, state=SEALED, reason="stopped")
    assert decision.action is Action.WRITE


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="no record"),
        pytest.param(replace(AT_10, token=OTHER), id="another release"),
        pytest.param(replace(AT_10, weight=0, state=SEALED, reason="first"), id="the seal itself"),
    ],
)
def test_a_seal_that_stands_or_is_no_longer_ones_own_is_left_alone(found: object) -> None:
    decision = decide_seal(found, before=AT_10, reason="stopped")  # type: ignore[arg-type]
    assert (decision.action, decision.split) == (Action.DONE, found)

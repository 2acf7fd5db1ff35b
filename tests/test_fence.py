"""The fence: what was found and what is asked decide; nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_rollout.release import (
    Action,
    Arm,
    Decision,
    ReleaseState,
    Token,
    TrafficSplit,
    decide_abort,
    decide_open,
    decide_promotion,
    decide_raise,
    decide_stay,
    describe,
    is_expected,
    is_stuck,
)

V1 = Arm(version="v1", target="http://127.0.0.1:1")
V2 = Arm(version="v2", target="http://127.0.0.1:2")
V3 = Arm(version="v3", target="http://127.0.0.1:3")

MINE = Token(epoch="second", owner="shop/run", digest="d1")
EARLIER = replace(MINE, epoch="first")
OTHER = Token(epoch="else", owner="shop/other", digest="d1")
CHANGED = replace(MINE, digest="d2")

OPEN, SEALED, RELEASED = ReleaseState.OPEN, ReleaseState.SEALED, ReleaseState.RELEASED


def split(**changes: object) -> TrafficSplit:
    """Return this release's split at 10 %, with some fields changed."""
    base = TrafficSplit(
        service="shop", stable=V1, canary=V2, weight=10, state=OPEN, token=MINE
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def released(**changes: object) -> TrafficSplit:
    return split(**{"stable": V2, "canary": None, "weight": 0, "state": RELEASED, **changes})


def sealed(**changes: object) -> TrafficSplit:
    return split(**{"weight": 0, "state": SEALED, "reason": "too many errors", **changes})


def opens(found: TrafficSplit | None, token: Token = MINE) -> Decision:
    return decide_open(found, service="shop", token=token, canary=V2)


def raises(found: TrafficSplit | None, *, weight: int = 20, before: int = 10) -> Decision:
    return decide_raise(found, token=MINE, canary=V2, weight=weight, previous_weight=before)


def promotes(found: TrafficSplit | None) -> Decision:
    return decide_promotion(found, token=MINE, canary=V2)


def aborts(found: TrafficSplit | None, *, epoch: str = MINE.epoch) -> Decision:
    return decide_abort(found, epoch=epoch, owner=MINE.owner, reason="worse than stable")


# --- open ---


def test_first_release_of_a_service_opens_without_a_stable_version() -> None:
    decision = opens(None)
    assert decision.action is Action.WRITE
    assert decision.split == split(stable=None, weight=0)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(sealed(token=OTHER), id="another one was rolled back"),
        pytest.param(released(token=OTHER), id="another one was released"),
        pytest.param(split(token=EARLIER, weight=30), id="earlier attempt left at 30 %"),
        pytest.param(sealed(token=EARLIER), id="earlier attempt was rolled back"),
        pytest.param(released(token=EARLIER), id="earlier attempt was released"),
        pytest.param(split(token=EARLIER, canary=V3), id="earlier attempt brought another version"),
    ],
)
def test_open_starts_at_zero_with_the_new_token_and_the_stable_version_found(
    found: TrafficSplit,
) -> None:
    decision = opens(found)
    assert decision.action is Action.WRITE
    assert decision.split == split(weight=0, stable=found.stable)
    assert decision.split.reason == ""


def test_open_is_refused_while_another_release_is_open() -> None:
    decision = opens(split(token=OTHER))
    assert (decision.action, decision.split) == (Action.REFUSE, None)
    assert "shop/other is still open" in decision.reason
    assert "airflow-rollout rollback" in decision.reason


def test_open_again_with_the_same_epoch_finds_its_work_done() -> None:
    decision = opens(split(weight=0))
    assert (decision.action, decision.split) == (Action.DONE, split(weight=0))


@pytest.mark.parametrize("found", [sealed(), released()])
def test_an_epoch_that_has_ended_never_opens_again(found: TrafficSplit) -> None:
    decision = opens(found)
    assert decision.action is Action.REFUSE
    assert "a new one needs a new epoch" in decision.reason


# --- raise ---


def test_raise_writes_the_weight_and_nothing_else() -> None:
    decision = raises(split())
    assert decision == Decision(
        action=Action.WRITE, reason="raise to 20 %", split=split(weight=20)
    )  # fmt: skip


def test_first_version_of_a_service_becomes_stable_with_the_first_raise() -> None:
    decision = raises(split(stable=None, weight=0), weight=10, before=0)
    assert (decision.action, decision.split) == (Action.WRITE, released())


@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param(split(weight=20), "already there", id="repeated"),
        pytest.param(released(), "already released", id="first version, next step"),
    ],
)
def test_raise_that_finds_its_work_done_writes_nothing(found: TrafficSplit, why: str) -> None:
    assert raises(found) == Decision(action=Action.DONE, reason=why, split=found)


_FOREIGN = [
    pytest.param(None, "no record", id="no record"),
    pytest.param(split(token=OTHER), "belongs to shop/other", id="another release"),
    pytest.param(split(token=EARLIER), "an earlier attempt of the run", id="earlier attempt"),
    pytest.param(split(token=CHANGED), "spec changed in mid-release", id="spec changed"),
    pytest.param(split(canary=V3), "the canary at the router is", id="another canary"),
    pytest.param(split(canary=None), "the canary at the router is", id="no canary"),
    pytest.param(
        split(canary=replace(V2, target="http://127.0.0.1:9")),
        "the canary at the router is",
        id="same version elsewhere",
    ),
    pytest.param(released(stable=V3), "the canary at the router is", id="another one released"),
]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        *_FOREIGN,
        pytest.param(sealed(), "was stopped (too many errors)", id="sealed"),
        pytest.param(sealed(weight=10), "was stopped", id="sealed but still at its weight"),
        pytest.param(split(weight=0), "previous step left 10 %", id="weight taken away"),
        pytest.param(split(weight=50), "previous step left 10 %", id="weight put up"),
    ],
)
def test_raise_is_refused(found: TrafficSplit | None, why: str) -> None:
    decision = raises(found)
    assert (decision.action, decision.split) == (Action.REFUSE, None)
    assert why in decision.reason


# --- promote ---


def test_promotion_makes_the_canary_stable_and_ends_the_release() -> None:
    decision = promotes(split(weight=100))
    assert (decision.action, decision.split) == (Action.WRITE, released())


def test_promotion_that_was_done_writes_nothing() -> None:
    decision = promotes(released())
    assert (decision.action, decision.split) == (Action.DONE, released())


@pytest.mark.parametrize(
    ("found", "why"),
    [
        *_FOREIGN,
        pytest.param(sealed(), "was stopped (too many errors)", id="sealed"),
        pytest.param(sealed(weight=100), "was stopped", id="sealed but still at all traffic"),
        pytest.param(split(weight=99), "99 %, not all traffic", id="not all traffic yet"),
    ],
)
def test_promotion_is_refused(found: TrafficSplit | None, why: str) -> None:
    decision = promotes(found)
    assert (decision.action, decision.split) == (Action.REFUSE, None)
    assert why in decision.reason


# --- a promotion that got stuck ---


def stays(found: TrafficSplit | None) -> Decision:
    return decide_stay(found, token=MINE, canary=V2, reason="stable cannot be started")


def test_all_traffic_may_stay_on_a_canary_that_has_it() -> None:
    decision = stays(split(weight=100, step="step_full"))
    assert decision.action is Action.WRITE
    assert decision.split is not None
    assert (decision.split.weight, decision.split.state) == (100, OPEN)
    assert is_stuck(decision.split)
    assert stays(decision.split).action is Action.DONE


@pytest.mark.parametrize(
    ("found", "why"),
    [
        *_FOREIGN,
        pytest.param(sealed(), "was stopped", id="sealed"),
        pytest.param(split(), "10 %, not all traffic", id="not all traffic yet"),
    ],
)
def test_a_split_that_could_not_be_promoted_does_not_stay(
    found: TrafficSplit | None, why: str
) -> None:
    decision = stays(found)
    assert (decision.action, decision.split) == (Action.REFUSE, None)
    assert why in decision.reason


def test_a_stuck_promotion_stays_for_tasks_and_goes_back_for_a_person() -> None:
    stuck = stays(split(weight=100)).split
    by_task = decide_abort(stuck, epoch="", owner=MINE.owner, reason="failed", stuck_stays=True)
    assert (by_task.action, by_task.split) == (Action.DONE, stuck)
    assert by_task.reason == "stable cannot be started"
    by_person = aborts(stuck)
    assert by_person.split is not None
    assert (by_person.split.weight, by_person.split.state) == (0, SEALED)


def test_only_the_last_steps_gate_may_put_a_stuck_promotion_back() -> None:
    stuck = stays(split(weight=100)).split
    late = decide_abort(
        stuck, epoch=MINE.epoch, owner=MINE.owner, reason="worse", later_steps={"step_full"}
    )
    assert (late.action, late.split) == (Action.DONE, stuck)
    last = decide_abort(stuck, epoch=MINE.epoch, owner=MINE.owner, reason="worse", later_steps=())
    assert last.split is not None
    assert (last.split.weight, last.split.state) == (0, SEALED)


def test_a_stuck_promotion_that_goes_on_ends_like_any_other() -> None:
    decision = promotes(stays(split(weight=100)).split)
    assert decision.split is not None
    assert (decision.split.state, decision.split.reason) == (RELEASED, "")


# --- abort ---


@pytest.mark.parametrize("epoch", [MINE.epoch, ""], ids=["by epoch", "by owner"])
@pytest.mark.parametrize("weight", [0, 10, 100])
def test_abort_seals_at_zero_and_keeps_its_reason(epoch: str, weight: int) -> None:
    decision = aborts(split(weight=weight), epoch=epoch)
    assert decision.action is Action.WRITE
    assert decision.split == sealed(reason="worse than stable")


def test_abort_puts_back_a_sealed_split_that_got_traffic_again() -> None:
    decision = aborts(sealed(weight=5))
    assert (decision.action, decision.split) == (Action.WRITE, sealed())
    assert decision.split.reason == "too many errors", "the first reason is the release's"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param(None, "no record", id="no record"),
        pytest.param(sealed(), "already sealed at 0 %", id="sealed"),
        pytest.param(released(), "already released", id="released"),
        pytest.param(split(token=OTHER), "belongs to shop/other", id="another release"),
        pytest.param(split(token=EARLIER), "belongs to shop/run", id="earlier attempt"),
    ],
)
def test_abort_changes_nothing(found: TrafficSplit | None, why: str) -> None:
    decision = aborts(found)
    assert (decision.action, decision.split) == (Action.DONE, found)
    assert why in decision.reason


def test_abort_by_owner_leaves_another_owner_alone() -> None:
    found = split(token=OTHER)
    assert aborts(found, epoch="") == Decision(
        action=Action.DONE,
        reason="the split belongs to shop/other, not to shop/run",
        split=found,
    )


def test_abort_by_owner_means_the_owners_current_attempt() -> None:
    decision = aborts(split(token=EARLIER), epoch="")
    assert decision.action is Action.WRITE
    assert decision.split == sealed(token=EARLIER, reason="worse than stable")


# --- the gate's view ---


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(split(), id="as the step wrote it"),
        pytest.param(released(), id="first version of the service"),
    ],
)
def test_a_gates_own_split_is_expected(found: TrafficSplit) -> None:
    assert is_expected(found, token=MINE, canary=V2, weight=10) == ""


@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param(None, "record is gone", id="no record"),
        *_FOREIGN[1:],
        pytest.param(sealed(), "was stopped: too many errors", id="sealed"),
        pytest.param(split(weight=40), "40 %, this step put it at 10 %", id="hand-edited up"),
        pytest.param(split(weight=0), "0 %, this step put it at 10 %", id="hand-edited down"),
    ],
)
def test_anything_else_is_a_fault_with_what_was_found(found: TrafficSplit | None, why: str) -> None:
    assert why in is_expected(found, token=MINE, canary=V2, weight=10)


def test_a_split_is_described_in_one_line() -> None:
    assert describe(None) == "no record"
    assert describe(split()) == "10 % on v2, stable v1, open by shop/run"
    assert describe(split(stable=None, canary=None, weight=0)) == (
        "0 % on none, stable none, open by shop/run"
    )
    assert describe(sealed()) == "0 % on v2, stable v1, sealed by shop/run (too many errors)"

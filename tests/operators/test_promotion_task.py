"""The promotion: stable takes over before the switch, and the canary goes after it."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException
from in_memory import CANARY, STABLE
from runs import Run

from airflow_rollout.errors import AccessDenied, TransientAdapterError
from airflow_rollout.release import Arm, ReleaseState
from airflow_rollout.wire import Send


@pytest.fixture
def at_full(run: Run) -> Run:
    """Return a run whose canary has all traffic."""
    run.prepare()
    run.deploy()
    for step_id in ("step_01", "step_02", "step_full"):
        run.promote(step_id)
    return run


def test_the_switch_waits_until_stable_serves(at_full: Run) -> None:
    workload, router = at_full.world.workload, at_full.world.router
    workload.waits_for = ["gets the image", "1 of 3 pods ready"]
    before = len(router.written)
    at_full.promotion()
    assert workload.promoted == [CANARY] * 3
    assert [it.state for it in router.written[before:]] == [ReleaseState.RELEASED]
    assert (workload.retired, workload.removed) == ([CANARY], [])


def test_a_stable_that_never_takes_over_leaves_the_canary_its_traffic(at_full: Run) -> None:
    workload, router = at_full.world.workload, at_full.world.router
    workload.waits_for = ["2 of 3 pods ready"] * 10_000
    with pytest.raises(AirflowFailException, match="2 of 3 pods ready"):
        at_full.promotion()
    assert router.split is not None
    assert (router.split.weight, router.split.stable) == (100, STABLE)
    assert workload.retired == []


_ACTIONS = {"read": "router", "write": "router", "promote": "workload"}


@pytest.mark.parametrize("action", _ACTIONS)
def test_rights_that_are_away_for_a_while_end_no_promotion(at_full: Run, action: str) -> None:
    system = getattr(at_full.world, _ACTIONS[action])
    allowed, denied = getattr(system, action), []

    async def denied_for_a_while(*args: object) -> object:
        if len(denied) < 20:
            denied.append(args)
            raise AccessDenied("HTTP 403", system=_ACTIONS[action])
        return await allowed(*args)

    setattr(system, action, denied_for_a_while)
    at_full.promotion()
    assert len(denied) == 20
    assert at_full.end("promotion")["outcome"] == "promoted"
    assert at_full.world.router.split is not None
    assert at_full.world.router.split.state is ReleaseState.RELEASED


def test_rights_that_stay_away_leave_the_canary_its_traffic(at_full: Run) -> None:
    async def denied(canary: Arm, send: Send) -> str:
        raise AccessDenied("PATCH checkout: HTTP 403", system="deployment")

    at_full.world.workload.promote = denied  # type: ignore[method-assign]
    with pytest.raises(AirflowFailException, match="PATCH checkout: HTTP 403"):
        at_full.promotion()
    split = at_full.world.router.split
    assert split is not None
    assert (split.weight, split.stable) == (100, STABLE)
    assert split.reason.startswith("promotion stuck: ")


def test_a_promotion_that_somebody_stops_gives_stable_nothing_and_leaves_nothing(
    at_full: Run,
) -> None:
    workload, router = at_full.world.workload, at_full.world.router
    asked: list[Arm] = []

    async def stopped_meanwhile(canary: Arm, send: Send) -> str:
        asked.append(canary)
        router.change(weight=0, state=ReleaseState.SEALED, reason="marked failed")
        return "will get the image"

    workload.promote = stopped_meanwhile  # type: ignore[method-assign]
    with pytest.raises(AirflowFailException, match="stopped \\(marked failed\\)"):
        at_full.promotion()
    assert asked == [CANARY]
    assert workload.removed == [CANARY]
    assert router.split is not None
    assert (router.split.weight, router.split.state) == (0, ReleaseState.SEALED)


@pytest.fixture
def stuck(at_full: Run) -> Run:
    """Return a run whose stable version could not take over."""
    at_full.world.workload.waits_for = ["2 of 3 pods ready"] * 10_000
    with pytest.raises(AirflowFailException):
        at_full.promotion()
    return at_full


def test_the_way_back_leaves_a_stuck_promotion_on_the_judged_canary(stuck: Run) -> None:
    with pytest.raises(AirflowFailException, match=r"2 of 3 pods ready.* stays on v2"):
        stuck.rollback()
    stuck.ensure_safe()
    split = stuck.world.router.split
    assert split is not None
    assert (split.weight, split.state) == (100, ReleaseState.OPEN)
    assert stuck.world.workload.removed == []
    assert stuck.end("rollback")["outcome"] == "failed_to_roll_back"
    assert stuck.end("rollback")["reason"].startswith("promotion stuck: ")
    assert stuck.xcoms["ensure_safe"]["record"]["outcome"] == "failed_to_roll_back"


def test_the_teardown_says_it_where_the_rollback_could_not(stuck: Run) -> None:
    stuck.ensure_safe()
    assert stuck.end("ensure_safe")["reason"].startswith("promotion stuck: ")


def test_a_stuck_promotion_that_is_cleared_goes_on_to_its_end(stuck: Run) -> None:
    with pytest.raises(AirflowFailException):
        stuck.rollback()
    stuck.world.workload.waits_for = []
    stuck.promotion()
    split = stuck.world.router.split
    assert split is not None
    assert (split.state, split.stable, split.reason) == (ReleaseState.RELEASED, CANARY, "")
    stuck.ensure_safe()
    assert stuck.xcoms["ensure_safe"]["record"]["outcome"] == "promoted"


def test_a_stuck_promotion_whose_mark_cannot_be_written_is_rolled_back(at_full: Run) -> None:
    workload, router = at_full.world.workload, at_full.world.router
    workload.waits_for = ["2 of 3 pods ready"] * 10_000
    router.write_fault = TransientAdapterError("timed out", system="router")
    with pytest.raises(AirflowFailException, match="2 of 3 pods ready"):
        at_full.promotion()
    router.write_fault = None
    at_full.rollback()
    assert router.split is not None
    assert router.split.weight == 0
    assert workload.removed == [CANARY]


def test_a_canary_that_cannot_be_removed_makes_no_release_red(at_full: Run) -> None:
    async def refuse(*args: object, **kwargs: object) -> None:
        raise TransientAdapterError("the API is away", system="deployment")

    at_full.world.workload.remove = refuse  # type: ignore[method-assign]
    at_full.promotion()
    assert at_full.end("promotion")["outcome"] == "promoted"
    assert any("could not be removed" in text for text in at_full.said("promotion"))

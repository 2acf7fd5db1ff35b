"""The way back: rollback and ensure_safe decide from the router's record alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from in_memory import CANARY, open_split
from runs import Run

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks import way_back
from airflow_rollout.record import assemble
from airflow_rollout.release import Outcome, ReleaseState, Token
from airflow_rollout.traffic.base import Feature

AWAY = TransientAdapterError("timed out", system="router")


@pytest.fixture
def at_ten(run: Run) -> Run:
    """Return a run whose canary has 10 % of traffic."""
    run.prepare()
    run.promote("step_01")
    return run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for weight 0 in the data plane for a second instead of half a minute."""
    monkeypatch.setattr(way_back, "_SEEN_SECONDS", 1.0)


def split(run: Run) -> Any:
    assert run.world.router.split is not None
    return run.world.router.split


def is_safe(run: Run) -> bool:
    return split(run).weight == 0 and split(run).state is ReleaseState.SEALED


def gate_stopped(run: Run, reason: str = "FAIL errors 5 %") -> None:
    """Put the traffic back as a gate does."""
    run.world.router.change(weight=0, state=ReleaseState.SEALED, reason=reason)
    run.states["step_01.gate"] = "failed"


# --- rollback ---


def test_rollback_confirms_what_the_gate_did_and_tells_its_reason(at_ten: Run) -> None:
    gate_stopped(at_ten)
    writes = len(at_ten.world.router.written)
    at_ten.rollback()
    assert len(at_ten.world.router.written) == writes, "the gate was here first"
    assert at_ten.world.workload.removed == [CANARY]
    assert at_ten.end("rollback") == {"outcome": "rolled_back", "reason": "FAIL errors 5 %"}
    assert at_ten.said("rollback") == ["rolled back: confirmed, all traffic is on stable"]


def test_rollback_puts_back_what_nobody_has_put_back(at_ten: Run) -> None:
    at_ten.states["step_01.gate"] = "failed"
    at_ten.rollback()
    assert is_safe(at_ten)
    assert at_ten.end("rollback") == {
        "outcome": "aborted", "reason": "step_01.gate was marked failed",
    }  # fmt: skip
    assert "now 0 % on v2, stable v1, sealed" in at_ten.said("rollback")[0]


def test_rollback_is_repeated_with_the_same_end(at_ten: Run) -> None:
    at_ten.states["step_01.gate"] = "failed"
    at_ten.rollback()
    first, writes = at_ten.end("rollback"), len(at_ten.world.router.written)
    at_ten.rollback()
    assert at_ten.end("rollback") == first, "its own seal is not taken for a gate's verdict"
    assert len(at_ten.world.router.written) == writes


@pytest.mark.usefixtures("impatient")
def test_rollback_waits_for_the_data_plane_and_still_knows_why(at_ten: Run) -> None:
    at_ten.states["step_01.gate"] = "failed"
    router = at_ten.world.router
    router.data_plane = 10
    looks = 0
    live = router.live

    async def follows_late(send: Any) -> int | None:
        nonlocal looks
        looks += 1
        if looks > 60:
            router.data_plane = None
        return await live(send)

    router.live = follows_late  # type: ignore[method-assign]
    at_ten.rollback()
    assert at_ten.end("rollback")["reason"] == "step_01.gate was marked failed"
    assert at_ten.world.workload.removed == [CANARY], "not before traffic has left it"


def test_rollback_needs_nothing_but_the_router(at_ten: Run) -> None:
    at_ten.xcoms.clear()
    at_ten.states_fault = RuntimeError("Airflow does not answer")
    at_ten.rollback()
    assert is_safe(at_ten)
    assert at_ten.end("rollback") == {
        "outcome": "rolled_back", "reason": "a task of this release failed",
    }  # fmt: skip


def test_rollback_leaves_another_releases_traffic_alone(at_ten: Run) -> None:
    other = open_split(Token(epoch="e9", owner="shop/other", digest="d"), weight=40)
    at_ten.world.router.split = other
    at_ten.rollback()
    assert split(at_ten) == other
    assert at_ten.world.workload.removed == []
    assert "nothing to put back (the split belongs to shop/other" in at_ten.said("rollback")[0]


def test_rollback_leaves_a_promoted_release_alone(run: Run) -> None:
    run.promoted()
    released = split(run)
    run.rollback()
    assert split(run) == released
    assert "nothing to put back (already released)" in run.said("rollback")[0]


def test_rollback_of_a_run_that_opened_nothing_tells_why_it_failed(run: Run) -> None:
    with pytest.raises(AirflowFailException):
        run.prepare(version="")
    run.rollback()
    assert run.end("rollback")["outcome"] == "rolled_back"
    assert run.end("rollback")["reason"].startswith("prepare: refused: <spec>: version: is empty")


def test_rollback_goes_on_until_the_router_takes_it(at_ten: Run) -> None:
    tries = 0

    def recover() -> None:
        nonlocal tries
        tries += 1
        if tries == 12:
            at_ten.world.router.write_fault = None

    at_ten.world.router.write_fault = PermanentAdapterError("read-only", system="router")
    at_ten.world.router.meanwhile = [recover] * 12
    at_ten.rollback()
    assert is_safe(at_ten)


def test_a_rollback_that_never_succeeds_ends_loudly_and_is_not_started_over(at_ten: Run) -> None:
    at_ten.world.router.write_fault = AWAY
    # An ordinary exception would let Airflow repeat an hour that was in vain.
    with pytest.raises(AirflowFailException, match="FAILED TO ROLL BACK: router: timed out"):
        at_ten.rollback(deadline_seconds=60.0)
    assert at_ten.end("rollback")["outcome"] == "failed_to_roll_back"
    assert "Run `airflow-rollout rollback` now" in at_ten.said("rollback")[0]


def test_a_run_that_opened_nothing_does_not_wait_an_hour_for_a_router_that_is_away(
    run: Run,
) -> None:
    run.world.router.read_fault = AWAY
    with pytest.raises(TransientAdapterError):
        run.prepare()
    run.rollback(deadline_seconds=1e9)
    assert "opened no release" in run.said("rollback")[0]


def test_a_cleared_run_that_opened_nothing_now_may_have_opened_before(run: Run) -> None:
    run.clear_number = 1
    run.world.router.read_fault = AWAY
    with pytest.raises(AirflowFailException, match="FAILED TO ROLL BACK"):
        run.rollback(deadline_seconds=60.0)


def test_without_conditional_writes_a_raise_that_lands_late_is_undone(at_ten: Run) -> None:
    at_ten.states["step_01.gate"] = "failed"
    router = at_ten.world.router
    router.features = frozenset({Feature.WEIGHTS, Feature.READ_BACK})
    raised = split(at_ten)
    remove = at_ten.world.workload.remove

    async def check_first(canary: Any, send: Any, *, released: bool) -> None:
        assert is_safe(at_ten), "not removed while it may still get traffic"
        await remove(canary, send, released=released)

    at_ten.world.workload.remove = check_first  # type: ignore[method-assign]
    write = router.write
    landed = False

    async def late(wanted: Any, expected: Any, send: Any) -> Any:
        nonlocal landed
        written = await write(wanted, expected, send)
        if not landed:
            landed = True
            router.split = raised  # the raise that was in flight
        return written

    router.write = late  # type: ignore[method-assign]
    at_ten.rollback()
    assert is_safe(at_ten)
    assert at_ten.world.workload.removed == [CANARY]


# --- ensure_safe ---


def test_after_a_promoted_release_there_is_nothing_to_do(run: Run) -> None:
    run.promoted()
    run.states["released"] = "success"
    released = split(run)
    run.ensure_safe()
    assert split(run) == released
    record = run.xcoms["ensure_safe"]["record"]
    assert (record["outcome"], record["version"], record["weight"]) == ("promoted", "v2", 100)


def test_after_a_rolled_back_release_there_is_nothing_to_do(at_ten: Run) -> None:
    gate_stopped(at_ten)
    at_ten.rollback()
    at_ten.states["released"] = "upstream_failed"
    at_ten.ensure_safe()
    assert "end" not in at_ten.xcoms["ensure_safe"]
    record = at_ten.xcoms["ensure_safe"]["record"]
    assert (record["outcome"], record["reason"]) == ("rolled_back", "FAIL errors 5 %")


@pytest.mark.parametrize("state", ["", "success", "skipped", "failed"])
def test_a_run_that_was_ended_with_traffic_on_the_canary_is_put_back_and_red(
    at_ten: Run, state: str
) -> None:
    at_ten.states["released"] = state
    with pytest.raises(AirflowFailException, match="all traffic was put back on stable"):
        at_ten.ensure_safe()
    assert is_safe(at_ten)
    assert at_ten.world.workload.removed == [CANARY]
    record = at_ten.xcoms["ensure_safe"]["record"]
    assert (record["outcome"], record["weight"]) == ("aborted", 0)
    assert record["reason"] == "the run was ended before it was released"


@pytest.mark.usefixtures("impatient")
def test_release_whose_opening_nobody_could_tell_leaves_a_record_too(at_ten: Run) -> None:
    del at_ten.xcoms["prepare"]
    with pytest.raises(AirflowFailException):
        at_ten.ensure_safe()
    # The command line and the page read the pieces, others the record.
    told = assemble(at_ten.xcoms, dag_id="shop", run_id="run")
    assert told is not None
    assert told.to_builtins() == at_ten.xcoms["ensure_safe"]["record"]
    assert (told.version, told.stable) == (CANARY.version, "v1")
    assert told.outcome is Outcome.ABORTED
    assert "ended before it was released" in told.reason


def test_opening_that_the_teardown_told_is_not_taken_for_a_later_one(at_ten: Run) -> None:
    del at_ten.xcoms["prepare"]
    with pytest.raises(AirflowFailException):
        at_ten.ensure_safe()
    at_ten.clear()
    at_ten.prepare()
    told = assemble(at_ten.xcoms, dag_id="shop", run_id="run")
    assert told is not None
    assert told.outcome is None


def test_run_that_opened_nothing_gets_no_opening_from_another_release(
    at_ten: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Run(at_ten.world, run_id="other").install(monkeypatch)
    other.ensure_safe()
    assert "record" not in other.xcoms.get("ensure_safe", {})


def test_ensure_safe_knows_its_own_write_when_the_data_plane_lags(at_ten: Run) -> None:
    router = at_ten.world.router
    router.data_plane = 10
    reads = 0
    read = router.read

    async def count(send: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads == 3:
            router.data_plane = None
        return await read(send)

    router.read = count  # type: ignore[method-assign]
    with pytest.raises(AirflowFailException, match="put back on stable"):
        at_ten.ensure_safe()
    assert at_ten.xcoms["ensure_safe"]["record"]["outcome"] == "aborted"


def test_a_release_that_is_only_marked_released_is_red(at_ten: Run) -> None:
    gate_stopped(at_ten)
    at_ten.states["released"] = "success"
    with pytest.raises(AirflowFailException, match="marked, but this release was not promoted"):
        at_ten.ensure_safe()


def test_a_promoted_release_stays_so_when_another_one_has_opened_since(run: Run) -> None:
    run.promoted()
    run.states["released"] = "success"
    next_one = replace(
        open_split(Token(epoch="e9", owner="shop/next", digest="d")), stable=CANARY
    )  # fmt: skip
    run.world.router.split = next_one
    run.ensure_safe()
    assert split(run) == next_one
    assert run.xcoms["ensure_safe"]["record"]["outcome"] == "promoted"


def test_ensure_safe_mends_what_rollback_could_not(at_ten: Run) -> None:
    at_ten.states["step_01.gate"] = "failed"
    at_ten.world.router.write_fault = AWAY
    with pytest.raises(AirflowFailException):
        at_ten.rollback(deadline_seconds=60.0)
    at_ten.world.router.write_fault = None
    with pytest.raises(AirflowFailException, match="put back on stable"):
        at_ten.ensure_safe()
    assert is_safe(at_ten)
    record = at_ten.xcoms["ensure_safe"]["record"]
    assert (record["outcome"], record["weight"]) == ("aborted", 0)


def test_a_record_that_cannot_be_closed_changes_nothing(run: Run) -> None:
    run.promoted()
    run.states_fault = RuntimeError("Airflow does not answer")
    run.ensure_safe()
    assert run.states["ensure_safe"] == "success"
    assert "record" not in run.xcoms.get("ensure_safe", {})


# --- two rollouts in one DAG ---


def test_each_group_puts_back_its_own_release_only(run: Run) -> None:
    run.prepare(group="eu")
    run.world.router.change(weight=10)
    run.rollback(group="us")
    assert split(run).weight == 10
    run.rollback(group="eu")
    assert is_safe(run)


# --- two Airflows ---


def test_two_airflows_with_the_same_ids_stop_each_other(
    at_ten: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Run(at_ten.world).install(monkeypatch)
    other.prepare()
    assert split(at_ten).weight == 0, "they look like one run that was cleared"
    with pytest.raises(AirflowFailException, match="earlier attempt of the run"):
        at_ten.promote("step_02")
    at_ten.rollback()
    assert is_safe(at_ten)
    with pytest.raises(AirflowFailException, match="this attempt was stopped"):
        other.promote("step_01")

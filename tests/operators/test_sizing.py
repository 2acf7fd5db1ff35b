"""The canary gets its room before its weight, and only where the weight may rise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from in_memory import CANARY, MemoryWorkload
from runs import Run

from airflow_rollout.analysis.parameters import Semantics
from airflow_rollout.analysis.readings import Reading
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.operators import promote
from airflow_rollout.record import StepStart, from_piece
from airflow_rollout.release import Arm, ReleaseState
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.wire import Send


@dataclass
class Growing(MemoryWorkload):
    """Wait for something, one after the other, each time it is sized; an error is raised."""

    grows: bool = True
    missing: list[str | Exception] = field(default_factory=list)
    sized: list[tuple[Arm, int, int]] = field(default_factory=list)
    run: Run | None = None

    async def size(self, canary: Arm, weight: int, at: float, send: Send) -> str:
        assert self.run is not None
        assert self.run.world.router.split is not None
        self.sized.append((canary, weight, self.run.world.router.split.weight))
        found = self.missing.pop(0) if self.missing else ""
        if isinstance(found, Exception):
            raise found
        return found

    async def shares(self, weights: Collection[int], send: Send) -> list[str]:
        return [f"weights {sorted(set(weights))}"]


@pytest.fixture
def growing(run: Run) -> Growing:
    """Return the run's workload, whose canary grows."""
    workload = Growing(run=run)
    run.world.workload = workload
    return workload


def weight(run: Run) -> int:
    assert run.world.router.split is not None
    return run.world.router.split.weight


def test_prepare_says_which_weights_are_others_in_truth(run: Run, growing: Growing) -> None:
    run.prepare()
    assert "weights [10, 50, 100]" in run.said("prepare")


def test_the_weight_rises_once_there_is_room(run: Run, growing: Growing) -> None:
    run.prepare()
    growing.missing = ["grows to 2 pods", "1 of 2 pods ready"]
    run.promote("step_01")
    assert growing.sized == [(CANARY, 10, 0)] * 3
    assert weight(run) == 10
    assert run.said("step_01.promote") == [
        "10 % had to wait 2 s for room", "10 % of traffic: raise to 10 %",
    ]  # fmt: skip


def test_where_there_is_room_nobody_waits_and_nothing_is_said(run: Run, growing: Growing) -> None:
    run.promoted()
    assert [(at, before) for _, at, before in growing.sized] == [(10, 0), (50, 10), (100, 50)]
    assert run.said("step_01.promote") == ["10 % of traffic: raise to 10 %"]


def test_the_counts_of_the_wait_are_in_the_sample(run: Run, growing: Growing) -> None:
    run.prepare()
    before = len(run.world.provider.reads)

    async def sample_is_later(canary: Arm, weight: int, at: float, send: Send) -> str:
        assert len(run.world.provider.reads) == before
        return ""

    growing.size = sample_is_later  # type: ignore[method-assign]
    run.promote("step_01")
    assert len(run.world.provider.reads) > before


def test_what_may_pass_is_waited_for(run: Run, growing: Growing) -> None:
    run.prepare()
    growing.missing = [TransientAdapterError("timed out", system="deployment")]
    run.promote("step_01")
    assert weight(run) == 10


def test_a_final_fault_ends_the_step_at_once(run: Run, growing: Growing) -> None:
    run.prepare()
    growing.missing = ["grows", PermanentAdapterError("exceeded quota", system="deployment")]
    with pytest.raises(AirflowFailException, match="exceeded quota"):
        run.promote("step_01")
    assert len(growing.sized) == 2
    assert weight(run) == 0
    assert "10 % refused: deployment: exceeded quota" in run.said("step_01.promote")[0]


def test_pods_that_never_come_end_the_step_in_time(run: Run, growing: Growing) -> None:
    run.prepare()
    growing.missing = ["1 of 2 pods ready"] * 10_000
    with pytest.raises(AirflowFailException, match=r"no room for 10 % within 60 s: 1 of 2 pods"):
        run.promote("step_01")
    assert 60 <= len(growing.sized) <= 63
    assert weight(run) == 0


def test_a_long_wait_leaves_signs_of_life(run: Run, growing: Growing) -> None:
    run.prepare()
    growing.missing = ["1 of 2 pods ready"] * 5
    run.promote("step_01")
    assert run.world.router.lease is None
    growing.missing = ["1 of 2 pods ready"] * 25
    run.promote("step_02")
    lease = run.world.router.lease
    assert lease is not None
    assert (lease.epoch, lease.holder) == (run.attempt().token.epoch, "shop/run")
    assert abs(lease.renewed_at - time.time()) < 60


def test_who_may_not_raise_may_not_scale(run: Run, growing: Growing) -> None:
    run.prepare()
    run.world.router.change(state=ReleaseState.SEALED, reason="by hand")
    with pytest.raises(AirflowFailException, match="this attempt was stopped"):
        run.promote("step_01")
    assert growing.sized == []


def test_an_abort_ends_the_wait(run: Run, growing: Growing) -> None:
    run.prepare()

    async def aborted_meanwhile(canary: Arm, weight: int, at: float, send: Send) -> str:
        growing.sized.append((canary, weight, 0))
        run.world.router.change(state=ReleaseState.SEALED, reason="by hand")
        return "1 of 2 pods ready"

    growing.size = aborted_meanwhile  # type: ignore[method-assign]
    with pytest.raises(AirflowFailException, match="this attempt was stopped"):
        run.promote("step_01")
    assert len(growing.sized) == 1


def test_an_attempt_of_before_does_not_scale_the_one_that_goes_on(
    run: Run, growing: Growing
) -> None:
    run.prepare()
    run.promote("step_01")
    earlier = run.xcoms["prepare"]
    run.prepare()
    growing.sized.clear()
    run.xcoms["prepare"] = earlier
    with pytest.raises(AirflowFailException, match="earlier attempt"):
        run.promote("step_02")
    assert growing.sized == []


def test_a_step_that_is_made_is_not_sized_again(run: Run, growing: Growing) -> None:
    run.prepare()
    run.promote("step_01")
    growing.sized.clear()
    run.promote("step_01")
    assert growing.sized == []


# --- a canary that has traffic while it waits ---


class _LoopClock(Clock):
    """Go on by the loop's time from where the task before has stopped."""

    def __init__(self, *, not_before: float = 0.0) -> None:
        self._began = not_before

    def now(self) -> float:
        return self._began + asyncio.get_running_loop().time()


_LONG_WAIT = ("1 of 2 pods ready",) * 45


@pytest.fixture
def at_ten(run: Run, growing: Growing, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run with 10 % on the canary, which will wait for long at its next step."""
    monkeypatch.setattr(promote, "Clock", _LoopClock)
    run.prepare()
    run.world.provider.began_at = None
    run.promote("step_01")
    growing.missing = [*_LONG_WAIT]
    growing.sized.clear()
    run.world.provider.reads.clear()
    return run


def test_a_bad_canary_loses_its_traffic_while_it_waits(at_ten: Run, growing: Growing) -> None:
    at_ten.world.provider.bad_share = 0.5
    with pytest.raises(AirflowFailException, match="request-success-rate after"):
        at_ten.promote("step_02", "step_01.promote")
    split = at_ten.world.router.split
    assert split is not None
    assert (split.weight, split.state) == (0, ReleaseState.SEALED)
    assert "FAIL request-success-rate" in split.reason
    assert len(growing.sized) < 10
    assert "50 % refused: FAIL" in at_ten.said("step_02.promote")[0]


def test_a_good_canary_waits_as_long_as_it_has_to(at_ten: Run, growing: Growing) -> None:
    at_ten.promote("step_02", "step_01.promote")
    assert weight(at_ten) == 50
    assert len(growing.sized) == 46
    # Each second of the wait, and the sample before the write.
    assert len(at_ten.world.provider.reads) == 46
    start = from_piece(at_ten.xcoms["step_02.promote"]["step"], StepStart)
    assert start is not None
    assert start.state is not None
    assert start.state["step"]["id"] == "step_02"
    assert start.state["step"]["checks_done"] == 0


def test_the_evidence_of_the_wait_goes_on_to_the_gate(at_ten: Run, growing: Growing) -> None:
    # Not enough to stop it while it waits.
    at_ten.world.provider.bad_share = 0.01
    growing.missing = growing.missing[:3]
    at_ten.promote("step_02", "step_01.promote")
    start = from_piece(at_ten.xcoms["step_02.promote"]["step"], StepStart)
    assert start is not None
    assert start.state is not None
    # The first look is at the moment of the step before.
    assert start.state["metrics"]["request-success-rate"]["used"] == 3


def test_what_counts_as_a_failed_check_at_a_gate_does_while_it_waits(at_ten: Run) -> None:
    async def away(query: MetricQuery, window: Window) -> Reading:
        raise TransientAdapterError("timed out", system="metrics")

    at_ten.world.provider.answer = away
    with pytest.raises(AirflowFailException, match=r"after 20 s: 2 of 2 checks failed"):
        at_ten.promote("step_02", "step_01.promote")


def test_a_source_that_says_nothing_ends_no_wait_by_native_rules(at_ten: Run) -> None:
    at_ten.spec = replace(at_ten.spec, judge=replace(at_ten.spec.judge, semantics=Semantics.NATIVE))
    at_ten.prepare()
    at_ten.promote("step_01")

    async def away(query: MetricQuery, window: Window) -> Reading:
        raise TransientAdapterError("timed out", system="metrics")

    at_ten.world.provider.answer = away
    assert isinstance(at_ten.world.workload, Growing)
    at_ten.world.workload.missing = [*_LONG_WAIT]
    at_ten.promote("step_02", "step_01.promote")
    assert weight(at_ten) == 50


def test_an_abort_that_cannot_be_written_ends_the_step_all_the_same(at_ten: Run) -> None:
    at_ten.world.provider.bad_share = 0.5
    at_ten.world.router.write_fault = TransientAdapterError("away", system="router")
    with pytest.raises(AirflowFailException, match="request-success-rate after"):
        at_ten.promote("step_02", "step_01.promote")
    assert weight(at_ten) == 10


def test_a_release_that_nobody_judges_is_not_judged_while_it_waits(
    run: Run, growing: Growing
) -> None:
    run.prepare(skip_analysis="hotfix")
    run.promote("step_01")
    growing.missing = ["1 of 2 pods ready"] * 3
    run.promote("step_02", "step_01.promote")
    assert run.world.provider.reads == []

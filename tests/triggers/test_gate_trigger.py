"""The gate's trigger: what it takes from Airflow, what it leaves there, how it ends the task."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.triggers.base import BaseTrigger
from airflow_side import TASK, AirflowSide
from gates import MINE, OTHER, at_ten_percent, attempt_of, is_safe, started
from in_memory import make_spec, open_split
from virtual_time import run_virtual

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.record import Checkpoint, GatePiece, StepStart, from_piece, to_piece
from airflow_rollout.triggers import gate
from airflow_rollout.triggers.gate import GateTrigger
from airflow_rollout.triggers.ready import ReadyTrigger

PROMOTE = "step_01.promote"
LINK = "_link_ReleaseRecordLink"


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> AirflowSide:
    return AirflowSide(at_ten_percent()).install(monkeypatch)


def trigger(began: StepStart | None = None, **changes: Any) -> GateTrigger:
    values: dict[str, Any] = {
        "spec": make_spec().to_builtins(),
        "step_id": "step_01",
        "promote_task_id": PROMOTE,
        "task": TASK,
        "start": to_piece(started() if began is None else began),
        **changes,
    }
    return GateTrigger(**values)


def left(side: AirflowSide) -> GatePiece:
    piece = from_piece(side.xcoms.values["run", "step_01.gate", "gate"], GatePiece)
    assert piece is not None
    return piece


def test_a_good_step_ends_the_task_with_success_and_leaves_its_pieces(side: AirflowSide) -> None:
    assert side.events(trigger()) == ["TaskSuccessEvent"]
    piece = left(side)
    assert side.said("step_01.gate") == [piece.judgement.reason]
    assert piece.judgement.reason.startswith("PASS")
    assert [answer.text[:9] for answer in piece.answers] == ["counts of"]
    keys = {key for _, task, key in side.xcoms.values if task == "step_01.gate"}
    seen = {key for key in keys if key.startswith("series_")}
    assert len(seen) == 1
    assert keys - seen == {"gate", "checkpoint", "events", LINK}
    link = side.xcoms.values["run", "step_01.gate", LINK]
    assert link.endswith("/rollout/record/shop/run")


def test_a_bad_step_ends_the_task_failed_with_the_traffic_already_back(side: AirflowSide) -> None:
    side.world.provider.bad_share = 0.5
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert is_safe(side.world)
    verdict, back = side.said("step_01.gate")
    assert verdict == left(side).judgement.reason
    assert back == "all traffic back on stable 0.00 s later"


def test_a_way_back_that_failed_is_told(side: AirflowSide) -> None:
    side.world.provider.bad_share = 0.5
    side.world.router.write_fault = PermanentAdapterError("read-only", system="router")
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert side.said("step_01.gate")[1] == "could not put the traffic back: router: read-only"


@pytest.fixture
def refused(side: AirflowSide) -> AirflowSide:
    """Return a bad version whose router takes no write, until `takes_writes`."""
    side.world.provider.bad_share = 0.5
    side.world.router.write_fault = PermanentAdapterError("forbidden", system="router")
    return side


def takes_writes(side: AirflowSide) -> None:
    side.world.router.write_fault = None


def test_until_the_rollback_task_is_there_the_way_back_is_tried_beside_it(
    refused: AirflowSide,
) -> None:
    back = {20.0: lambda: takes_writes(refused)}
    assert refused.events(trigger(), later=back, seconds_after=22.0) == ["TaskFailedEvent"]
    assert refused.ended_after < 15.0, "its task has to end, whatever it still tries"
    assert is_safe(refused.world)
    assert refused.world.closed


def test_what_is_tried_beside_the_rollback_task_has_an_end_and_closes_its_connections(
    refused: AirflowSide,
) -> None:
    back = {3700.0: lambda: takes_writes(refused)}
    assert refused.events(trigger(), later=back, seconds_after=3800.0) == ["TaskFailedEvent"]
    assert refused.world.router.split == open_split(MINE, weight=10)
    assert refused.world.closed


def test_an_airflow_that_takes_no_record_holds_up_no_way_back(refused: AirflowSide) -> None:
    refused.xcoms.hangs = True
    seen: list[bool] = []
    later = {
        8.0: lambda: takes_writes(refused),
        11.0: lambda: seen.append(is_safe(refused.world)),
    }
    refused.events(trigger(), later=later, seconds_after=60.0)
    assert seen == [True]
    assert refused.ended_after > 11.0


def test_a_gate_that_has_ended_leaves_the_release_after_it_alone(refused: AirflowSide) -> None:
    theirs = open_split(OTHER, weight=50)

    def released_again() -> None:
        takes_writes(refused)
        refused.world.router.split = theirs

    later = {20.0: released_again}
    assert refused.events(trigger(), later=later, seconds_after=60.0) == ["TaskFailedEvent"]
    assert refused.world.router.split == theirs


def test_the_start_is_read_from_the_promote_task(side: AirflowSide) -> None:
    side.xcoms.values["run", PROMOTE, "step"] = to_piece(started())
    assert side.events(trigger(start=None)) == ["TaskSuccessEvent"]


@pytest.mark.parametrize(
    "handed",
    [None, {}, to_piece(started(step_id="step_02", weight=50))],
    ids=["nothing", "empty", "another step"],
)
def test_a_gate_without_its_start_fails_and_says_so(side: AirflowSide, handed: Any) -> None:
    side.xcoms.values["run", PROMOTE, "step"] = handed
    assert side.events(trigger(start=None)) == ["TaskFailedEvent"]
    assert side.said("step_01.gate") == [
        "the gate ended without a verdict: step_01.promote did not hand over a start of step_01"
    ]


def test_a_gate_whose_package_was_changed_under_it_fails_at_once_and_says_so(
    side: AirflowSide,
) -> None:
    side.xcoms.values["run", PROMOTE, "step"] = {**to_piece(started()), "schema": 99}
    assert side.events(trigger(start=None)) == ["TaskFailedEvent"]
    assert side.ended_after == 0.0
    assert side.said("step_01.gate") == [
        "the gate ended without a verdict: record: the step piece of "
        "step_01.promote has schema 99, this version of airflow_rollout reads 1: the package was "
        "changed in mid-release"
    ]


def test_a_gate_goes_on_from_no_state_of_another_schema(side: AirflowSide) -> None:
    side.xcoms.values["run", "step_01.gate", "checkpoint"] = {"schema": 99}
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert "the checkpoint piece of step_01.gate has schema 99" in side.said("step_01.gate")[0]


def test_a_gate_of_a_step_that_the_spec_does_not_have_fails_and_says_so(side: AirflowSide) -> None:
    gate_of_nothing = trigger(started(step_id="step_09"), step_id="step_09")
    assert side.events(gate_of_nothing) == ["TaskFailedEvent"]
    assert "has no step step_09, only step_01, step_02, step_full" in side.said("step_01.gate")[0]


def test_a_release_that_overrides_the_interval_is_judged_by_it(side: AirflowSide) -> None:
    hurried = started(attempt=replace(attempt_of(), interval_seconds=4.0))
    assert side.events(trigger(hurried)) == ["TaskSuccessEvent"]
    assert side.ended_after == pytest.approx(4.0, abs=0.6)


def test_whatever_breaks_ends_the_task_failed_with_the_reason(
    side: AirflowSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise PermanentAdapterError("there is no connection 'router'", system="connection")

    monkeypatch.setattr(gate, "open_systems", broken)
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert side.said("step_01.gate") == [
        "the gate ended without a verdict: connection: there is no connection 'router'"
    ]


def test_an_error_without_words_is_told_by_its_class(
    side: AirflowSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise TimeoutError

    monkeypatch.setattr(gate, "open_systems", broken)
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert side.said("step_01.gate") == ["the gate ended without a verdict: TimeoutError"]


@pytest.mark.parametrize("bad_share", [0.0, 0.5])
@pytest.mark.parametrize("trouble", [{"fault": RuntimeError("away")}, {"hangs": True}], ids=repr)
def test_an_airflow_that_takes_no_word_changes_nothing(
    side: AirflowSide, trouble: dict[str, Any], bad_share: float
) -> None:
    side.world.provider.bad_share = bad_share
    for name, value in trouble.items():
        setattr(side.xcoms, name, value)
    expected = "TaskFailedEvent" if bad_share else "TaskSuccessEvent"
    assert side.events(trigger()) == [expected]
    assert is_safe(side.world) is bool(bad_share)
    assert side.ended_after < 120.0, "a silent Airflow holds the end up for a bounded time only"


# --- restarts ---


def _stopped_state() -> dict[str, Any]:
    world = at_ten_percent()
    world.provider.bad_share = 0.5
    patch = pytest.MonkeyPatch()
    side = AirflowSide(world).install(patch)
    assert side.events(trigger()) == ["TaskFailedEvent"]
    patch.undo()
    state: dict[str, Any] = side.xcoms.values["run", "step_01.gate", "checkpoint"]["state"]
    assert state["release"]["stopped"]
    return state


def test_a_restarted_gate_goes_on_from_its_own_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = _stopped_state()
    side = AirflowSide(at_ten_percent()).install(monkeypatch)
    side.xcoms.values["run", "step_01.gate", "checkpoint"] = to_piece(
        Checkpoint(epoch=MINE.epoch, step_id="step_01", at=1.0, state=state)
    )
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert side.ended_after < 3.5, "it knows already"


@pytest.mark.parametrize(
    "of", [{"epoch": "earlier"}, {"step_id": "step_02"}], ids=["earlier attempt", "another step"]
)
def test_a_checkpoint_of_another_attempt_or_step_is_not_gone_on_from(
    of: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = _stopped_state()
    side = AirflowSide(at_ten_percent()).install(monkeypatch)
    piece = Checkpoint(
        **{"epoch": MINE.epoch, "step_id": "step_01", "at": 1.0, "state": state, **of}
    )
    side.xcoms.values["run", "step_01.gate", "checkpoint"] = to_piece(piece)
    assert side.events(trigger()) == ["TaskSuccessEvent"]


def test_a_cancelled_trigger_finishes_its_write_and_passes_the_cancellation_on(
    side: AirflowSide,
) -> None:
    side.world.provider.bad_share = 0.5
    side.world.router.write_seconds = 3.0

    async def cancelled() -> None:
        async def consume() -> None:
            async for _ in trigger().run():
                pass

        running = asyncio.create_task(consume())
        await asyncio.wait({running}, timeout=3.0)  # decided by then, not written yet
        assert side.world.router.split == open_split(MINE, weight=10)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()

    run_virtual(cancelled())
    assert is_safe(side.world)


# --- what Airflow does with a trigger ---


@pytest.mark.parametrize(
    "made",
    [
        trigger(live_seconds=2.5),
        ReadyTrigger(
            spec=make_spec().to_builtins(),
            prepare_task_id="prepare",
            attempt=to_piece(attempt_of()),
            task=TASK,
        ),
    ],
    ids=lambda made: type(made).__name__,
)
class TestForAirflow:
    def test_a_trigger_is_rebuilt_from_what_it_serializes(self, made: BaseTrigger) -> None:
        path, kwargs = made.serialize()
        assert path == f"{type(made).__module__}.{type(made).__name__}"
        again = type(made)(**kwargs)
        assert again.serialize() == (path, kwargs)

    def test_its_arguments_survive_airflows_own_encoding(self, made: BaseTrigger) -> None:
        _, kwargs = made.serialize()
        assert json.loads(json.dumps(kwargs)) == kwargs, "plain JSON, no tuples"
        row = Trigger(classpath="any", kwargs=kwargs)
        assert row.kwargs == kwargs

    def test_it_does_nothing_on_kill(self, made: BaseTrigger) -> None:
        # It would fire on mark success too, where the release goes on.
        assert "on_kill" not in vars(type(made))

"""The trigger that waits for the canary."""

from __future__ import annotations

from typing import Any

import pytest
from airflow_side import AirflowSide
from gates import at_ten_percent, attempt_of
from in_memory import make_spec

from airflow_rollout.record import to_piece
from airflow_rollout.triggers import ready
from airflow_rollout.triggers.ready import ReadyTrigger

TASK = {"dag_id": "shop", "run_id": "run", "task_id": "ready"}


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> AirflowSide:
    return AirflowSide(at_ten_percent()).install(monkeypatch)


def trigger(**changes: Any) -> ReadyTrigger:
    values: dict[str, Any] = {
        "spec": make_spec(ready_timeout_seconds=30.0).to_builtins(),
        "prepare_task_id": "prepare",
        "attempt": to_piece(attempt_of()),
        "task": TASK,
        **changes,
    }
    return ReadyTrigger(**values)


def test_two_answers_in_a_row_are_ready(side: AirflowSide) -> None:
    assert side.events(trigger()) == ["TaskSuccessEvent"]
    assert side.world.workload.probes == 2
    assert side.said("ready") == ["v2 is ready after 0.5 s"]
    assert side.xcoms.values["run", "ready", "_link_ReleaseRecordLink"].endswith("/shop/run")


def test_one_answer_between_failures_is_not_ready(side: AirflowSide) -> None:
    workload = side.world.workload
    workload.probe_fault = "connection refused"
    later = {
        1.9: lambda: setattr(workload, "probe_fault", ""),
        2.3: lambda: setattr(workload, "probe_fault", "died of its own start"),
        9.9: lambda: setattr(workload, "probe_fault", ""),
    }
    assert side.events(trigger(), later=later) == ["TaskSuccessEvent"]
    assert side.ended_after == pytest.approx(10.5, abs=0.2)


def test_a_canary_that_never_answers_fails_at_the_timeout_with_its_last_words(
    side: AirflowSide,
) -> None:
    side.world.workload.probe_fault = "HTTP 503"
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert side.ended_after == pytest.approx(30.0, abs=0.6)
    assert side.said("ready") == ["never ready: HTTP 503 (gave up at 30 s) after 30.0 s"]


def test_a_fatal_probe_ends_the_wait_at_once(side: AirflowSide) -> None:
    side.world.workload.probe_fault = "image does not exist"
    side.world.workload.fatal = True
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert side.ended_after == 0.0
    assert side.said("ready") == ["never ready: image does not exist after 0.0 s"]


def test_the_attempt_is_read_from_the_prepare_task(side: AirflowSide) -> None:
    side.xcoms.values["run", "prepare", "attempt"] = to_piece(attempt_of())
    assert side.events(trigger(attempt=None)) == ["TaskSuccessEvent"]


def test_without_an_attempt_it_fails_and_says_so(side: AirflowSide) -> None:
    assert side.events(trigger(attempt=None)) == ["TaskFailedEvent"]
    assert side.said("ready") == [
        "could not ask whether the canary is ready: prepare opened no release"
    ]


def test_what_breaks_is_in_the_record(side: AirflowSide, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(spec: object, connect: object) -> object:
        raise TimeoutError

    monkeypatch.setattr(ready, "open_systems", broken)
    assert side.events(trigger()) == ["TaskFailedEvent"]
    assert side.said("ready") == ["could not ask whether the canary is ready: TimeoutError"]


@pytest.mark.parametrize("trouble", [{"fault": RuntimeError("away")}, {"hangs": True}], ids=repr)
def test_an_airflow_that_takes_no_word_does_not_make_a_ready_canary_unready(
    side: AirflowSide, trouble: dict[str, Any]
) -> None:
    for name, value in trouble.items():
        setattr(side.xcoms, name, value)
    assert side.events(trigger()) == ["TaskSuccessEvent"]


def test_an_airflow_that_is_away_for_a_while_makes_no_canary_unready(side: AirflowSide) -> None:
    side.xcoms.values["run", "prepare", "attempt"] = to_piece(attempt_of())
    side.xcoms.read_fault = side.xcoms.fault = RuntimeError("database is locked")
    later = {
        20.5: lambda: setattr(side.xcoms, "read_fault", None),
        40.5: lambda: setattr(side.xcoms, "fault", None),
    }
    assert side.events(trigger(attempt=None), later=later) == ["TaskSuccessEvent"]
    assert side.ended_after == pytest.approx(41.0, abs=1.0)
    assert len(side.said("ready")) == 1


def test_an_airflow_that_stays_away_ends_the_wait(side: AirflowSide) -> None:
    side.xcoms.read_fault = RuntimeError("database is locked")
    assert side.events(trigger(attempt=None)) == ["TaskFailedEvent"]
    assert 120.0 <= side.ended_after <= 125.0
    assert side.said("ready") == ["could not ask whether the canary is ready: database is locked"]

"""News of a release: told when traffic is safe, once, whoever ends the release."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.sdk.bases.notifier import BaseNotifier
from airflow.sdk.exceptions import AirflowFailException
from in_memory import World
from notifiers import Deaf, Notebook
from runs import Run

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.operators import base
from airflow_rollout.release import Outcome, ReleaseState

AWAY = TransientAdapterError("timed out", system="router")
GIVEN_UP_SECONDS = 0.3


@dataclass
class StateStore:
    """What Airflow keeps of a task across its tries."""

    values: dict[str, Any] = field(default_factory=dict)
    fault: Exception | None = None

    def get(self, key: str) -> Any:
        if self.fault is not None:
            raise self.fault
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        if self.fault is not None:
            raise self.fault
        self.values[key] = value


@dataclass
class NewsRun(Run):
    """A run whose tasks tell one notebook about every outcome."""

    notebook: Notebook = field(default_factory=Notebook)
    stores: dict[str, StateStore] = field(default_factory=dict)

    @property
    def on_event(self) -> dict[str, list[BaseNotifier]]:
        return {outcome.value: [self.notebook] for outcome in Outcome}

    def context(self, task_id: str) -> Any:
        store = self.stores.setdefault(task_id, StateStore())
        return {**super().context(task_id), "task_state_store": store}

    def promotion(self, **arguments: Any) -> None:
        super().promotion(on_event=self.on_event, **arguments)

    def rollback(self, **arguments: Any) -> None:
        super().rollback(on_event=self.on_event, **arguments)

    def ensure_safe(self, **arguments: Any) -> None:
        super().ensure_safe(on_event=self.on_event, **arguments)

    def die(self, task_id: str) -> None:
        """Let a task's worker die before it could report its end."""
        self.states[task_id] = "failed"


@pytest.fixture
def told(run: Run, monkeypatch: pytest.MonkeyPatch) -> NewsRun:
    """Return a run at 10 %, whose gate has just put the traffic back."""
    news = NewsRun(run.world).install(monkeypatch)
    assert isinstance(news, NewsRun)
    news.prepare()
    news.promote("step_01")
    return news


def gate_stopped(run: Run) -> None:
    run.world.router.change(weight=0, state=ReleaseState.SEALED, reason="FAIL errors 5 %")
    run.states["step_01.gate"] = "failed"


ROLLED_BACK = "rolled_back: FAIL errors 5 %"


def unsafe(world: World) -> str:
    """Say what is not safe yet, empty when traffic is."""
    split = world.router.split
    assert split is not None
    if world.router.data_plane:
        return f"{world.router.data_plane} % still served"
    return "" if split.weight == 0 and split.state is not ReleaseState.OPEN else str(split)


def when_told(run: NewsRun) -> list[str]:
    found: list[str] = []
    run.notebook.meanwhile = lambda: found.append(unsafe(run.world))
    return found


def test_rollback_tells_when_traffic_is_safe(told: NewsRun) -> None:
    told.states["step_01.gate"] = "failed"
    found = when_told(told)
    told.rollback()
    assert found == [""]
    assert told.notebook.told == ["aborted: step_01.gate was marked failed"]
    assert told.said("rollback")[-1] == "news aborted by Notebook: sent"


def test_teardown_tells_when_traffic_is_safe(told: NewsRun) -> None:
    found = when_told(told)
    with pytest.raises(AirflowFailException):
        told.ensure_safe()
    assert found == [""]
    assert told.notebook.told == ["aborted: the run was ended before it was released"]
    record = told.xcoms["ensure_safe"]["record"]
    assert [it["text"] for it in record["timeline"]][-1] == "news aborted by Notebook: sent"


def test_promotion_tells_when_the_new_version_is_stable(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = NewsRun(run.world).install(monkeypatch)
    assert isinstance(news, NewsRun)
    found = when_told(news)
    news.promoted()
    news.ensure_safe()
    assert found == [""]
    assert news.notebook.told == ["promoted: promoted: v2 is the stable version"]


def test_receiver_that_hangs_is_a_line_of_the_record(
    told: NewsRun, deaf: Deaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "TIMEOUT_SECONDS", GIVEN_UP_SECONDS)
    gate_stopped(told)
    Run.rollback(told, on_event={"rolled_back": [deaf, told.notebook]})
    told.ensure_safe()
    assert told.notebook.told == [ROLLED_BACK]
    timeline = [event["text"] for event in told.xcoms["ensure_safe"]["record"]["timeline"]]
    assert "news rolled_back by Deaf: FAILED, no answer within 0.3 s" in timeline
    assert told.states["rollback"] == "success"


def test_nobody_is_told_of_another_outcome(told: NewsRun) -> None:
    gate_stopped(told)
    Run.rollback(told, on_event={"promoted": [told.notebook], "aborted": [told.notebook]})
    assert told.notebook.told == []


def test_rollback_then_teardown_tell_once(told: NewsRun) -> None:
    gate_stopped(told)
    told.rollback()
    told.ensure_safe()
    assert told.notebook.told == [ROLLED_BACK]


def test_another_try_tells_nobody_again_and_keeps_the_lines(told: NewsRun) -> None:
    gate_stopped(told)
    told.rollback()
    told.die("rollback")
    told.rollback()
    told.ensure_safe()
    assert told.notebook.told == [ROLLED_BACK]
    assert told.said("rollback")[-1] == "news rolled_back by Notebook: sent"


def test_try_that_died_while_it_told_is_made_up_for(told: NewsRun) -> None:
    gate_stopped(told)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "send", _killed)
        with pytest.raises(_Killed):
            told.rollback()
    told.rollback()
    assert told.notebook.told == [ROLLED_BACK]


def test_teardown_tells_for_a_rollback_that_never_got_to_it(told: NewsRun) -> None:
    gate_stopped(told)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "send", _killed)
        with pytest.raises(_Killed):
            told.rollback()
    told.ensure_safe()
    assert told.notebook.told == [ROLLED_BACK]
    assert told.xcoms["ensure_safe"]["record"]["outcome"] == "rolled_back"


@pytest.mark.parametrize("state", ["success", "skipped", ""])
def test_teardown_ends_and_tells_for_a_rollback_that_was_marked(told: NewsRun, state: str) -> None:
    gate_stopped(told)
    told.states["rollback"] = state
    told.ensure_safe()
    assert told.notebook.told == [ROLLED_BACK]
    record = told.xcoms["ensure_safe"]["record"]
    assert (record["outcome"], record["reason"]) == ("rolled_back", "FAIL errors 5 %")


def test_failed_way_back_is_told_once_and_then_how_it_was_mended(told: NewsRun) -> None:
    told.states["step_01.gate"] = "failed"
    told.world.router.write_fault = AWAY
    for task in (told.rollback, told.ensure_safe):
        with pytest.raises(AirflowFailException):
            task(deadline_seconds=60.0)
    assert [text.partition(":")[0] for text in told.notebook.told] == ["failed_to_roll_back"]
    told.world.router.write_fault = None
    with pytest.raises(AirflowFailException):
        told.ensure_safe()
    assert [text.partition(":")[0] for text in told.notebook.told] == [
        "failed_to_roll_back", "aborted",
    ]  # fmt: skip


def test_failed_way_back_of_which_nobody_heard_is_told_by_the_teardown(told: NewsRun) -> None:
    told.world.router.write_fault = AWAY
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "send", _killed)
        with pytest.raises(_Killed):
            told.rollback(deadline_seconds=60.0)
    with pytest.raises(AirflowFailException):
        told.ensure_safe(deadline_seconds=60.0)
    assert [text.partition(":")[0] for text in told.notebook.told] == ["failed_to_roll_back"]


def test_cleared_run_tells_of_its_new_attempt(told: NewsRun) -> None:
    gate_stopped(told)
    told.rollback()
    told.clear()
    told.prepare()
    told.promote("step_01")
    gate_stopped(told)
    told.rollback()
    assert told.notebook.told == [ROLLED_BACK, ROLLED_BACK]


def test_airflow_that_forgets_who_was_told_is_no_reason_for_silence(told: NewsRun) -> None:
    gate_stopped(told)
    told.stores["rollback"] = StateStore(fault=RuntimeError("Airflow does not answer"))
    told.rollback()
    assert told.notebook.told == [ROLLED_BACK]
    assert told.states["rollback"] == "success"


class _Killed(Exception):
    """Stand for the death of a worker."""


def _killed(*_: object, **__: object) -> list[str]:
    raise _Killed

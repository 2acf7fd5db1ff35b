"""Gates whose metric system fails in the middle, in every way it can: none passes on silence."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from contract import Case
from failing_gates import Story, stories
from failing_rollouts import PARTS
from source_faults import SOURCE_FAULTS, SYSTEMS

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.release import ReleaseState

pytestmark = pytest.mark.real

Played = Callable[[str, str], Story]


@pytest.fixture(scope="module")
def played(need_binary: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Return a gate's story by its system and what happens to it; a system's are told at once."""
    need_binary("traefik")

    @cache
    def told(system: str) -> dict[str, Story]:
        return stories(system, tmp_path_factory.mktemp(system))

    return lambda system, name: told(system)[name]


def _gates(semantics: str) -> pytest.MarkDecorator:
    """Return all gates with a fault, judged by these rules, of the systems one after another."""
    found = [
        pytest.param(system, name, id=f"{system}-{name}")
        for system in SYSTEMS
        for name, part in PARTS[system].items()
        if part.fault is not None and part.semantics == semantics and not part.mends
    ]
    return pytest.mark.parametrize(("system", "name"), found)


by_system = pytest.mark.parametrize("system", SYSTEMS)


@_gates("native")
def test_a_gate_holds_and_says_why_and_rolls_back_at_its_deadline(
    played: Played, system: str, name: str
) -> None:
    story = played(system, name)
    fault = story.part.fault
    assert fault is not None
    _is_back(story)
    held = story.held()
    assert held, "the gate did not hold on after its time"
    assert all(re.search(fault.words, reason) for reason in held), held
    end = story.end.judgement
    assert end.verdict in (Verdict.NO_DATA, Verdict.ERROR)
    assert "no check passed within 100 s" in end.reason
    assert re.search(fault.words, end.reason)
    assert end.evidence < end.limit, "silence is no evidence against a version"
    assert end.failed_checks == 0


@_gates("flagger")
def test_by_flaggers_rules_an_unanswered_question_is_a_failed_check(
    played: Played, system: str, name: str
) -> None:
    story = played(system, name)
    assert story.part.fault is not None
    _is_back(story)
    end = story.end.judgement
    assert end.failed_checks == end.failure_limit == 2
    assert "2 of 2 checks failed" in end.reason
    assert re.search(story.part.fault.words, end.reason)


@_gates("argo")
def test_by_argos_rules_errors_in_a_row_end_the_release(
    played: Played, system: str, name: str
) -> None:
    story = played(system, name)
    assert story.part.fault is not None
    _is_back(story)
    end = story.end.judgement
    assert end.verdict is Verdict.ERROR
    assert "3 errors in a row (consecutive error limit 2)" in end.reason
    assert re.search(story.part.fault.words, end.reason)


@by_system
def test_the_same_gate_passes_when_nothing_fails(played: Played, system: str) -> None:
    story = played(system, "nothing")
    assert story.events == ["TaskSuccessEvent"], story.end.judgement.reason
    assert story.end.judgement.verdict is Verdict.PASS
    assert story.split is not None
    assert (story.split.weight, story.split.state, story.live) == (20, ReleaseState.OPEN, 20)


@by_system
def test_a_gate_passes_later_when_its_source_comes_back(played: Played, system: str) -> None:
    story = played(system, "status 503 for a while")
    assert any("HTTP 503" in reason for reason in story.held())
    assert story.events == ["TaskSuccessEvent"], story.end.judgement.reason


@by_system
def test_where_a_system_cannot_fail_like_this_it_is_said_why(system: str) -> None:
    faults = SOURCE_FAULTS[system]
    assert set(Case) - {Case.VALUE, Case.COUNTS} <= set(faults)
    assert all(len(why) > 10 for why in faults.values() if isinstance(why, str))


def _is_back(story: Story) -> None:
    assert story.events == ["TaskFailedEvent"], story.end.judgement.reason
    assert story.split is not None
    assert (story.split.weight, story.split.state, story.live) == (0, ReleaseState.SEALED, 0)
    assert story.end.stop is not None
    assert story.end.stop.error == ""

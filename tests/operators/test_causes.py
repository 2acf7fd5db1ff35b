"""Why a release is being rolled back, in words."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from in_memory import CANARY, STABLE, make_spec
from runs import Run

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.operators.causes import Cause, collect_pieces, explain, find_cause
from airflow_rollout.plan import find_step
from airflow_rollout.record import (
    Attempt,
    Event,
    GatePiece,
    Key,
    StepStart,
    events_piece,
    to_piece,
)
from airflow_rollout.release import Outcome, Token

SPEC = make_spec()
ATTEMPT = Attempt(
    token=Token(epoch="e", owner="shop/run", digest="d"),
    canary=CANARY,
    stable=STABLE,
    opened_at=1000.0,
)
WRITTEN = 1010.0

Pieces = dict[str, dict[str, Any]]


def opened(**more: dict[str, Any]) -> Pieces:
    return {"prepare": {Key.ATTEMPT: to_piece(ATTEMPT)}, **more}


def gate(verdict: Verdict, reason: str, *, ends: bool) -> dict[str, Any]:
    judgement = Judgement(at=WRITTEN + 5, verdict=verdict, ends=ends, reason=reason)
    piece = GatePiece(
        epoch="e", step_id="step_01", weight=10, written_at=WRITTEN, hold_seconds=10.0,
        judgement=judgement,
    )  # fmt: skip
    return {Key.GATE: to_piece(piece)}


def started() -> dict[str, Any]:
    piece = StepStart(
        attempt=ATTEMPT, step_id="step_01", weight=10, written_at=WRITTEN,
        release_started_at=WRITTEN,
    )  # fmt: skip
    return {Key.STEP: to_piece(piece)}


def said(task: str, *texts: str) -> dict[str, Any]:
    lines = [Event(at=1001.0 + i, task=task, text=text, epoch="e") for i, text in enumerate(texts)]
    return {Key.EVENTS: events_piece(lines)}


def why(failed: list[str], pieces: Pieces, *, after_seconds: float = 30.0) -> Cause:
    return explain(SPEC, failed, pieces, now=WRITTEN + after_seconds)


_BACK, _ABORTED = Outcome.ROLLED_BACK, Outcome.ABORTED
_BACKSTOP = find_step(SPEC, "step_01").backstop_seconds


@pytest.mark.parametrize(
    ("failed", "pieces", "cause"),
    [
        pytest.param(
            ["step_01.gate"],
            opened(**{"step_01.gate": gate(Verdict.FAIL, "FAIL errors 5 %", ends=True)}),
            Cause(outcome=_BACK, reason="FAIL errors 5 %"),
            id="a gate's verdict",
        ),
        pytest.param(
            ["step_02.promote"],
            opened(**{"step_02.promote": said("step_02.promote", "50 % refused: edited")}),
            Cause(outcome=_BACK, reason="step_02.promote: 50 % refused: edited"),
            id="a refused promote",
        ),
        pytest.param(
            ["ready"],
            opened(ready=said("ready", "never ready: HTTP 503")),
            Cause(outcome=_BACK, reason="ready: never ready: HTTP 503"),
            id="never ready",
        ),
        pytest.param(
            ["step_01.gate"],
            opened(**{"step_01.gate": said("step_01.gate", "the gate ended without a verdict")}),
            Cause(outcome=_BACK, reason="step_01.gate: the gate ended without a verdict"),
            id="a gate that broke",
        ),
        pytest.param(
            ["smoke_test"],
            opened(prepare_line=said("prepare", "release opened")),
            Cause(outcome=_BACK, reason="smoke_test failed"),
            id="the user's own task",
        ),
        pytest.param([], opened(), Cause(outcome=_BACK, reason="a task failed"), id="nobody"),
        pytest.param(
            ["step_01.gate"],
            opened(**{"step_01.promote": started()}),
            Cause(outcome=_ABORTED, reason="step_01.gate was marked failed"),
            id="marked failed before it said anything",
        ),
        pytest.param(
            ["step_01.gate"],
            opened(
                **{
                    "step_01.promote": started(),
                    "step_01.gate": {
                        **gate(Verdict.INCONCLUSIVE, "INCONCLUSIVE so far", ends=False),
                        Key.EVENTS: {**said("step_01.gate", "why")[Key.EVENTS], "schema": 2},
                    },
                }
            ),
            Cause(
                outcome=_BACK,
                reason="the events piece of step_01.gate has schema 2, this version of "
                "airflow_rollout reads 1: the package was changed in mid-release",
            ),
            id="another version of the package says why",
        ),
        pytest.param(
            ["step_01.gate"],
            opened(
                **{
                    "step_01.promote": started(),
                    "step_01.gate": gate(Verdict.INCONCLUSIVE, "INCONCLUSIVE so far", ends=False),
                }
            ),
            Cause(
                outcome=_ABORTED,
                reason="step_01.gate was marked failed; its last judgement: INCONCLUSIVE so far",
            ),
            id="marked failed while it held",
        ),
    ],
)
def test_the_cause_is_found_in_the_failed_tasks_and_their_pieces(
    failed: list[str], pieces: Pieces, cause: Cause
) -> None:
    assert why(failed, pieces) == cause


@pytest.mark.parametrize(
    ("after_seconds", "outcome"),
    [(_BACKSTOP, _BACK), (_BACKSTOP - 10, _BACK), (_BACKSTOP / 2, _ABORTED)],
)
def test_a_gate_that_ended_at_its_backstop_was_not_marked_by_a_person(
    after_seconds: float, outcome: Outcome
) -> None:
    pieces = opened(**{"step_01.promote": started()})
    cause = why(["step_01.gate"], pieces, after_seconds=after_seconds)
    assert cause.outcome is outcome
    assert ("does a triggerer run?" in cause.reason) is (outcome is _BACK)


def test_a_gate_marked_failed_without_a_start_was_marked() -> None:
    assert why(["step_01.gate"], {}).outcome is _ABORTED


# --- asked of Airflow ---


@pytest.fixture
def log() -> logging.Logger:
    return logging.getLogger("test")


def test_only_tasks_that_have_run_are_asked_for_their_pieces(run: Run) -> None:
    run.xcoms = {
        "prepare": {"attempt": 1, "events": 2, "unknown": 3},
        "step_01.gate": {"gate": 4},
        "step_02.gate": {"gate": 5},
    }
    states = {"prepare": "success", "step_01.gate": "failed", "step_02.gate": "upstream_failed"}
    found = collect_pieces(run.context("rollback"), list(run.xcoms), states)
    assert found == {"prepare": {"attempt": 1, "events": 2}, "step_01.gate": {"gate": 4}}


def test_a_group_is_explained_by_what_failed_in_it(run: Run, log: logging.Logger) -> None:
    run.states = {"unrelated": "failed", "eu.step_01.gate": "failed", "eu.deploy": "success"}
    cause = find_cause(run.context("eu.rollback"), SPEC, (), log, group="eu")
    assert cause == Cause(outcome=_ABORTED, reason="eu.step_01.gate was marked failed")
    run.states = {"build": "failed", "eu.prepare": "upstream_failed"}
    cause = find_cause(run.context("eu.rollback"), SPEC, (), log, group="eu")
    assert cause == Cause(outcome=_BACK, reason="build failed")


def test_an_airflow_that_does_not_answer_makes_the_cause_less_exact(
    run: Run, log: logging.Logger
) -> None:
    run.states_fault = RuntimeError("no answer")
    cause = find_cause(run.context("rollback"), SPEC, (), log)
    assert cause == Cause(outcome=_BACK, reason="a task of this release failed")

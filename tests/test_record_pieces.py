"""Which pieces of a run belong to which rollout of it, and what older and newer ones are worth."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from test_record import ATTEMPT, OPENED, end, gate, judged, opened, record_of

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.plan import PlannedStep
from airflow_rollout.record import Key, assemble_all, rollouts_of, to_piece
from airflow_rollout.release import Outcome
from airflow_rollout.seen import Outline, OutlinedMetric


def test_two_rollouts_of_one_dag_are_two_records() -> None:
    other = replace(
        ATTEMPT,
        token=replace(ATTEMPT.token, epoch="other"),
        canary=replace(ATTEMPT.canary, version="w9"),
    )
    pieces = {
        "shop.prepare": {Key.ATTEMPT: to_piece(ATTEMPT)},
        "shop.step_01.gate": {Key.GATE: to_piece(gate(1, judged(Verdict.PASS, "PASS good")))},
        "deep.cart.prepare": {Key.ATTEMPT: to_piece(other)},
        "deep.cart.rollback": end(Outcome.ROLLED_BACK, OPENED + 90, reason="bad", epoch="other"),
    }
    cart, shop = assemble_all(pieces, dag_id="all", run_id="run")
    assert (cart.group, cart.version, cart.outcome) == ("deep.cart", "w9", Outcome.ROLLED_BACK)
    assert (shop.group, shop.version, shop.outcome) == ("shop", "v2", None)
    assert [one.step_id for one in shop.gates] == ["step_01"]
    assert cart.gates == []


@pytest.mark.parametrize(
    ("task_id", "group"),
    [
        ("prepare", ""),
        ("step_01.gate", ""),
        ("step_full.promote", ""),
        ("shop.step_12.promote", "shop"),
        ("a.b.ensure_safe", "a.b"),
        ("somebody.elses_task", ""),
    ],
)
def test_a_tasks_rollout_is_told_by_its_id(task_id: str, group: str) -> None:
    assert rollouts_of({task_id: {}}) == {group: {task_id: {}}}


def test_a_record_holds_what_its_own_attempt_set_out_to_do() -> None:
    step = PlannedStep(
        id="step_01", weight=10, previous_weight=0, rises_after_seconds=0.0, hold_seconds=60.0,
        deadline_seconds=120.0, backstop_seconds=180.0,
    )  # fmt: skip
    outline = Outline(
        epoch="now", service="shop", namespace="", steps=(step,), min_requests=50,
        provider="scrape", metrics=(OutlinedMetric(name="errors", question="errors"),),
    )  # fmt: skip
    stale = replace(outline, epoch="before", service="old")
    pieces = opened(gate={Key.OUTLINE: to_piece(stale)}, start={Key.OUTLINE: to_piece(outline)})
    assert record_of(pieces).outline == outline
    json.dumps(record_of(pieces).to_builtins())


def test_a_gates_piece_of_an_older_version_is_still_read() -> None:
    piece = to_piece(gate(1, judged(Verdict.FAIL, "FAIL errors")))
    del piece["bad_since"]
    assert record_of(opened(gate={Key.GATE: piece})).gates[0].bad_since is None

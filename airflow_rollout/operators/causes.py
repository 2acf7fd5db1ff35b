"""Find in words why a release is being rolled back. Nothing is ever decided by it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Context

from airflow_rollout.late import record
from airflow_rollout.plan import make_plan
from airflow_rollout.release import Outcome
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["Cause", "collect_pieces", "find_cause", "task_states"]

# Values of `record.Key`, which is not loaded with a DAG file.
_ALL_KEYS = ("attempt", "step", "gate", "events", "end")

# What the factory's tasks push, by the last part of their id. Asking for what is not there costs
# Airflow as much as an answer, and a line in its log.
_KEYS_OF = {
    "prepare": ("attempt", "events"),
    "deploy": ("events",),
    "ready": ("events",),
    "promote": ("step", "events"),
    "gate": ("gate", "events"),
    "promotion": ("end", "events"),
    "rollback": ("end", "events"),
    "ensure_safe": ("end", "events"),
}

# States of tasks that have pushed nothing.
_SILENT = frozenset({"", "none", "upstream_failed", "skipped", "removed", "scheduled", "queued"})

# A gate that ended this close to its backstop was ended by it, not by a person.
_BACKSTOP_SLACK_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """How an attempt ended and the sentence for a person."""

    outcome: Outcome
    reason: str


def collect_pieces(
    context: Context, task_ids: Iterable[str], states: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return the pieces that tasks of this run have pushed; `states` tells which ran."""
    ti = context["ti"]
    pieces: dict[str, dict[str, Any]] = {}
    for task_id in task_ids:
        if states.get(task_id, "") in _SILENT:
            continue
        for key in _KEYS_OF.get(task_id.rpartition(".")[2], _ALL_KEYS):
            value = ti.xcom_pull(task_ids=task_id, key=key, map_indexes=-1)
            if value is not None:
                pieces.setdefault(task_id, {})[key] = value
    return pieces


def task_states(context: Context) -> dict[str, str]:
    """Return the state of every task of this run that has one."""
    ti = context["ti"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
    return {task: str(state) for task, state in states.get(ti.run_id, {}).items() if state}


def find_cause(
    context: Context, spec: RolloutSpec, told_by: Sequence[str], log: Any, *, group: str = ""
) -> Cause:
    """Return why this run is going back; a question to Airflow that fails makes it less exact.

    :param group: the rollout's task group; what failed elsewhere in the DAG counts only if nothing
        failed in the group itself.
    """
    try:
        states = task_states(context)
        failed = [task for task, state in states.items() if state == "failed"]
        if group:
            failed = [task for task in failed if task.startswith(f"{group}.")] or failed
        pieces = collect_pieces(context, told_by, states)
        return explain(spec, failed, pieces, now=time.time())
    except Exception:
        log.exception("could not find out why")
        return Cause(outcome=Outcome.ROLLED_BACK, reason="a task of this release failed")


def explain(spec: RolloutSpec, failed: list[str], pieces: record.Pieces, *, now: float) -> Cause:
    """Say from the failed tasks and their pieces how the release ended.

    A gate that was marked failed in the UI leaves no verdict of its own: that is an abort.
    """
    told = record.assemble(pieces, dag_id="", run_id="")
    gates = told.gates if told else []
    stopped = record.stopping_verdict(gates)
    if stopped is not None:
        return Cause(outcome=Outcome.ROLLED_BACK, reason=stopped.judgement.reason)
    words = _last_words(failed, told.timeline if told else [])
    if words:
        return Cause(outcome=Outcome.ROLLED_BACK, reason=words)
    fault = _schema_fault(failed, pieces)
    if fault:
        return Cause(outcome=Outcome.ROLLED_BACK, reason=fault)
    gate = next((task for task in failed if task.endswith(".gate")), None)
    if gate is None:
        names = ", ".join(failed) or "a task"
        return Cause(outcome=Outcome.ROLLED_BACK, reason=f"{names} failed")
    if _ran_out(spec, gate, pieces, now):
        reason = f"{gate} was not judged until its backstop: does a triggerer run?"
        return Cause(outcome=Outcome.ROLLED_BACK, reason=reason)
    said = _gate_said(gate, pieces)
    reason = f"{gate} was marked failed" + (f"; its last judgement: {said}" if said else "")
    return Cause(outcome=Outcome.ABORTED, reason=reason)


def _last_words(failed: list[str], timeline: list[record.Event]) -> str:
    words = [event for event in timeline if event.task in failed]
    return f"{words[-1].task}: {words[-1].text}" if words else ""


def _schema_fault(failed: list[str], pieces: record.Pieces) -> str:
    """Return that what a failed task left cannot be read, and so neither why it failed."""
    for task in failed:
        for key, piece in pieces.get(task, {}).items():
            fault = record.schema_fault(piece)
            if fault:
                return f"the {key} piece of {task} {fault}"
    return ""


def _ran_out(spec: RolloutSpec, gate: str, pieces: record.Pieces, now: float) -> bool:
    promote = gate.removesuffix(".gate") + ".promote"
    start = record.from_piece(pieces.get(promote, {}).get(record.Key.STEP), record.StepStart)
    if start is None:
        return False
    backstops = {step.id: step.backstop_seconds for step in make_plan(spec).steps}
    bound = backstops.get(start.step_id)
    return bound is not None and now - start.written_at > bound - _BACKSTOP_SLACK_SECONDS


def _gate_said(gate: str, pieces: record.Pieces) -> str:
    piece = record.from_piece(pieces.get(gate, {}).get(record.Key.GATE), record.GatePiece)
    return piece.judgement.reason if piece is not None else ""

"""One line of the page Rollouts: what a service's release is, and whether somebody has to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_rollout.analysis.undecided import ASKING
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.record import ReleaseRecord, assemble_all, stopping_verdict
from airflow_rollout.release import Outcome
from airflow_rollout.ui.store import Run

__all__ = ["Row", "State", "exposure_of", "rows_of", "safe_seconds_of"]


class State(StrEnum):
    """What a release is, for a glance; the outcomes of the record and what comes before one."""

    FAILED_TO_ROLL_BACK = "failed_to_roll_back"
    RUNNING = "running"
    WAITING = "waiting"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    FAILED = "failed"
    PROMOTED = "promoted"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A release in one line.

    `needs` says why a person has to look, empty where none has to. `exposed` and `exposed_bad`
    are requests the canary answered, and how many of them badly; `safe_seconds` is from the
    first bad measurement to traffic that is back, where it was put back.
    """

    dag_id: str
    run_id: str
    group: str
    service: str
    namespace: str
    state: State
    version: str
    stable: str
    weight: int | None
    health: str
    reason: str
    needs: str
    by: str
    started_at: float | None
    ended_at: float | None
    exposed: int
    exposed_bad: int
    safe_seconds: float | None


def rows_of(run: Run, pieces: Mapping[str, Mapping[str, Any]], *, paused: bool) -> list[Row]:
    """Return a row for each rollout of a run; one without a record still has a row."""
    records = assemble_all(pieces, dag_id=run.dag_id, run_id=run.run_id)
    if not records:
        return [_bare(run, paused=paused)]
    return [_row(run, record, paused=paused) for record in records]


def exposure_of(record: ReleaseRecord) -> tuple[int, int]:
    """Return how many requests the canary answered, and how many of them were bad, at most."""
    requests = sum(
        max((m.canary_requests for m in gate.judgement.metrics), default=0) for gate in record.gates
    )
    bad = sum(
        max((m.canary_bad for m in gate.judgement.metrics), default=0) for gate in record.gates
    )
    return requests, bad


def safe_seconds_of(record: ReleaseRecord) -> float | None:
    """Return the time from the first bad measurement, or the verdict, to safe traffic."""
    gate = stopping_verdict(record.gates)
    if gate is None or gate.stop is None or gate.stop.written_at is None:
        return None
    began = gate.stop.decided_at if gate.bad_since is None else gate.bad_since
    return max(0.0, gate.stop.written_at - min(began, gate.stop.decided_at))


def _bare(run: Run, *, paused: bool) -> Row:
    state = _state_of_run(run)
    reason = "the run left no record" if state is State.FAILED else ""
    return Row(
        dag_id=run.dag_id, run_id=run.run_id, group="", service=run.dag_id, namespace="",
        state=state, version=run.version, stable="", weight=None, health="", reason=reason,
        needs=_paused(run, paused=paused) or reason, by=run.by, started_at=run.started_at,
        ended_at=run.ended_at, exposed=0, exposed_bad=0, safe_seconds=None,
    )  # fmt: skip


def _row(run: Run, record: ReleaseRecord, *, paused: bool) -> Row:
    outline, last = record.outline, record.gates[-1] if record.gates else None
    state = State(record.outcome.value) if record.outcome else _state_of_run(run)
    name = outline.service if outline else record.group or run.dag_id
    requests, bad = exposure_of(record)
    weight = record.weight
    if record.outcome in (None, Outcome.FAILED_TO_ROLL_BACK) and last is not None:
        is_back = last.stop is not None and last.stop.written_at is not None
        weight = 0 if is_back else last.weight
    return Row(
        dag_id=run.dag_id,
        run_id=run.run_id,
        group=record.group,
        service=name,
        namespace=outline.namespace if outline else "",
        state=state,
        version=record.version or run.version,
        stable=record.stable,
        weight=weight,
        health=last.judgement.verdict.name if last else "",
        reason=record.reason,
        needs=_needs(run, record, state, paused=paused),
        by=run.by,
        started_at=record.started_at or run.started_at,
        ended_at=record.ended_at or run.ended_at,
        exposed=requests,
        exposed_bad=bad,
        safe_seconds=safe_seconds_of(record),
    )


def _needs(run: Run, record: ReleaseRecord, state: State, *, paused: bool) -> str:
    if state is State.FAILED_TO_ROLL_BACK:
        return "the traffic may not be safe"
    if state is State.FAILED:
        return "the run has ended, and nothing says how"
    if state is not State.RUNNING:
        return ""
    last = record.gates[-1].judgement if record.gates else None
    if last is not None and ASKING in last.reason:
        return "a person decides"
    if last is not None and last.verdict in (Verdict.NO_DATA, Verdict.ERROR):
        return "cannot be measured" if last.verdict is Verdict.ERROR else "no data"
    return _paused(run, paused=paused)


def _paused(run: Run, *, paused: bool) -> str:
    is_open = run.state in ("running", "queued")
    return "the DAG is paused: nothing goes on or is cleaned up" if paused and is_open else ""


def _state_of_run(run: Run) -> State:
    if run.state == "running":
        return State.RUNNING
    if run.state == "queued":
        return State.WAITING
    # A run that is green says that its release was, even where no record is left.
    return State.PROMOTED if run.state == "success" else State.FAILED

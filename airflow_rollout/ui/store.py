"""What the pages read from Airflow's database: a few short queries, and nothing is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.orm import Session

from airflow_rollout.record import Key

__all__ = [
    "Action", "Run", "RunKey", "Stamp", "Task", "actions_of", "latest_runs", "pieces_of",
    "pieces_of_runs", "recent_runs", "rollout_dags", "run_of", "series_of", "stamp_of", "stamps_of",
    "tasks_of",
]  # fmt: skip

RunKey = tuple[str, str]
"""DAG id and run id."""

TAG = "rollout"

# Keys of the record; series are read by their beginning, checkpoints are the gates' own.
_KEYS = [Key.ATTEMPT, Key.OUTLINE, Key.STEP, Key.GATE, Key.EVENTS, Key.END]
# The rows of the list do without the judge's state, which the steps carry.
_ROW_KEYS = [Key.ATTEMPT, Key.OUTLINE, Key.GATE, Key.EVENTS, Key.END]

# Two writers may commit in another order than their clocks say: what is a little older than the
# newest that was sent is sent again.
_OVERLAP = timedelta(seconds=10)

# Databases take a bounded number of values in one query.
_AT_ONCE = 200

# What people do to a run in Airflow; the rest of the audit log is not about releases.
_ACTIONS = {
    "trigger_dag_run": "started the run",
    "patch_task_instance": "marked the task",
    "post_clear_task_instances": "cleared tasks",
    "patch_dag_run": "marked the run",
    "clear_dag_run": "started the run again",
    "update_hitl_detail": "answered a question",
}
_MOST_ACTIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as Airflow has it; times in epoch seconds."""

    id: int
    dag_id: str
    run_id: str
    state: str
    queued_at: float | None
    started_at: float | None
    ended_at: float | None
    by: str
    version: str

    @property
    def key(self) -> RunKey:
        """Return what tells it from all others."""
        return self.dag_id, self.run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of a run; times in epoch seconds."""

    task_id: str
    state: str
    started_at: float | None
    ended_at: float | None
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What somebody did in Airflow to this run, with the comment if there is one."""

    at: float
    who: str
    what: str
    task: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Changes with every piece that is written: how many there are, and the newest."""

    newest: datetime | None
    digest: str


def run_of(session: Session, dag_id: str, run_id: str) -> Run | None:
    """Return a run, None where Airflow has none of that name."""
    found = _runs(session, DagRun.dag_id == dag_id, DagRun.run_id == run_id, limit=1)
    return found[0] if found else None


def recent_runs(session: Session, dag_id: str, limit: int) -> list[Run]:
    """Return the newest runs of a DAG, newest first."""
    return _runs(session, DagRun.dag_id == dag_id, limit=limit)


def latest_runs(session: Session, dag_ids: Sequence[str], each: int) -> list[Run]:
    """Return the newest runs of each DAG, newest first."""
    place = func.row_number().over(partition_by=DagRun.dag_id, order_by=DagRun.id.desc())
    found: list[Run] = []
    for some in _batches(list(dag_ids)):
        ranked = select(DagRun.id, place.label("place")).where(DagRun.dag_id.in_(some)).subquery()
        ids = select(ranked.c.id).where(ranked.c.place <= each)
        found.extend(_runs(session, DagRun.id.in_(ids)))
    return found


def _runs(session: Session, *wanted: ColumnElement[bool], limit: int | None = None) -> list[Run]:
    rows = session.execute(
        select(
            DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.queued_at,
            DagRun.start_date, DagRun.end_date, DagRun.triggering_user_name, DagRun.conf,
        )
        .where(*wanted)
        .order_by(DagRun.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [
        Run(
            id=row.id,
            dag_id=row.dag_id,
            run_id=row.run_id,
            state=str(getattr(row.state, "value", row.state) or ""),
            queued_at=_seconds(row.queued_at),
            started_at=_seconds(row.start_date),
            ended_at=_seconds(row.end_date),
            by=row.triggering_user_name or "",
            version=_version(row.conf),
        )
        for row in rows
    ]


def _version(conf: object) -> str:
    version = conf.get("version") if isinstance(conf, Mapping) else None
    return version if isinstance(version, str) else ""


def tasks_of(session: Session, dag_id: str, run_id: str) -> list[Task]:
    """Return the tasks of a run with their states."""
    rows = session.execute(
        select(
            TaskInstance.task_id, TaskInstance.state, TaskInstance.start_date,
            TaskInstance.end_date, TaskInstance.try_number,
        )
        .where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
        .order_by(TaskInstance.task_id)
    )  # fmt: skip
    return [
        Task(
            task_id=row.task_id,
            state=str(getattr(row.state, "value", row.state) or ""),
            started_at=_seconds(row.start_date),
            ended_at=_seconds(row.end_date),
            tries=row.try_number or 0,
        )
        for row in rows
    ]


def actions_of(session: Session, dag_id: str, run_id: str) -> list[Action]:
    """Return what people did to a run, oldest first."""
    rows = session.execute(
        select(Log.dttm, Log.event, Log.owner_display_name, Log.owner, Log.task_id, Log.extra)
        .where(Log.dag_id == dag_id, Log.run_id == run_id, Log.event.in_(_ACTIONS))
        .order_by(Log.id)
        .limit(_MOST_ACTIONS)
    )
    found = []
    for row in rows:
        said = _decode(row.extra)
        said = said if isinstance(said, dict) else {}
        state = said.get("new_state") or said.get("state") or ""
        found.append(
            Action(
                at=_seconds(row.dttm) or 0.0,
                who=row.owner_display_name or row.owner or "",
                what=f"{_ACTIONS[row.event]} {state}".strip(),
                task=row.task_id or str(said.get("task_ids") or ""),
                why=str(said.get("note") or ""),
            )
        )
    return found


def rollout_dags(session: Session, permitted: Iterable[str]) -> dict[str, bool]:
    """Return the DAGs that release something, of those permitted, and whether each is paused."""
    tagged = select(DagTag.dag_id).where(DagTag.name == TAG)
    opened = select(XComModel.dag_id).where(XComModel.key == Key.ATTEMPT).distinct()
    rows = session.execute(
        select(DagModel.dag_id, DagModel.is_paused).where(
            DagModel.is_stale.is_(False),
            or_(DagModel.dag_id.in_(tagged), DagModel.dag_id.in_(opened)),
        )
    )
    allowed = set(permitted)
    return {row.dag_id: bool(row.is_paused) for row in rows if row.dag_id in allowed}


def stamp_of(session: Session, dag_id: str, run_id: str) -> Stamp:
    """Return the stamp of a run's XComs without reading any of them."""
    rows = session.execute(
        select(XComModel.task_id, XComModel.key, XComModel.timestamp)
        .where(XComModel.dag_id == dag_id, XComModel.run_id == run_id)
        .order_by(XComModel.task_id, XComModel.key)
    ).all()
    text = repr([tuple(row) for row in rows])
    return Stamp(
        newest=max((row.timestamp for row in rows), default=None),
        digest=hashlib.sha256(text.encode()).hexdigest()[:16],
    )


def stamps_of(session: Session, runs: Sequence[Run]) -> dict[RunKey, str]:
    """Return a stamp for each run that has left something, in one query for many."""
    found: dict[RunKey, str] = {}
    for some in _batches([run.id for run in runs]):
        rows = session.execute(
            select(XComModel.dag_id, XComModel.run_id, func.count(), func.max(XComModel.timestamp))
            .where(XComModel.dag_run_id.in_(some), XComModel.key.in_(_ROW_KEYS))
            .group_by(XComModel.dag_id, XComModel.run_id)
        )
        found.update({(row[0], row[1]): f"{row[2]} {row[3]}" for row in rows})
    return found


def pieces_of(session: Session, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
    """Return a run's pieces of the record: task id -> key -> value."""
    rows = session.execute(
        select(XComModel.task_id, XComModel.key, XComModel.value).where(
            XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key.in_(_KEYS)
        )
    )
    pieces: dict[str, dict[str, Any]] = {}
    for task_id, key, value in rows:
        pieces.setdefault(task_id, {})[key] = _decode(value)
    return pieces


def pieces_of_runs(
    session: Session, runs: Sequence[Run]
) -> dict[RunKey, dict[str, dict[str, Any]]]:
    """Return the pieces of many runs, without what only the page of one run needs."""
    found: dict[RunKey, dict[str, dict[str, Any]]] = {}
    for some in _batches([run.key for run in runs]):
        rows = session.execute(
            select(
                XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.key,
                XComModel.value,
            ).where(
                tuple_(XComModel.dag_id, XComModel.run_id).in_(some), XComModel.key.in_(_ROW_KEYS)
            )
        )  # fmt: skip
        for dag_id, run_id, task_id, key, value in rows:
            of_run = found.setdefault((dag_id, run_id), {})
            of_run.setdefault(task_id, {})[key] = _decode(value)
    return found


def series_of(
    session: Session, dag_id: str, run_id: str, since: datetime | None
) -> list[tuple[str, str, Any]]:
    """Return task id, key and value of the parts that are newer than `since`, all where None."""
    query = select(XComModel.task_id, XComModel.key, XComModel.value).where(
        XComModel.dag_id == dag_id,
        XComModel.run_id == run_id,
        XComModel.key.startswith(f"{Key.SERIES}_", autoescape=True),
    )
    if since is not None:
        query = query.where(XComModel.timestamp > since - _OVERLAP)
    rows = session.execute(query.order_by(XComModel.task_id, XComModel.key))
    return [(task_id, key, _decode(value)) for task_id, key, value in rows]


def _batches(values: list[Any]) -> Iterable[list[Any]]:
    for begin in range(0, len(values), _AT_ONCE):
        yield values[begin : begin + _AT_ONCE]


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None


def _decode(value: Any) -> Any:
    """Return an XCom's value; stored as JSON text or as JSON, depending on the database."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value

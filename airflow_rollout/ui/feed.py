"""What the pages ask for again and again: everything at first, then what is new."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from airflow_rollout.record import ReleaseRecord, assemble_all, from_piece
from airflow_rollout.seen import SeriesPiece
from airflow_rollout.ui.rows import Row, exposure_of, rows_of, safe_seconds_of
from airflow_rollout.ui.store import (
    Run,
    RunKey,
    actions_of,
    latest_runs,
    pieces_of,
    pieces_of_runs,
    recent_runs,
    rollout_dags,
    run_of,
    series_of,
    stamp_of,
    stamps_of,
    tasks_of,
)

__all__ = ["FEED_SCHEMA", "Cursor", "ListFeed", "May", "run_feed"]

# Grows when the shape of an answer changes; an open page of another version says to reload it.
FEED_SCHEMA = 1

_SWITCHER_RUNS = 25
_HISTORY_RUNS = 50
_MOST_CACHED = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class May:
    """What the user may do and see."""

    edit: bool
    audit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a page has read; a text for whoever holds it."""

    newest: datetime | None = None
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor back; one that is none begins anew."""
        moment, _, digest = text.partition("~")
        try:
            newest = datetime.fromisoformat(moment) if moment else None
        except ValueError:
            return cls()
        if newest is not None and newest.tzinfo is None:
            return cls()
        return cls(newest=newest, digest=digest)

    def __str__(self) -> str:
        return f"{self.newest.isoformat() if self.newest else ''}~{self.digest}"


def run_feed(
    session: Session, dag_id: str, run_id: str, *, since: str, may: May
) -> dict[str, Any] | None:
    """Return what is new of a run, None where there is no such run."""
    run = run_of(session, dag_id, run_id)
    if run is None:
        return None
    before = Cursor.parse(since)
    stamp = stamp_of(session, dag_id, run_id)
    tasks = tasks_of(session, dag_id, run_id)
    actions = actions_of(session, dag_id, run_id) if may.audit else []
    digest = _digest(stamp.digest, run, tasks, actions, may)
    head = {
        "schema": FEED_SCHEMA,
        "now": time.time(),
        "cursor": str(Cursor(newest=stamp.newest, digest=digest)),
    }
    if digest == before.digest:
        return {**head, "changed": False}
    records = assemble_all(pieces_of(session, dag_id, run_id), dag_id=dag_id, run_id=run_id)
    epochs = {gate.epoch for record in records for gate in record.gates}
    parts = series_of(session, dag_id, run_id, before.newest)
    return {
        **head,
        "changed": True,
        "run": _plain(run),
        "may": _plain(may),
        "tasks": _plain(tasks),
        "actions": _plain(actions),
        "rollouts": [_record(record) for record in records],
        "series": [
            {"task": task_id, "key": key, **value}
            for task_id, key, value in parts
            if _is_of(value, epochs)
        ],
        "runs": [
            {"run_id": one.run_id, "state": one.state, "version": one.version}
            for one in recent_runs(session, dag_id, _SWITCHER_RUNS)
        ],
    }


def _record(record: ReleaseRecord) -> dict[str, Any]:
    requests, bad = exposure_of(record)
    return {
        **record.to_builtins(),
        "exposed": requests,
        "exposed_bad": bad,
        "safe_seconds": safe_seconds_of(record),
    }


def _is_of(value: object, epochs: set[str]) -> bool:
    piece = from_piece(value, SeriesPiece)
    return piece is not None and piece.epoch in epochs


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value)


@dataclass
class ListFeed:
    """The rows of all rollouts; those of a run are made again only when it has changed."""

    _known: dict[RunKey, tuple[str, list[Row]]] = field(default_factory=dict)

    def rollouts(self, session: Session, *, permitted: set[str], since: str) -> dict[str, Any]:
        """Return the newest release of every rollout, and the one before it."""
        paused = rollout_dags(session, permitted)
        runs = latest_runs(session, sorted(paused), each=2)
        rows = self._rows(session, runs, paused)
        digest = _digest(sorted(paused.items()), rows)
        head = {"schema": FEED_SCHEMA, "now": time.time(), "cursor": digest}
        if digest == since:
            return {**head, "changed": False}
        by_dag: dict[str, list[list[Row]]] = {}
        for run in runs:
            by_dag.setdefault(run.dag_id, []).append(rows[run.key])
        return {
            **head,
            "changed": True,
            "rollouts": [
                line for dag_id in sorted(paused) for line in _lines(dag_id, by_dag.get(dag_id, []))
            ],
        }

    def history(self, session: Session, dag_id: str) -> dict[str, Any]:
        """Return the last releases of one DAG, newest first."""
        runs = recent_runs(session, dag_id, _HISTORY_RUNS)
        rows = self._rows(session, runs, {})
        return {
            "schema": FEED_SCHEMA,
            "releases": [_plain(row) for run in runs for row in rows[run.key]],
        }

    def _rows(
        self, session: Session, runs: Sequence[Run], paused: dict[str, bool]
    ) -> dict[RunKey, list[Row]]:
        stamps = stamps_of(session, runs)
        marks = {run.key: _digest(run, stamps.get(run.key), paused.get(run.dag_id)) for run in runs}
        # Several questions are answered at once: nothing is read twice from what they share.
        if len(self._known) > _MOST_CACHED:
            self._known = {}
        known = {run.key: self._known.get(run.key, ("", [])) for run in runs}
        new = [run for run in runs if known[run.key][0] != marks[run.key]]
        pieces = pieces_of_runs(session, new)
        for run in new:
            rows = rows_of(run, pieces.get(run.key, {}), paused=paused.get(run.dag_id, False))
            known[run.key] = self._known[run.key] = (marks[run.key], rows)
        return {key: rows for key, (_, rows) in known.items()}


def _lines(dag_id: str, releases: list[list[Row]]) -> list[dict[str, Any]]:
    """Return the newest row of each rollout of a DAG with what came before it."""
    if not releases:
        return [{"dag_id": dag_id, "service": dag_id, "state": "none", "before": None}]
    newest, *older = releases
    lines = []
    for row in newest:
        before = next((r for rows in older for r in rows if r.group == row.group), None)
        told = None
        if before is not None:
            told = {
                "run_id": before.run_id,
                "state": before.state.value,
                "version": before.version,
                "reason": before.reason,
            }
        lines.append({**_plain(row), "before": told})
    return lines

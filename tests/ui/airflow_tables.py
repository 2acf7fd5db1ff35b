"""Airflow's own tables in a database of a test, and releases in them as tasks leave them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import Engine, create_engine, delete, insert, update
from sqlalchemy.pool import StaticPool

from airflow_rollout.analysis.verdict import Judgement, MetricFinding, Verdict
from airflow_rollout.plan import PlannedStep
from airflow_rollout.record import Attempt, End, Event, GatePiece, Stop, events_piece, to_piece
from airflow_rollout.release import Arm, Outcome, Token
from airflow_rollout.seen import Outline, OutlinedMetric, SeriesPiece

__all__ = ["BEGAN", "Tables", "gate_piece", "outline", "series_piece"]

BEGAN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class Tables:
    """A database with Airflow's tables, and what is in it."""

    def __init__(self) -> None:
        self.engine: Engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        import_all_models()
        models = (DagModel, DagTag, DagRun, Log, TaskInstance, XComModel)
        Base.metadata.create_all(self.engine, tables=[model.__table__ for model in models])
        self._ids: dict[tuple[str, str], int] = {}
        self._moment = BEGAN

    def pass_time(self, seconds: float) -> None:
        """Let what is pushed next be that much later."""
        self._moment += timedelta(seconds=seconds)

    def _insert(self, model: Any, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(model.__table__).values(**values))

    def dag(
        self, dag_id: str, *, tags: tuple[str, ...] = ("rollout",), paused: bool = False
    ) -> None:
        self._insert(
            DagModel, dag_id=dag_id, is_stale=False, is_paused=paused, bundle_name="b",
            max_active_tasks=1, max_consecutive_failed_dag_runs=0,
            has_task_concurrency_limits=False,
        )  # fmt: skip
        for tag in tags:
            self._insert(DagTag, name=tag, dag_id=dag_id)

    def run(self, dag_id: str, run_id: str, *, state: str = "running", **more: Any) -> None:
        number = len(self._ids) + 1
        self._ids[dag_id, run_id] = number
        values = {
            "id": number, "dag_id": dag_id, "run_id": run_id, "state": state, "run_type": "manual",
            "run_after": BEGAN, "start_date": BEGAN, "queued_at": BEGAN, "log_template_id": 1,
            "triggering_user_name": "ann", "conf": {"version": "v2"}, "clear_number": 0,
            **more,
        }  # fmt: skip
        self._insert(DagRun, **values)

    def set_run(self, dag_id: str, run_id: str, state: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                update(DagRun).where(DagRun.id == self._ids[dag_id, run_id]).values(state=state)
            )

    def task(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        self._insert(
            TaskInstance, id=uuid.uuid4(), dag_id=dag_id, run_id=run_id, task_id=task_id,
            map_index=-1, state=state, try_number=1, pool="default_pool", pool_slots=1,
            start_date=BEGAN, max_tries=0,
        )  # fmt: skip

    def action(self, dag_id: str, run_id: str, event: str, **more: Any) -> None:
        values = {"dttm": BEGAN, "dag_id": dag_id, "run_id": run_id, "event": event, **more}
        self._insert(Log, **values)

    def piece(self, dag_id: str, run_id: str, task_id: str, key: str, value: Any) -> None:
        """Push a piece as Airflow does: what was there goes, what is new has a later time."""
        self._moment += timedelta(milliseconds=7)
        place = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "key": key}
        with self.engine.begin() as connection:
            matches = [getattr(XComModel, name) == wanted for name, wanted in place.items()]
            connection.execute(delete(XComModel).where(*matches))
            connection.execute(
                insert(XComModel.__table__).values(
                    **place, value=value, map_index=-1, timestamp=self._moment,
                    dag_run_id=self._ids[dag_id, run_id],
                )
            )  # fmt: skip

    def release(self, dag_id: str, run_id: str, *, group: str = "", version: str = "v2") -> None:
        """Leave what an open release leaves: its attempt, its outline, one gate that judges."""
        prefix = f"{group}." if group else ""
        epoch = f"{run_id}{group}"
        attempt = Attempt(
            token=Token(epoch=epoch, owner=f"{dag_id}/{run_id}", digest="d"),
            canary=Arm(version=version, target="http://127.0.0.1:2"),
            stable=Arm(version="v1", target="http://127.0.0.1:1"),
            opened_at=BEGAN.timestamp(),
        )
        self.piece(dag_id, run_id, f"{prefix}prepare", "attempt", to_piece(attempt))
        self.piece(dag_id, run_id, f"{prefix}prepare", "outline", to_piece(outline(epoch)))
        events = [Event(at=BEGAN.timestamp() + 1, task="prepare", text="opened", epoch=epoch)]
        self.piece(dag_id, run_id, f"{prefix}prepare", "events", events_piece(events))
        self.piece(dag_id, run_id, f"{prefix}step_01.gate", "gate", to_piece(gate_piece(epoch)))

    def end(
        self,
        dag_id: str,
        run_id: str,
        outcome: Outcome,
        reason: str = "errors 5 %",
        *,
        after: float = 90.0,
    ) -> None:
        end = End(epoch=run_id, outcome=outcome, reason=reason, at=BEGAN.timestamp() + after)
        task = "promotion" if outcome is Outcome.PROMOTED else "rollback"
        self.piece(dag_id, run_id, task, "end", to_piece(end))


def outline(epoch: str) -> Outline:
    step = PlannedStep(
        id="step_01", weight=10, previous_weight=0, rises_after_seconds=0.0, hold_seconds=60.0,
        deadline_seconds=120.0, backstop_seconds=180.0,
    )  # fmt: skip
    metric = OutlinedMetric(
        name="errors", question="errors", maximum=0.01, unit="share", asked=("GET /metrics",)
    )
    return Outline(
        epoch=epoch, service="shop", namespace="prod", steps=(step,), metrics=(metric,),
        min_requests=50, provider="scrape",
    )  # fmt: skip


def gate_piece(
    epoch: str,
    verdict: Verdict = Verdict.INCONCLUSIVE,
    *,
    reason: str = "holds",
    ends: bool = False,
) -> GatePiece:
    at = BEGAN.timestamp()
    finding = MetricFinding(
        name="errors", verdict=verdict, sentence="errors 1 of 40", canary_requests=40, canary_bad=1,
        canary_value=0.025, stable_value=0.01, evidence=3.0,
    )  # fmt: skip
    stop = Stop(decided_at=at + 40, written_at=at + 40.5) if verdict is Verdict.FAIL else None
    return GatePiece(
        epoch=epoch, step_id="step_01", weight=10, written_at=at + 5, hold_seconds=60.0,
        judgement=Judgement(
            at=at + 40, verdict=verdict, ends=ends, reason=reason, metrics=(finding,), evidence=3.0
        ),
        stop=stop, bad_since=at + 30,
    )  # fmt: skip


def series_piece(epoch: str, rows: int = 3) -> dict[str, Any]:
    return to_piece(
        SeriesPiece(
            epoch=epoch, step_id="step_01", start=BEGAN.timestamp() + 5, metrics=("errors",),
            rows=tuple((float(n), 1.0, 0.01, 0.01, 1.0) for n in range(rows)),
        )
    )  # fmt: skip

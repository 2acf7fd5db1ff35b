"""One run of a release's tasks: Airflow's side in memory, the operators as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from in_memory import CANARY, World, make_spec
from virtual_time import run_virtual

from airflow_rollout.operators import deploy, prepare, promote, promotion, rollback
from airflow_rollout.operators.deploy import DeployCanaryOperator
from airflow_rollout.operators.ensure_safe import EnsureSafeOperator
from airflow_rollout.operators.prepare import PrepareReleaseOperator
from airflow_rollout.operators.promote import PromoteStepOperator
from airflow_rollout.operators.promotion import PromoteCanaryOperator
from airflow_rollout.operators.rollback import RollbackOperator
from airflow_rollout.record import Attempt, from_piece
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["Run"]

_TOLD_BY = (
    "prepare", "deploy", "ready", "step_01.promote", "step_01.gate", "step_02.promote",
    "step_02.gate", "step_full.promote", "step_full.gate", "promotion",
)  # fmt: skip


@dataclass
class TaskInstance:
    """Push and pull XComs of one run, and know the states of its tasks."""

    run: Run
    task_id: str
    dag_id: str = "shop"
    try_number: int = 1

    @property
    def run_id(self) -> str:
        return self.run.run_id

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.run.xcoms.setdefault(self.task_id, {})[key] = value

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int | None = None) -> Any:
        return self.run.xcoms.get(task_ids, {}).get(key)

    def get_task_states(self, *, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        if self.run.states_fault is not None:
            raise self.run.states_fault
        return {self.run.run_id: dict(self.run.states)}


@dataclass
class Run:
    """Run tasks of one DAG run against a world in memory."""

    world: World
    spec: RolloutSpec = field(default_factory=make_spec)
    run_id: str = "run"
    clear_number: int = 0
    xcoms: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    states_fault: Exception | None = None

    def install(self, patch: pytest.MonkeyPatch) -> Run:
        for module in (deploy, prepare, promote, promotion, rollback):
            patch.setattr(module, "run_async", run_virtual)
            patch.setattr(module, "open_systems", self.world.open)
        return self

    def context(self, task_id: str) -> Any:
        dag_run = SimpleNamespace(
            dag_id="shop", run_id=self.run_id, clear_number=self.clear_number,
            start_date=datetime.fromtimestamp(0.0, UTC),
        )  # fmt: skip
        return {"ti": TaskInstance(self, task_id), "dag_run": dag_run}

    def clear(self) -> None:
        """Forget the states of all tasks, as Airflow does when a person clears the run."""
        self.clear_number += 1
        self.states.clear()

    def execute(self, operator: Any) -> None:
        """Execute a task as Airflow does: its XComs of an earlier try are forgotten first."""
        self.xcoms.pop(operator.task_id, None)
        self.states[operator.task_id] = "running"
        try:
            operator.execute(context=self.context(operator.task_id))
        except Exception:
            self.states[operator.task_id] = "failed"
            raise
        self.states[operator.task_id] = "success"

    # --- the tasks ---

    def prepare(self, **arguments: Any) -> None:
        values = {
            "version": CANARY.version, "target": CANARY.target,
            "way_back_task_ids": ("rollback", "ensure_safe"), **arguments,
        }  # fmt: skip
        self.execute(PrepareReleaseOperator(task_id="prepare", spec=self.spec, **values))

    def deploy(self) -> None:
        self.execute(
            DeployCanaryOperator(task_id="deploy", spec=self.spec, prepare_task_id="prepare")
        )

    def promote(self, step_id: str, *previous: str) -> None:
        self.execute(
            PromoteStepOperator(
                task_id=f"{step_id}.promote", spec=self.spec, step_id=step_id,
                prepare_task_id="prepare", previous_task_ids=previous,
            )
        )  # fmt: skip

    def promotion(self, **arguments: Any) -> None:
        self.execute(
            PromoteCanaryOperator(
                task_id="promotion", spec=self.spec, prepare_task_id="prepare", **arguments
            )
        )

    def rollback(self, **arguments: Any) -> None:
        self.execute(
            RollbackOperator(
                task_id="rollback", spec=self.spec, told_by=_TOLD_BY,
                prepare_task_id="prepare", **arguments,
            )
        )  # fmt: skip

    def ensure_safe(self, **arguments: Any) -> None:
        self.execute(
            EnsureSafeOperator(
                task_id="ensure_safe", spec=self.spec, released_task_id="released",
                told_by=(*_TOLD_BY, "rollback"), prepare_task_id="prepare", **arguments,
            )
        )  # fmt: skip

    def promoted(self) -> None:
        """Go the whole way to the last step and make the canary stable."""
        self.prepare()
        self.deploy()
        for step_id in ("step_01", "step_02", "step_full"):
            self.promote(step_id)
        self.promotion()

    # --- what they left ---

    def said(self, task_id: str) -> list[str]:
        piece = self.xcoms.get(task_id, {}).get("events", {"events": []})
        return [event["text"] for event in piece["events"]]

    def end(self, task_id: str) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.xcoms[task_id]["end"].items()
            if name in ("outcome", "reason")
        }

    def attempt(self) -> Attempt:
        attempt = from_piece(self.xcoms["prepare"]["attempt"], Attempt)
        assert attempt is not None
        return attempt

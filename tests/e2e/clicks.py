"""What people do to a release in Airflow's pages; the tests say what must have come of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from scene import BROKEN, PATIENCE_SECONDS, Scene

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import read_record

__all__ = ["CLICKS"]

# Long enough for a release that went on by itself to be seen doing so.
_MEANWHILE_SECONDS = 3.0

_LATER = ("step_full.promote", "step_full.gate", "promotion")


def gate_failed(scene: Scene) -> dict[str, Any]:
    """A person marks the gate of a good version failed."""
    run = scene.given_in_first_gate()
    scene.api.set_task_state(run.dag_id, run.run_id, "step_01.gate", "failed")
    ended = scene.ended(run)
    return {"ended": ended, "reached": scene.canary_answers_after(ended, "v2")}


def gate_success(scene: Scene) -> dict[str, Any]:
    """A person marks the first gate of a good version success: promoted early."""
    run = scene.given_in_first_gate()
    scene.api.set_task_state(run.dag_id, run.run_id, "step_01.gate", "success")
    scene.wait_for_task(run, "step_02.promote", "success")
    handed = scene.api.xcom(run.dag_id, run.run_id, "step_02.promote", "step")
    return {"ended": scene.ended(run), "handed": handed}


def run_failed(scene: Scene) -> dict[str, Any]:
    """A person marks the whole run failed while the canary has traffic."""
    run = scene.given_in_first_gate()
    scene.api.set_run_state(run.dag_id, run.run_id, "failed")
    return _after_teardown(scene, run)


def run_success(scene: Scene) -> dict[str, Any]:
    """A person marks the whole run success while the canary has traffic."""
    run = scene.given_in_first_gate()
    scene.api.set_run_state(run.dag_id, run.run_id, "success")
    return _after_teardown(scene, run)


def cleared(scene: Scene) -> dict[str, Any]:
    """A rolled-back run is cleared after its version was mended."""
    scene.given_stable("v1")
    scene.given_version("v2", **BROKEN)
    run = scene.start("v2", interval="5s")
    bad = scene.ended(run)
    scene.stop_version("v2")
    scene.given_version("v2")
    scene.api.clear_run(run.dag_id, run.run_id)
    scene.wait_for_task(run, "released", "", "success")
    scene.wait_for_task(run, "prepare", "success")
    return {"bad": bad, "again": scene.ended(run)}


def task_cleared(scene: Scene) -> dict[str, Any]:
    """Somebody clears one gate, then one promote task of a rolled-back run, instead of the run."""
    scene.given_stable("v1")
    scene.given_version("v2", **BROKEN)
    run = scene.start("v2", interval="5s")
    bad = scene.over(run)
    scene.api.clear_tasks(run.dag_id, run.run_id, ["step_01.gate"])
    scene.wait_for_task(run, "step_01.gate", "failed")
    gate = scene.ended(run)
    said = scene.api.xcom(run.dag_id, run.run_id, "step_01.gate", "gate")["judgement"]["reason"]
    scene.api.clear_tasks(run.dag_id, run.run_id, ["step_01.promote"], downstream=True)
    scene.wait_for_task(run, "step_01.promote", "failed")
    return {"bad": bad, "gate": gate, "said": said, "again": scene.ended(run)}


def gate_cleared(scene: Scene) -> dict[str, Any]:
    """Somebody clears the gate of a good version while it judges."""
    run = scene.given_in_first_gate(interval="10s")
    before = scene.split()
    scene.api.clear_tasks(run.dag_id, run.run_id, ["step_01.gate"])
    return {"before": before, "ended": scene.over(run)}


def run_cleared(scene: Scene) -> dict[str, Any]:
    """A person clears the run of a good version while it judges."""
    run = scene.given_in_first_gate()
    before = scene.split()
    scene.api.clear_run(run.dag_id, run.run_id)
    again = scene.wait_for_another_attempt(before)
    scene.wait_for_judging(run, "step_01")
    scene.pass_gates(run, "step_01", "step_full")
    return {"before": before, "again": again, "ended": scene.over(run)}


def gate_skipped(scene: Scene) -> dict[str, Any]:
    """A person marks the first gate skipped while the canary has traffic."""
    run = scene.given_in_first_gate()
    scene.api.set_task_state(run.dag_id, run.run_id, "step_01.gate", "skipped")
    return _after_teardown(scene, run)


def tasks_success(scene: Scene) -> dict[str, Any]:
    """A person marks everything before `released` success: the gate that judges comes last."""
    run = scene.given_in_first_gate()
    for task_id in (*reversed(_LATER), "step_01.gate"):
        scene.api.set_task_state(run.dag_id, run.run_id, task_id, "success")
    return _after_teardown(scene, run)


def run_deleted(scene: Scene) -> dict[str, Any]:
    """A person pauses the DAG, queues the run again and deletes it: nothing of it is left.

    Airflow deletes no run that runs, and one that is marked failed runs until its teardown has.
    """
    run = scene.given_in_first_gate()
    scene.api.pause(run.dag_id, is_paused=True)
    scene.api.set_run_state(run.dag_id, run.run_id, "queued")
    # Airflow's scheduler ends of a run that is deleted while it looks at it.
    scene.wait_for_next_look(time.time())
    path = f"/api/v2/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id)}"
    scene.api.session.send("DELETE", path)
    scene.api.pause(run.dag_id, is_paused=False)
    time.sleep(_MEANWHILE_SECONDS)
    left_at = scene.lab.live_weight(scene.service)
    by_hand = scene.roll_back()
    safe_at = time.time()
    return {
        "left_at": left_at, "by_hand": by_hand, "split": scene.split(),
        "live": scene.lab.live_weight(scene.service),
        "reached": scene.reached_since(safe_at + 0.5, "v2"),
    }  # fmt: skip


def run_unbegun(scene: Scene) -> dict[str, Any]:
    """A person marks a run success before Airflow has looked at it."""
    scene.given_stable("v1")
    scene.given_version("v2")
    before = scene.split()
    scene.api.pause(scene.dag_id, is_paused=True)
    run = scene.start("v2")
    scene.api.set_run_state(run.dag_id, run.run_id, "success")
    scene.api.pause(run.dag_id, is_paused=False)
    done = scene.api.wait(run.dag_id, run.run_id, timeout_seconds=PATIENCE_SECONDS)
    return {
        "run": done, "tasks": scene.api.task_states(run.dag_id, run.run_id),
        "record": read_record(scene.api, run.dag_id, run.run_id),
        "before": before, "after": scene.split(),
    }  # fmt: skip


def _after_teardown(scene: Scene, run: DagRun) -> dict[str, Any]:
    ended = scene.over(run)
    return {"ended": ended, "reached": scene.canary_answers_after(ended, "v2")}


CLICKS: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "cleared": cleared,
    "gate-cleared": gate_cleared,
    "gate-failed": gate_failed,
    "gate-skipped": gate_skipped,
    "gate-success": gate_success,
    "run-cleared": run_cleared,
    "run-deleted": run_deleted,
    "run-failed": run_failed,
    "run-success": run_success,
    "run-unbegun": run_unbegun,
    "task-cleared": task_cleared,
    "tasks-success": tasks_success,
}

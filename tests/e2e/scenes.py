"""What happens in each scene; the tests say what must have come of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from scene import Scene

# Half of all requests fail: no seed, load or machine makes that look healthy.
_BROKEN = {"error_rate": 0.5}


def promoted(scene: Scene) -> dict[str, Any]:
    """A service's first release, then a good second one, both through Airflow."""
    scene.given_version("v1")
    first = scene.release("v1")
    scene.lab.start_load(scene.service, rate=60.0)
    scene.given_version("v2")
    command = [
        sys.executable, "-m", "airflow_rollout.cli", "release", scene.dag_id, "--version", "v2",
        "--url", scene.urls["v2"], "--interval", "5s", "--run-id", "release-v2", "--wait",
        "--format", "json",
    ]  # fmt: skip
    done = subprocess.run(
        command, env=_login(scene), capture_output=True, text=True, timeout=240, check=False
    )
    second = scene.ended(scene.api.run(scene.dag_id, "release-v2"))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {"first": first, "second": second, "exit": done.returncode, "lines": lines}


def errors(scene: Scene) -> dict[str, Any]:
    """A version that answers 500, and the release after it."""
    scene.given_stable("v1")
    scene.given_version("v2", **_BROKEN)
    command = [
        sys.executable, "-m", "airflow_rollout.cli", "release", scene.dag_id, "--version", "v2",
        "--url", scene.urls["v2"], "--run-id", "release-v2", "--wait",
    ]  # fmt: skip
    done = subprocess.run(
        command, env=_login(scene), capture_output=True, text=True, timeout=240, check=False
    )
    bad = scene.ended(scene.api.run(scene.dag_id, "release-v2"))
    reached = scene.canary_answers_after(bad, "v2")
    scene.given_version("v3")
    after = scene.release("v3", interval="5s")
    shown = subprocess.run(
        [sys.executable, "-m", "airflow_rollout.cli", "status", scene.dag_id,
         "--run-id", "release-v2"],
        env=_login(scene), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return {
        "bad": bad, "reached": reached, "after": after, "exit": done.returncode,
        "printed": done.stdout, "status": shown.stdout,
    }  # fmt: skip


def latency(scene: Scene) -> dict[str, Any]:
    """A version whose every answer takes 600 ms longer."""
    return _bad(scene, latency_ms=600)


def crash(scene: Scene) -> dict[str, Any]:
    """A version that exits a second after its first request."""
    return _bad(scene, exit_after_seconds=1)


def gate_failed(scene: Scene) -> dict[str, Any]:
    """A person marks the gate of a good version failed."""
    run = _in_first_gate(scene)
    scene.api.set_task_state(run.dag_id, run.run_id, "step_01.gate", "failed")
    ended = scene.ended(run)
    return {"ended": ended, "reached": scene.canary_answers_after(ended, "v2")}


def gate_success(scene: Scene) -> dict[str, Any]:
    """A person marks the first gate of a good version success: promoted early."""
    run = _in_first_gate(scene)
    scene.api.set_task_state(run.dag_id, run.run_id, "step_01.gate", "success")
    scene.wait_for_task(run, "step_02.promote", "success")
    handed = scene.api.xcom(run.dag_id, run.run_id, "step_02.promote", "step")
    return {"ended": scene.ended(run), "handed": handed}


def run_failed(scene: Scene) -> dict[str, Any]:
    """A person marks the whole run failed while the canary has traffic."""
    run = _in_first_gate(scene)
    scene.api.set_run_state(run.dag_id, run.run_id, "failed")
    return _after_teardown(scene, run)


def run_success(scene: Scene) -> dict[str, Any]:
    """A person marks the whole run success while the canary has traffic."""
    run = _in_first_gate(scene)
    scene.api.set_run_state(run.dag_id, run.run_id, "success")
    return _after_teardown(scene, run)


def cleared(scene: Scene) -> dict[str, Any]:
    """A rolled-back run is cleared after its version was mended."""
    scene.given_stable("v1")
    scene.given_version("v2", **_BROKEN)
    run = scene.start("v2", interval="5s")
    bad = scene.ended(run)
    scene.stop_version("v2")
    scene.given_version("v2")
    scene.api.clear_run(run.dag_id, run.run_id)
    scene.wait_for_task(run, "released", "", "success")
    scene.wait_for_task(run, "prepare", "success")
    return {"bad": bad, "again": scene.ended(run)}


def task_cleared(scene: Scene) -> dict[str, Any]:
    """Somebody clears one promote task of a rolled-back run instead of the run."""
    scene.given_stable("v1")
    scene.given_version("v2", **_BROKEN)
    run = scene.start("v2", interval="5s")
    bad = scene.ended(run)
    scene.api.clear_tasks(run.dag_id, run.run_id, ["step_01.promote"], downstream=True)
    scene.wait_for_task(run, "step_01.promote", "failed")
    return {"bad": bad, "again": scene.ended(run)}


def observe(scene: Scene) -> dict[str, Any]:
    """A bad version of a rollout that only observes."""
    scene.given_stable("v1")
    scene.given_version("v2", **_BROKEN)
    return {"ended": scene.release("v2", interval="5s")}


def native(scene: Scene) -> dict[str, Any]:
    """The native format: a bad version, then a good one."""
    scene.given_stable("v1")
    scene.given_version("v2", **_BROKEN)
    bad = scene.release("v2")
    scene.given_version("v3")
    return {"bad": bad, "good": scene.release("v3")}


def pipeline(scene: Scene) -> dict[str, Any]:
    """A rollout as a task group in a DAG of the user's."""
    scene.given_stable("v1")
    scene.given_version("v2", **_BROKEN)
    bad = scene.release("v2", interval="5s")
    scene.given_version("v3")
    return {"bad": bad, "good": scene.release("v3", interval="5s")}


def _bad(scene: Scene, **faults: Any) -> dict[str, Any]:
    scene.given_stable("v1")
    scene.given_version("v2", **faults)
    ended = scene.release("v2")
    return {"ended": ended, "reached": scene.canary_answers_after(ended, "v2")}


def _in_first_gate(scene: Scene) -> Any:
    scene.given_stable("v1")
    scene.given_version("v2")
    run = scene.start("v2")
    scene.wait_for_judging(run, "step_01")
    return run


def _after_teardown(scene: Scene, run: Any) -> dict[str, Any]:
    # Airflow calls a marked run ended at once; its teardown follows.
    scene.wait_for_task(run, "ensure_safe", "failed", "success")
    ended = scene.ended(run)
    return {"ended": ended, "reached": scene.canary_answers_after(ended, "v2")}


def _login(scene: Scene) -> dict[str, str]:
    airflow = scene.lab.airflow
    return {
        **os.environ,
        "AIRFLOW_ROLLOUT_URL": airflow.url,
        "AIRFLOW_ROLLOUT_USER": airflow.user,
        "AIRFLOW_ROLLOUT_PASSWORD": airflow.password,
        "COLUMNS": "80",
    }


Play = Callable[[Scene], dict[str, Any]]

SCENES: dict[str, Play] = {
    "cleared": cleared,
    "crash": crash,
    "errors": errors,
    "gate-failed": gate_failed,
    "gate-success": gate_success,
    "latency": latency,
    "native": native,
    "observe": observe,
    "pipeline": pipeline,
    "promoted": promoted,
    "run-failed": run_failed,
    "run-success": run_success,
    "task-cleared": task_cleared,
}

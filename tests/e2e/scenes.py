"""What happens in the scenes of ordinary releases, and the list of all scenes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from asked import ASKED
from blue_green import BLUE_GREEN
from busy import BUSY
from clicks import CLICKS
from scene import BROKEN, Scene
from told import NEWS


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
    scene.canary_answers_after(second, "v2")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {"first": first, "second": second, "exit": done.returncode, "lines": lines}


def errors(scene: Scene) -> dict[str, Any]:
    """A version that answers 500, and the release after it."""
    scene.given_stable("v1")
    scene.given_version("v2", **BROKEN)
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


def hotfix(scene: Scene) -> dict[str, Any]:
    """A version that any gate would stop, released with a reason why nobody may judge it."""
    scene.given_stable("v1")
    scene.given_version("v2", **BROKEN)
    return {"ended": scene.release("v2", skip_analysis=True, reason="closes the payment hole")}


def latency(scene: Scene) -> dict[str, Any]:
    """A version whose every answer takes 600 ms longer."""
    return _bad(scene, latency_ms=600)


def crash(scene: Scene) -> dict[str, Any]:
    """A version that exits a second after its first request."""
    return _bad(scene, exit_after_seconds=1)


def observe(scene: Scene) -> dict[str, Any]:
    """A bad version of a rollout that only observes."""
    scene.given_stable("v1")
    scene.given_version("v2", **BROKEN)
    return {"ended": scene.release("v2", interval="5s")}


def native(scene: Scene) -> dict[str, Any]:
    """The native format: a bad version, then a good one."""
    scene.given_stable("v1")
    scene.given_version("v2", **BROKEN)
    bad = scene.release("v2")
    scene.given_version("v3")
    return {"bad": bad, "good": scene.release("v3")}


def pipeline(scene: Scene) -> dict[str, Any]:
    """A rollout as a task group in a DAG of the user's."""
    scene.given_stable("v1")
    scene.given_version("v2", **BROKEN)
    bad = scene.release("v2", interval="5s")
    scene.given_version("v3")
    return {"bad": bad, "good": scene.release("v3", interval="5s")}


def _bad(scene: Scene, **faults: Any) -> dict[str, Any]:
    scene.given_stable("v1")
    scene.given_version("v2", **faults)
    ended = scene.release("v2")
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
    **ASKED,
    **BLUE_GREEN,
    **BUSY,
    **CLICKS,
    **NEWS,
    "crash": crash,
    "errors": errors,
    "hotfix": hotfix,
    "latency": latency,
    "native": native,
    "observe": observe,
    "pipeline": pipeline,
    "promoted": promoted,
}

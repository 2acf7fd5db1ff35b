"""A release that finds another one of its service open; the tests say what must have come of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scene import Scene

__all__ = ["BUSY"]

_ELSEWHERE = Path(__file__).with_name("elsewhere.py")


def busy_queue(scene: Scene) -> dict[str, Any]:
    """A second DAG releases the same service while the first one is in its first gate."""
    first = scene.given_in_first_gate()
    scene.given_version("v3")
    second = _other(scene).start("v3", interval="5s")
    scene.wait_for_task(second, "prepare", "deferred")
    said = _said(scene, second)
    scene.pass_gates(first, "step_01", "step_full")
    return {"said": said, "first": scene.over(first), "second": scene.over(second)}


def busy_refuse(scene: Scene) -> dict[str, Any]:
    """A task group of another DAG wants the service that is being released, and may not wait."""
    first = scene.given_in_first_gate()
    before = scene.split()
    scene.given_version("v3")
    other = _other(scene)
    second = other.ended(other.start("v3", interval="5s"))
    meanwhile = scene.split()
    scene.pass_gates(first, "step_01", "step_full")
    return {
        "before": before, "second": second, "meanwhile": meanwhile, "first": scene.over(first),
    }  # fmt: skip


def busy_elsewhere(scene: Scene) -> dict[str, Any]:
    """Another Airflow releases the service; a release of this one waits for it."""
    with _released_elsewhere(scene) as end:
        before = scene.split()
        run = scene.start("v3", interval="5s")
        scene.wait_for_task(run, "prepare", "deferred")
        said = _said(scene, run)
        meanwhile = scene.split()
        ended = end()
    return {
        "said": said, "before": before, "meanwhile": meanwhile, "elsewhere": ended,
        "ended": scene.over(run),
    }  # fmt: skip


def busy_marked(scene: Scene) -> dict[str, Any]:
    """A gate is marked failed while its release waits for its turn; then it gets its turn."""
    with _released_elsewhere(scene) as end:
        run = scene.start("v3", interval="5s")
        scene.wait_for_task(run, "prepare", "deferred")
        scene.api.set_task_state(run.dag_id, run.run_id, "step_01.gate", "failed")
        scene.wait_for_task(run, "rollback", "success")
        end()
    return {"ended": scene.over(run), "answers": sum(it.version == "v3" for it in scene.answers())}


@contextmanager
def _released_elsewhere(scene: Scene) -> Iterator[Callable[[], str]]:
    """Release v2 from another Airflow; gives what ends it, and says how."""
    scene.given_stable("v1")
    scene.given_version("v2")
    scene.given_version("v3")
    env = {**os.environ, "ROUTER": scene.lab.connections["traefik_default"]}
    command = [sys.executable, str(_ELSEWHERE), scene.service, "v2", scene.urls["v2"]]
    with subprocess.Popen(
        command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as elsewhere:
        said, told = elsewhere.stdout, elsewhere.stdin
        assert said is not None
        assert told is not None

        def end() -> str:
            told.write("end\n")
            told.flush()
            ended = said.readline().strip()
            elsewhere.wait(timeout=60)
            return ended

        try:
            assert said.readline() == "open\n"
            yield end
        finally:
            elsewhere.kill()


def _other(scene: Scene) -> Scene:
    """Return the users of the other DAG that releases the scene's service."""
    other = Scene(scene.lab, scene.service, dag_id=f"{scene.service}-too")
    other.urls = scene.urls
    return other


def _said(scene: Scene, run: Any) -> str:
    events = scene.api.xcom(run.dag_id, run.run_id, "prepare", "events")["events"]
    return str(events[-1]["text"])


BUSY: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "busy-elsewhere": busy_elsewhere,
    "busy-marked": busy_marked,
    "busy-queue": busy_queue,
    "busy-refuse": busy_refuse,
}

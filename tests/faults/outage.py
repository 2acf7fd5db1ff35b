"""What else may go away or change under a release: the disk, the package, all of Airflow."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fault_scene import FaultScene
from postgres_lab import PostgresStage
from shared import pair
from small_disk import fill, small_disk

import airflow_rollout
from airflow_rollout.demo.airflow import COMPONENTS

__all__ = ["ACTS", "LAST_OUTAGE"]

# Long enough for a triggerer that starts on a busy machine while the gate holds.
_HOLD = "20s"

# Longer than the 5 s for which a gate repeats its own write.
_LONGER_THAN_THE_GATE_TRIES_SECONDS = 8.0

_PATIENCE_SECONDS = 90.0

# Exit code of `airflow-rollout status --router`.
_NOBODY_WATCHES = 3

# The record at the router and the pieces in Airflow, each with a number of its own.
_NEWER_SCHEMA = {
    "record.py": ("\nSCHEMA = 1\n", "\nSCHEMA = 2\n"),
    "traffic/records.py": ("\nSCHEMA = 1\n", "\nSCHEMA = 2\n"),
}
_NEWER_VERSION = {
    "__init__.py": (airflow_rollout.__version__, f"{airflow_rollout.__version__}.post1"),
}


def disk_full(stage: PostgresStage) -> dict[str, Any]:
    """The disk with the router's files is full at the verdict."""
    scene = stage.scene("disk-full")
    with _on_small_disk(stage) as disk, scene.given_breakable("v2") as (run, way):
        with fill(disk):
            scene.turn_bad(way, "v2")
            scene.wait_for_task(run, "rollback", "running")
            time.sleep(_LONGER_THAN_THE_GATE_TRIES_SECONDS)
            meanwhile = scene.api.run(run.dag_id, run.run_id).state
            weight = stage.lab.live_weight(scene.service)
        back = time.time()
        took = scene.wait_live(0, seconds=_PATIENCE_SECONDS)
        ended = scene.over(run)
        reached = scene.reached_since(back + took + 0.5, "v2", "v2-broken")
        scene.leave()
    return {
        "ended": ended, "meanwhile": meanwhile, "weight": weight, "took": took, "reached": reached,
    }  # fmt: skip


@contextmanager
def _on_small_disk(stage: PostgresStage) -> Iterator[Path]:
    """Keep the router's files on a small disk meanwhile."""
    folder = stage.lab.traefik.dynamic_dir
    kept = shutil.copytree(folder, stage.folder / "dynamic")
    with small_disk(folder, kilobytes=256) as disk:
        shutil.copytree(kept, disk, dirs_exist_ok=True)
        # It watches the directory that lies beneath now.
        stage.lab.traefik.restart()
        yield disk
    stage.lab.traefik.restart()


def package_upgraded(stage: PostgresStage) -> dict[str, Any]:
    """The triggerer is killed in mid-gate and comes back with the next version of the package."""
    with pair(stage) as both, _upgraded(stage, _NEWER_VERSION) as is_loaded:
        both.turn_bad()
        return {**both.ended(), "is_loaded": is_loaded()}


def schema_changed(stage: PostgresStage) -> dict[str, Any]:
    """The triggerer comes back with a package that writes and reads another schema."""
    scene = stage.scene("schema-changed")
    run = scene.given_good("v2", interval=_HOLD)
    with _upgraded(stage, _NEWER_SCHEMA) as is_loaded:
        sealed_after = scene.wait_sealed(seconds=_PATIENCE_SECONDS)
        at = time.time() + scene.wait_live(0, seconds=5.0)
        ended = scene.over(run)
        loaded = is_loaded()
    return {
        "ended": ended, "is_loaded": loaded, "sealed_after": sealed_after,
        "reached": scene.reached_since(at + 0.5, "v2"),
    }  # fmt: skip


@contextmanager
def _upgraded(
    stage: PostgresStage, changes: Mapping[str, tuple[str, str]]
) -> Iterator[Callable[[], bool]]:
    """Run the triggerer with a changed copy of the package; gives whether a gate runs from it.

    :param changes: file of the package -> what is replaced and by what.
    """
    path = stage.folder / f"package-{len(list(stage.folder.glob('package-*')))}"
    package = path / airflow_rollout.__name__
    source = Path(airflow_rollout.__file__).parent
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (old, new) in changes.items():
        text = (package / name).read_text()
        assert text.count(old) == 1, f"{name} does not say {old!r}"
        (package / name).write_text(text.replace(old, new))
    env = stage.lab.airflow.env
    before = dict(env)
    stage.lab.airflow.kill("triggerer")
    env["PYTHONPATH"] = ":".join(filter(None, [str(path), env.get("PYTHONPATH")]))
    stage.lab.airflow.start("triggerer")
    try:
        # Python keeps what it has compiled beside what it has loaded.
        yield lambda: any(package.glob("triggers/__pycache__/gate.*.pyc"))
    finally:
        stage.lab.airflow.kill("triggerer")
        env.clear()
        env.update(before)
        stage.lab.airflow.start("triggerer")
        stage.lab.airflow.wait_ready()


def airflow_gone(stage: PostgresStage) -> dict[str, Any]:
    """All of Airflow dies in mid-gate; somebody notices, puts traffic back; Airflow returns."""
    scene, airflow = stage.scene("airflow-gone"), stage.lab.airflow
    run = scene.given_good("v2", interval=_HOLD)
    died = time.time()
    for component in COMPONENTS:
        airflow.kill(component)
    try:
        at_first = scene.status()
        alarm = _wait_for_alarm(scene)
        noticed_after = time.time() - died
        weight = stage.lab.live_weight(scene.service)
        began = time.time()
        by_hand = scene.roll_back()
        scene.wait_live(0, seconds=5.0)
        safe_at = time.time()
        calm = scene.status()
    finally:
        airflow.start_components()
    airflow.wait_ready()
    return {
        "at_first": at_first, "alarm": alarm, "noticed_after": noticed_after, "weight": weight,
        "by_hand": by_hand, "safe_after": safe_at - began, "calm": calm,
        "ended": scene.over(run), "reached": scene.reached_since(safe_at + 0.5, "v2"),
    }  # fmt: skip


def _wait_for_alarm(scene: FaultScene) -> dict[str, Any]:
    """Ask as a cron job does until the command says that nobody watches."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        said = scene.status()
        if said["exit"] == _NOBODY_WATCHES:
            return said
        assert time.monotonic() < end, said
        time.sleep(1.0)


# The last of its Airflow's acts: it ends all of it.
LAST_OUTAGE = "airflow-gone"

ACTS: dict[str, Callable[[PostgresStage], dict[str, Any]]] = {
    "package-upgraded": package_upgraded,
    "schema-changed": schema_changed,
    "disk-full": disk_full,
    LAST_OUTAGE: airflow_gone,
}

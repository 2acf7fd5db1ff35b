"""Faults of one service alone; the tests say what must have come of them."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from fault_scene import HOLD, FaultScene
from proxy import Fault

__all__ = ["SCENES"]

# Judged as a gap: shorter than the 30 s after which a release may have to say more about it.
_GAP_SECONDS = 5.0

# Longer than the 5 s for which a gate repeats its own write.
_LONGER_THAN_THE_GATE_TRIES_SECONDS = 8.0

# Promised for the way back once the router is there again.
SAFE_SECONDS = 5.0

_PATIENCE_SECONDS = 60.0


def source_gap(scene: FaultScene) -> dict[str, Any]:
    """A metric source that refuses, hangs and talks nonsense for a while, then is back."""
    run = scene.given_good("v2")
    for fault in (Fault.REFUSE, Fault.HANG, Fault.GARBAGE):
        scene.proxies["source"].break_with(fault)
        time.sleep(_GAP_SECONDS)
    scene.proxies["source"].mend()
    return {"ended": scene.over(run)}


def source_garbage(scene: FaultScene) -> dict[str, Any]:
    """A metric source that answers nonsense for ever."""
    return _without_source(scene, Fault.GARBAGE)


def source_hangs(scene: FaultScene) -> dict[str, Any]:
    """A metric source that accepts connections and never answers."""
    return _without_source(scene, Fault.HANG)


def source_slow(scene: FaultScene) -> dict[str, Any]:
    """A metric source whose every answer takes 30 s."""
    return _without_source(scene, Fault.SLOW)


def _without_source(scene: FaultScene, fault: Fault) -> dict[str, Any]:
    scene.given_stable("v1")
    scene.given_version("v2")
    run = scene.start("v2", interval=HOLD if scene.service == "source-garbage" else "5s")
    scene.wait_for_judging(run, "step_01")
    scene.proxies["source"].break_with(fault)
    ended = scene.over(run)
    scene.proxies["source"].mend()
    reached = scene.reached_after_verdict(ended, "v2")
    return {"ended": ended, "reached": reached, "exposed": scene.exposed_seconds(ended, "v2")}


def router_cut(scene: FaultScene) -> dict[str, Any]:
    """The router's API is away at the verdict, while the router serves."""
    with scene.given_breakable("v2") as (run, way):
        scene.proxies["router"].break_with(Fault.HANG)
        scene.turn_bad(way, "v2")
        scene.wait_sealed(seconds=_PATIENCE_SECONDS)
        live_after = scene.wait_live(0, seconds=5.0)
        scene.wait_for_task(run, "rollback", "running")
        time.sleep(_LONGER_THAN_THE_GATE_TRIES_SECONDS)
        meanwhile = scene.api.run(run.dag_id, run.run_id).state
        scene.proxies["router"].mend()
        ended = scene.over(run)
        reached = scene.reached_after_verdict(ended, "v2", "v2-broken")
        exposed = scene.exposed_seconds(ended, "v2", "v2-broken")
    return {
        "ended": ended, "live_after": live_after, "meanwhile": meanwhile, "reached": reached,
        "exposed": exposed,
    }  # fmt: skip


def file_immutable(scene: FaultScene) -> dict[str, Any]:
    """Nobody may write the router's file at the verdict."""
    with scene.given_breakable("v2") as (run, way):
        with _immutable(scene.file):
            scene.turn_bad(way, "v2")
            scene.wait_for_task(run, "rollback", "running")
            time.sleep(_LONGER_THAN_THE_GATE_TRIES_SECONDS)
            meanwhile = scene.api.run(run.dag_id, run.run_id).state
            weight = scene.lab.live_weight(scene.service)
        back = time.time()
        took = scene.wait_live(0, seconds=_PATIENCE_SECONDS)
        ended = scene.over(run)
        reached = scene.reached_since(back + took + 0.5, "v2", "v2-broken")
    return {
        "ended": ended, "meanwhile": meanwhile, "weight": weight, "took": took, "reached": reached,
    }  # fmt: skip


def canary_gone(scene: FaultScene) -> dict[str, Any]:
    """The canary's process is killed."""
    run = scene.given_good("v2")
    scene.kill_version("v2")
    ended = scene.over(run)
    return {
        "ended": ended, "failed_after": scene.failures_after_verdict(ended),
        "exposed": scene.exposed_seconds(ended, "v2"),
    }  # fmt: skip


def both_gone(scene: FaultScene) -> dict[str, Any]:
    """Canary and stable are killed; the stable version comes back after the end."""
    run = scene.given_good("v2")
    scene.kill_version("v1")
    scene.kill_version("v2")
    return {"ended": scene.over(run)}


def stable_gone(scene: FaultScene) -> dict[str, Any]:
    """The stable version is killed and comes back later than the hold would have ended."""
    run = scene.given_good("v2")
    scene.kill_version("v1")
    time.sleep(20.0)
    weight = scene.lab.live_weight(scene.service)
    steps = scene.api.task_states(run.dag_id, run.run_id)
    said = scene.api.xcom(run.dag_id, run.run_id, "step_01.gate", "gate")["judgement"]["reason"]
    scene.given_version("v1")
    return {"weight": weight, "steps": steps, "said": said, "ended": scene.over(run)}


def promote_killed_before(scene: FaultScene) -> dict[str, Any]:
    """The worker's task is killed in `promote` just before its write."""
    scene.given_stable("v1")
    scene.given_version("v2")
    run = scene.start("v2", interval="5s")
    scene.wait_opened("v2")
    with _held(scene.lock):
        task = _task_at(scene, scene.lock)
        before = scene.file.read_bytes()
        os.kill(task, signal.SIGKILL)
        _wait_gone(task)
        unchanged = scene.file.read_bytes() == before
    return {"unchanged": unchanged, "ended": scene.over(run)}


def promote_killed_after(scene: FaultScene) -> dict[str, Any]:
    """The worker's task is killed in `promote` just after its write, before it could say so."""
    scene.given_stable("v1")
    scene.given_version("v2")
    run = scene.start("v2", interval="5s")
    scene.wait_opened("v2")
    with _held(scene.lock):
        task = _task_at(scene, scene.lock)
        before = scene.file.read_bytes()
        os.kill(task, signal.SIGSTOP)
    # In slices much shorter than what lies between the write and the next word to Airflow.
    end = time.monotonic() + _PATIENCE_SECONDS
    while scene.file.read_bytes() == before:
        assert time.monotonic() < end, "promote never wrote"
        os.kill(task, signal.SIGCONT)
        time.sleep(0.0005)
        os.kill(task, signal.SIGSTOP)
    os.kill(task, signal.SIGKILL)
    return {"ended": scene.over(run)}


def paused(scene: FaultScene) -> dict[str, Any]:
    """The DAG is paused when the canary turns bad, and unpaused later."""
    with scene.given_breakable("v2") as (run, way):
        scene.api.pause(run.dag_id, is_paused=True)
        scene.turn_bad(way, "v2")
        scene.wait_sealed(seconds=_PATIENCE_SECONDS)
        scene.wait_live(0, seconds=5.0)
        time.sleep(5.0)
        states = scene.api.task_states(run.dag_id, run.run_id)
        scene.api.pause(run.dag_id, is_paused=False)
        ended = scene.over(run)
        reached = scene.reached_after_verdict(ended, "v2", "v2-broken")
        exposed = scene.exposed_seconds(ended, "v2", "v2-broken")
    return {"ended": ended, "states": states, "reached": reached, "exposed": exposed}


def rolled_back_by_hand(scene: FaultScene) -> dict[str, Any]:
    """Somebody breaks the glass while a good release runs, twice."""
    run = scene.given_good("v2")
    first = scene.roll_back()
    at = time.time()
    live_after = scene.wait_live(0, seconds=5.0)
    second = scene.roll_back()
    ended = scene.over(run)
    return {
        "first": first, "second": second, "live_after": live_after, "ended": ended,
        "reached": scene.reached_since(at + live_after + 0.5, "v2"),
    }  # fmt: skip


def spec_changed(scene: FaultScene) -> dict[str, Any]:
    """Somebody changes the rollout's file in mid-release."""
    run = scene.given_good("v2")
    file = scene.lab.airflow.dags / f"{scene.service}.yaml"
    file.write_text(file.read_text().replace("threshold: 3", "threshold: 4"))
    ended = scene.over(run)
    return {"ended": ended, "reached": scene.reached_since(ended.ended_at, "v2")}


def dag_broken(scene: FaultScene) -> dict[str, Any]:
    """The DAG's file stops being Python in mid-release, then the canary turns bad."""
    file = scene.lab.airflow.dags / f"{scene.service}.py"
    with scene.given_breakable("v2") as (run, way):
        file.write_text("this is no Python")
        scene.turn_bad(way, "v2")
        scene.wait_sealed(seconds=_PATIENCE_SECONDS)
        live_after = scene.wait_live(0, seconds=5.0)
        at = time.time()
        by_hand = scene.roll_back()
        scene.wait_for_task(run, "step_01.gate", "failed")
        reached = scene.reached_since(at + 0.5, "v2", "v2-broken")
    return {
        "by_hand": by_hand, "live_after": live_after, "reached": reached,
        "state": scene.api.run(run.dag_id, run.run_id).state, "split": scene.split(),
    }  # fmt: skip


def dag_deleted(scene: FaultScene) -> dict[str, Any]:
    """The DAG's file is deleted in mid-release of a good version, and comes back later."""
    run = scene.given_good("v2")
    file = scene.lab.airflow.dags / f"{scene.service}.py"
    text = file.read_text()
    file.unlink()
    scene.wait_for_task(run, "step_01.gate", "success")
    time.sleep(_LONGER_THAN_THE_GATE_TRIES_SECONDS)
    stuck_at = scene.lab.live_weight(scene.service)
    by_hand = scene.roll_back()
    live_after = scene.wait_live(0, seconds=5.0)
    at = time.time()
    state = scene.api.run(run.dag_id, run.run_id).state
    file.write_text(text)
    ended = scene.over(run)
    return {
        "stuck_at": stuck_at, "by_hand": by_hand, "live_after": live_after, "state": state,
        "ended": ended, "reached": scene.reached_since(at + 0.5, "v2"),
    }  # fmt: skip


@contextmanager
def _immutable(file: Path) -> Iterator[None]:
    # Permissions do not bind root, this flag of the file system does.
    if not shutil.which("chattr") or subprocess.run(["chattr", "+i", file], check=False).returncode:
        pytest.skip("files cannot be made immutable here (chattr +i)")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", file], check=True)


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _task_at(scene: FaultScene, lock: Path) -> int:
    """Wait for the task process that waits for a lock."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        for pid in scene.lab.airflow.pids("scheduler"):
            if _has_open(pid, lock):
                return pid
        time.sleep(0.01)
    raise AssertionError(f"no task came to {lock}")


def _has_open(pid: int, path: Path) -> bool:
    with suppress(OSError):
        return any(link.readlink() == path for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _wait_gone(pid: int) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end, f"{pid} outlives SIGKILL"
        time.sleep(0.01)


# The longest ones first: they are played side by side.
SCENES: dict[str, Callable[[FaultScene], dict[str, Any]]] = {
    "source-gap": source_gap,
    "source-hangs": source_hangs,
    "source-garbage": source_garbage,
    "source-slow": source_slow,
    "stable-gone": stable_gone,
    "promote-killed-after": promote_killed_after,
    "dag-deleted": dag_deleted,
    "file-immutable": file_immutable,
    "spec-changed": spec_changed,
    "both-gone": both_gone,
    "router-cut": router_cut,
    "paused": paused,
    "rolled-back-by-hand": rolled_back_by_hand,
    "promote-killed-before": promote_killed_before,
    "canary-gone": canary_gone,
    "dag-broken": dag_broken,
}

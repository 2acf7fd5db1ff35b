"""Seeded random schedules of faults on real components: `make soak ARGS="--schedules 500"`.

Each schedule is one release of a random version, good or bad, with random faults at random
moments; several services play at once, and now and then a component dies for all of them. What
must hold is checked on the router's record and on what users got. The seed decides each schedule;
how it interleaves with the others is the machine's affair.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

# A scene of the ordinary releases is what a fault is done to.
sys.path += [str(Path(__file__).parents[1] / "e2e"), str(Path(__file__).parents[1])]

from fault_lab import fault_lab
from fault_scene import FaultScene
from postgres import PostgresServer
from proxy import Fault
from record_watch import RecordWatch
from scene import Released
from soaking import Schedule, Soak, only, patiently

from airflow_rollout.cli.airflow_session import ApiRefused
from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.release import Outcome, ReleaseState

SERVICES = tuple(f"soak-{number}" for number in range(1, 13))

_POSTGRES = "usr/lib/postgresql/*/bin/postgres"

# Two processor cores bear it from all services at once.
_REQUESTS_A_SECOND = 25.0

_HOLD = "6s"
# Within a release of two such holds.
_LATEST_FAULT_SECONDS = 12.0
_LONGEST_FAULT_SECONDS = 8.0
_OUTAGE_EVERY_SECONDS = 60.0
_AFTER_SEAL_SECONDS = 3.0
_CONFLICT = 409

# Components that die again and again make a release take minutes.
_END_SECONDS = 600.0
# Skipped where the run was marked before it had begun.
_ENDS = ("failed", "success", "skipped", "removed", "upstream_failed")
_COMPONENTS = ("triggerer", "scheduler", "api-server")
_GOOD, _BAD = "good", "bad"


def _source(fault: Fault) -> Callable[[FaultScene, str, float], None]:
    return lambda scene, _version, seconds: _broken(scene, "source", fault, seconds)


def _router(scene: FaultScene, _version: str, seconds: float) -> None:
    _broken(scene, "router", Fault.HANG, seconds)


def _broken(scene: FaultScene, kind: str, fault: Fault, seconds: float) -> None:
    scene.proxies[kind].break_with(fault)
    time.sleep(seconds)
    scene.proxies[kind].mend()


def _kill_canary(scene: FaultScene, version: str, _seconds: float) -> None:
    scene.kill_version(version)


def _stable_away(scene: FaultScene, _version: str, seconds: float) -> None:
    split = scene.split()
    if split is None or split.stable is None:
        return
    scene.kill_version(split.stable.version)
    time.sleep(seconds)
    scene.given_version(split.stable.version)


def _by_hand(scene: FaultScene, _version: str, _seconds: float) -> None:
    scene.roll_back()


def _mark(task: str, state: str) -> Callable[[FaultScene, str, float], None]:
    def mark(scene: FaultScene, version: str, _seconds: float) -> None:
        scene.api.set_task_state(scene.dag_id, f"release-{version}", task, state)

    return mark


def _mark_run(state: str) -> Callable[[FaultScene, str, float], None]:
    def mark(scene: FaultScene, version: str, _seconds: float) -> None:
        scene.api.set_run_state(scene.dag_id, f"release-{version}", state)

    return mark


FAULTS: dict[str, Callable[[FaultScene, str, float], None]] = {
    "source refuses": _source(Fault.REFUSE),
    "source hangs": _source(Fault.HANG),
    "source talks nonsense": _source(Fault.GARBAGE),
    "router's API hangs": _router,
    "canary is killed": _kill_canary,
    "stable is away": _stable_away,
    "rolled back by hand": _by_hand,
    "gate marked failed": _mark("step_01.gate", "failed"),
    "gate marked success": _mark("step_01.gate", "success"),
    "run marked failed": _mark_run("failed"),
    "run marked success": _mark_run("success"),
}


def play(scene: FaultScene, schedule: Schedule) -> list[str]:
    """Play one schedule and leave the service as it was; return what must not have happened."""
    try:
        return _play(scene, schedule)
    finally:
        _tidy(scene)


def _play(scene: FaultScene, schedule: Schedule) -> list[str]:
    """Play one schedule and return what must not have happened."""
    version, stable = f"v{schedule.number}", _stable_of(scene)
    scene.given_version(version, error_rate=0.5 if schedule.version == _BAD else 0.0)
    run_id = f"release-{version}"
    with RecordWatch(scene.file, owner=f"{scene.dag_id}/{run_id}") as watch:
        began = time.monotonic()
        run = _started(scene, version)
        painted_at = _break(scene, version, schedule, began)
        done = patiently(lambda: scene.api.wait(run.dag_id, run_id, timeout_seconds=_END_SECONDS))
        patiently(lambda: scene.wait_for_task(run, "ensure_safe", *_ENDS))
        split = scene.split()
        assert split is not None
        if split.token.owner != f"{scene.dag_id}/{run_id}":
            green = _is_green(done, painted_at) and not _never_began(scene, run)
            return only((f"never opened, but the run is {done.state}", green))
        ended = patiently(lambda: scene.ended(run))
    found = [*watch.violations, *_wrong_end(scene, schedule, ended, stable)]
    if ended.split.state is not ReleaseState.RELEASED and _is_green(ended.run, painted_at):
        found.append(f"rolled back, but the run is {ended.run.state}")
    if watch.sealed_at is not None:
        late = scene.reached_since(watch.sealed_at + _AFTER_SEAL_SECONDS, version)
        found += [f"{late} requests reached the canary after the seal"] if late else []
    return found


def _break(scene: FaultScene, version: str, schedule: Schedule, began: float) -> float:
    """Do what the schedule says; return when the run was marked last (epoch seconds; 0: never)."""
    painted_at = 0.0
    for at, name, seconds in schedule.faults:
        time.sleep(max(0.0, began + at - time.monotonic()))
        if name.startswith("run marked"):
            painted_at = time.time()
        # A click on what is not there (yet), or a version that has died already: no fault.
        with contextlib.suppress(Exception):
            FAULTS[name](scene, version, seconds)
    return painted_at


def _is_green(run: DagRun, painted_at: float) -> bool:
    """Tell whether Airflow lets a run look good; one that has ended a person may paint so."""
    is_painted = run.end_date is not None and run.end_date.timestamp() < painted_at
    return run.state != "failed" and not is_painted


def _never_began(scene: FaultScene, run: DagRun) -> bool:
    """Tell whether the run was marked before Airflow had begun it: then nothing of it ever ran."""
    states = patiently(lambda: scene.api.task_states(run.dag_id, run.run_id))
    return states["start"] == "skipped"


def _tidy(scene: FaultScene) -> None:
    """Leave one good stable version and nothing broken, whatever the schedule did."""
    for proxy in scene.proxies.values():
        proxy.mend()
    stable = _stable_of(scene)
    for version in list(scene.urls):
        scene.stop_version(version)
        if version != stable:
            del scene.urls[version]
    scene.given_version(stable)


def _stable_of(scene: FaultScene) -> str:
    split = scene.split()
    assert split is not None
    assert split.stable is not None
    return split.stable.version


def _wrong_end(scene: FaultScene, schedule: Schedule, ended: Released, stable: str) -> list[str]:
    split = ended.split
    live = patiently(lambda: _live_weight(scene))
    if split.state is ReleaseState.RELEASED:
        clicked = any(name == "gate marked success" for _, name, _ in schedule.faults)
        return only(
            ("a bad version was promoted", schedule.version == _BAD and not clicked),
            ("the record does not say promoted", ended.record.outcome is not Outcome.PROMOTED),
        )
    return only(
        (f"left {split.state} at {split.weight} %", split.state is not ReleaseState.SEALED),
        (f"the record says {split.weight} %", split.weight != 0),
        (f"stable is {split.stable}", not split.stable or split.stable.version != stable),
        ("Traefik still serves the canary", live != 0),
    )


def _live_weight(scene: FaultScene) -> int:
    """Return what Traefik works at; OSError while it has only just started."""
    weight = scene.lab.live_weight(scene.service)
    if weight is None:
        raise OSError("Traefik does not know this service yet")
    return weight


def _started(scene: FaultScene, version: str) -> DagRun:
    """Start a release, whatever is away; the answer to a start that was taken may be lost."""
    run_id = f"release-{version}"

    def start() -> DagRun:
        try:
            return scene.start(version, interval=_HOLD)
        except ApiRefused as error:
            if error.status != _CONFLICT:
                raise
            return scene.api.run(scene.dag_id, run_id)

    return patiently(start)


def main() -> int:
    """Run the soak; exit 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--schedules", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--postgres", type=Path, default=max(Path("/").glob(_POSTGRES), default=None),
        help="a PostgreSQL server's program, for Airflow's records (default: Debian's newest; "
        "without one SQLite, which many releases at once keep waiting)",
    )  # fmt: skip
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rollout-soak-"))
        url = ""
        if options.postgres:
            url = stack.enter_context(PostgresServer(options.postgres)).url
        lab = stack.enter_context(fault_lab(Path(folder), SERVICES, database_url=url))
        restart = lab.lab.airflow.restart
        outages = {f"{name} is killed": partial(restart, name) for name in _COMPONENTS}
        outages["router is killed"] = lab.lab.traefik.restart
        scenes = [lab.scene(name) for name in SERVICES]
        for scene in scenes:
            scene.given_stable("v0", rate=_REQUESTS_A_SECOND)
        soak = Soak(
            seed=options.seed,
            schedules=options.schedules,
            versions=(_GOOD, _BAD),
            faults=sorted(FAULTS),
            latest_seconds=_LATEST_FAULT_SECONDS,
            longest_seconds=_LONGEST_FAULT_SECONDS,
            until=time.monotonic() + options.minutes * 60.0,
            play=play,
        )
        return soak.run(scenes, outages, every=_OUTAGE_EVERY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())

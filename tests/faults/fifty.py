"""Fifty releases of fifty services at once, and all of them abort at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dag_files import PARSED_WHEN_CHANGED, write_dags
from fault_scene import FaultScene
from postgres import PostgresServer
from scene import Released
from versions import Load, Version

from airflow_rollout.demo.airflow_settings import Settings
from airflow_rollout.demo.lab import Lab

__all__ = ["FIFTY", "SERVICES", "Fifty", "fifty"]

# The scene's name.
FIFTY = "fifty"

SERVICES = tuple(f"fifty-{number:02d}" for number in range(1, 51))

# Two processor cores bear it beside fifty releases.
_REQUESTS_A_SECOND_EACH = 2.0


@dataclass(frozen=True, kw_only=True)
class Fifty:
    """What came of all of them, by service."""

    ended: dict[str, Released]
    turned_bad_at: float
    reached: dict[str, list[float]]
    failed_requests: int

    def verdict_at(self, service: str) -> float:
        """Return when a service's gate decided (seconds since the epoch)."""
        stop = self.ended[service].record.gates[-1].stop
        assert stop is not None, f"the gate of {service} did not stop its release itself"
        return stop.decided_at

    def exposed_seconds(self) -> dict[str, float]:
        """Return how long after its verdict each canary was last asked (negative: before)."""
        return {it: max(self.reached[it]) - self.verdict_at(it) for it in SERVICES}


def fifty(folder: Path, postgres: Path) -> dict[str, Any]:
    """Play all of them on an Airflow of their own, with its DAGs folder in `folder`.

    :param postgres: the database server's program; fifty runs are more than a SQLite can carry.
    """
    dags = folder / "dags"
    # Asked more rarely than elsewhere: two processor cores carry fifty gates.
    write_dags(dags, "fault.yaml", *SERVICES, every="5s")
    with ExitStack() as stack:
        database = stack.enter_context(PostgresServer(postgres))
        stable = stack.enter_context(Version("v1"))
        canary = stack.enter_context(Version("v2"))
        lab = stack.enter_context(Lab(SERVICES, dags=dags, settings=_settings(database)))
        for service in SERVICES:
            lab.airflow.wait_for_dag(service)
        urls = [lab.user_url(service) for service in SERVICES]
        load = stack.enter_context(Load(urls, rate=_REQUESTS_A_SECOND_EACH))
        played = _play(lab, stable, canary, load)
    return {"fifty": played, "exposed": max(played.exposed_seconds().values())}


def _settings(database: PostgresServer) -> Settings:
    return {
        "rollout": {"live_seconds": 10},
        # More tasks at a time would take the processors from those who judge.
        "core": {"parallelism": 3},
        "dag_processor": PARSED_WHEN_CHANGED,
        "database": {"sql_alchemy_conn": database.url},
    }


def _play(lab: Lab, stable: Version, canary: Version, load: Load) -> Fifty:
    scenes = [FaultScene(lab, service) for service in SERVICES]
    with ThreadPoolExecutor(max_workers=8) as pool:
        for scene in scenes:
            scene.urls = {"v1": stable.url, "v2": canary.url}
        list(pool.map(lambda scene: scene.given_arm("v1"), scenes))
    failed_before = load.failed
    runs = [(scene, scene.start("v2")) for scene in scenes]
    for scene, run in runs:
        scene.wait_for_judging(run, "step_01")
    turned_bad_at = time.time()
    canary.is_healthy = False
    ended = [scene.over(run) for scene, run in runs]
    time.sleep(1.0)  # let some requests be sent: none of them may reach a canary
    return Fifty(
        ended=dict(zip(SERVICES, ended, strict=True)),
        turned_bad_at=turned_bad_at,
        reached={service: canary.asked(service) for service in SERVICES},
        failed_requests=load.failed - failed_before,
    )

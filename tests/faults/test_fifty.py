"""Fifty releases of fifty services at once, and all of them abort at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from dag_files import PARSED_WHEN_CHANGED, write_dags
from fault_scene import FaultScene
from postgres import PostgresServer
from scene import Released
from versions import Load, Version

from airflow_rollout.demo.airflow_settings import Settings
from airflow_rollout.demo.lab import Lab
from airflow_rollout.release import ReleaseState

pytestmark = pytest.mark.e2e

SERVICES = tuple(f"fifty-{number:02d}" for number in range(1, 51))

# Two processor cores bear it beside fifty releases.
_REQUESTS_A_SECOND_EACH = 2.0

# Promised for each of fifty that end together; a single one takes a quarter of that.
_SAFE_SECONDS = 2.0


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


@pytest.fixture(scope="module")
def fifty(
    tmp_path_factory: pytest.TempPathFactory, need_binary: Callable[[str], Path]
) -> Iterator[Fifty]:
    need_binary("traefik")
    postgres = need_binary("postgres")
    dags = tmp_path_factory.mktemp("fifty") / "dags"
    # Asked more rarely than elsewhere: two processor cores carry fifty gates.
    write_dags(dags, "fault.yaml", *SERVICES, every="5s")
    with (
        # Fifty runs at once are more than Airflow can keep in a SQLite.
        PostgresServer(postgres) as database,
        Version("v1") as stable,
        Version("v2") as canary,
        Lab(SERVICES, dags=dags, settings=_settings(database)) as lab,
    ):
        for service in SERVICES:
            lab.airflow.wait_for_dag(service)
        with Load([lab.user_url(it) for it in SERVICES], rate=_REQUESTS_A_SECOND_EACH) as load:
            yield _play(lab, stable, canary, load)


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


def test_fifty_gates_stop_their_releases_themselves(fifty: Fifty) -> None:
    for service, ended in fifty.ended.items():
        assert ended.split.state is ReleaseState.SEALED, service
        assert ended.split.weight == 0, service
        assert ended.run.state == "failed", service
        assert "health probes" in ended.record.reason, service


def test_fifty_gates_judge_when_their_canaries_turn_bad(fifty: Fifty) -> None:
    early = {it for it in SERVICES if fifty.verdict_at(it) < fifty.turned_bad_at}
    assert not early


def test_no_canary_is_reached_later_than_two_seconds_after_its_verdict(fifty: Fifty) -> None:
    late = {
        service: max(fifty.reached[service]) - fifty.verdict_at(service) for service in SERVICES
    }
    print("verdict -> last canary request, s:", sorted(round(it, 2) for it in late.values()))
    assert max(late.values()) <= _SAFE_SECONDS, late


def test_users_of_fifty_services_lose_nothing(fifty: Fifty) -> None:
    assert fifty.failed_requests == 0

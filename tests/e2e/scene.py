"""One service of the lab and what a scene does with it: start versions, release, click, look."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import AirflowSession, Login
from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import read_record
from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.lab import Lab
from airflow_rollout.hooks.connection import static_connections
from airflow_rollout.hooks.moves import open_release, raise_weight
from airflow_rollout.hooks.systems import Systems, open_systems
from airflow_rollout.record import ReleaseRecord
from airflow_rollout.release import Arm, Token, TrafficSplit
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import RolloutSpec

DAGS = Path(__file__).parent / "dags"

# Far above what any step of a scene takes: it ends a test that hangs, it decides nothing.
PATIENCE_SECONDS = 240.0

_POLL_SECONDS = 0.3

# The lab starts and ends processes for several scenes at once.
_lab_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Released:
    """How one run ended, as everybody can see it afterwards."""

    run: DagRun
    record: ReleaseRecord
    split: TrafficSplit
    tasks: dict[str, str]
    ended_at: float


class Scene:
    """One service, its DAG and its users."""

    def __init__(self, lab: Lab, name: str, *, dag_id: str | None = None) -> None:
        self.lab = lab
        self.service = name
        self.dag_id = dag_id or name
        login = Login(user=lab.airflow.user, password=lab.airflow.password)
        self.api = AirflowApi(AirflowSession(lab.airflow.url, login))
        self.urls: dict[str, str] = {}

    # --- given ---

    def given_version(self, version: str, **faults: Any) -> str:
        """Start a version, or start it again with other faults at the same address."""
        with _lab_lock:
            self.urls[version] = self.lab.start_version(self.service, version, **faults)
        return self.urls[version]

    def given_stable(self, version: str) -> None:
        """Make a version stable as its first release would, without an Airflow run."""
        self.given_version(version)
        self.given_arm(version)
        with _lab_lock:
            self.lab.start_load(self.service, rate=60.0)

    def given_arm(self, version: str) -> None:
        """Send all traffic to a version that runs."""
        asyncio.run(self._make_stable(Arm(version=version, target=self.urls[version])))
        self._wait(lambda: self.lab.live_weight(self.service) == 0, "stable version at Traefik")

    def stop_version(self, version: str) -> None:
        with _lab_lock:
            self.lab.stop_version(self.service, version)

    def leave(self) -> None:
        """Take load and versions away: the scene is over."""
        with _lab_lock:
            self.lab.stop_load(self.service)
        for version in self.urls:
            self.stop_version(version)

    # --- when ---

    def start(self, version: str, *, run_id: str | None = None, **conf: Any) -> DagRun:
        """Start a release over the REST API, as CI does."""
        conf = {"version": version, "url": self.urls[version], **conf}
        return self.api.trigger(self.dag_id, run_id=run_id or f"release-{version}", conf=conf)

    def release(self, version: str, **conf: Any) -> Released:
        return self.ended(self.start(version, **conf))

    def ended(self, run: DagRun) -> Released:
        """Wait for a run's end and look at everything it left."""
        done = self.api.wait(run.dag_id, run.run_id, timeout_seconds=PATIENCE_SECONDS)
        ended_at = time.time()
        record = read_record(self.api, run.dag_id, run.run_id)
        split = self.split()
        assert record is not None, f"{run.run_id} left no record"
        assert split is not None, f"{self.service} has no record at the router"
        tasks = self.api.task_states(run.dag_id, run.run_id)
        return Released(run=done, record=record, split=split, tasks=tasks, ended_at=ended_at)

    def wait_for_task(self, run: DagRun, task_id: str, *states: str) -> None:
        self._wait(
            lambda: self.api.task_states(run.dag_id, run.run_id).get(task_id) in states,
            f"{task_id} of {run.run_id} in {states}",
            run,
        )

    def wait_for_judging(self, run: DagRun, step_id: str) -> None:
        """Wait until a gate has said something with numbers."""

        def judged() -> bool:
            record = read_record(self.api, run.dag_id, run.run_id)
            gates = record.gates if record else []
            return any(gate.step_id == step_id and gate.judgement.metrics for gate in gates)

        self._wait(judged, f"judgement of {step_id}", run)

    # --- then ---

    def split(self) -> TrafficSplit | None:
        """Return the record at the router."""
        return asyncio.run(self._with_systems(lambda systems: systems.read_split()))

    def answers(self, *, since: float = 0.0, until: float = float("inf")) -> list[Answer]:
        return [it for it in self.lab.answers(self.service) if since <= it.sent <= until]

    def canary_answers_after(self, released: Released, version: str) -> int:
        """Count answers of a version to requests that were sent after its run had ended."""
        time.sleep(1.0)  # let some requests be sent: none of them may reach it
        return sum(it.version == version for it in self.answers(since=released.ended_at))

    # --- how ---

    def _wait(self, done: Callable[[], bool], what: str, run: DagRun | None = None) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not done():
            if time.monotonic() > end:
                raise AssertionError(f"{self.service}: no {what}; {self._stands(run)}")
            time.sleep(_POLL_SECONDS)

    def _stands(self, run: DagRun | None) -> str:
        """Say how things stand, for whoever reads why a scene got stuck."""
        if run is None:
            return f"split {self.split()}"
        record = read_record(self.api, run.dag_id, run.run_id)
        told = [f"{it.task}: {it.text}" for it in record.timeline] if record else []
        said = [gate.judgement.reason for gate in record.gates] if record else []
        states = self.api.task_states(run.dag_id, run.run_id)
        return f"tasks {states}, told {told}, judged {said}, split {self.split()}"

    def spec(self) -> RolloutSpec:
        bindings = Bindings(
            workload="endpoints", router="traefik_file", router_conn_id="traefik_default",
            router_service=self.service, provider="scrape", provider_conn_id="traefik_metrics",
            every_seconds=1.0,
        )  # fmt: skip
        return load_spec(DAGS / "scene.yaml", bindings=bindings)

    async def _with_systems(self, use: Callable[[Systems], Any]) -> Any:
        async with open_systems(self.spec(), static_connections(self.lab.connections)) as systems:
            return await use(systems)

    async def _make_stable(self, arm: Arm) -> None:
        async def make(systems: Systems) -> None:
            token = Token(epoch=f"given-{self.service}", owner="given", digest="given")
            await open_release(systems, service=self.service, token=token, canary=arm)
            await raise_weight(systems, token=token, canary=arm, weight=10, previous_weight=0)

        await self._with_systems(make)

"""One service of the lab and what a scene does with it: start versions, release, click, look."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dag_files import DOCUMENTS

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import AirflowSession, ApiUnavailable, Login
from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import ReleaseWatch, read_record
from airflow_rollout.demo.airflow import COMPONENTS
from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.lab import Lab
from airflow_rollout.hooks.connection import static_connections
from airflow_rollout.hooks.moves import open_release, raise_weight
from airflow_rollout.hooks.systems import Systems, open_systems
from airflow_rollout.record import GatePiece, ReleaseRecord
from airflow_rollout.release import Arm, Token, TrafficSplit
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import RolloutSpec

# Half of all requests fail: no seed, load or machine makes that look healthy.
BROKEN = {"error_rate": 0.5}

# Far above what any step of a scene takes: it ends a test that hangs, it decides nothing.
PATIENCE_SECONDS = 240.0

_POLL_SECONDS = 0.3

# Promised: this long after the verdict no request reaches the canary.
AFTER_VERDICT_SECONDS = 0.5

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


def spec_of(service: str) -> RolloutSpec:
    """Return the rollout of a service, as whoever is no DAG reads it."""
    bindings = Bindings(
        workload="endpoints", router="traefik_file", router_conn_id="traefik_default",
        router_service=service, provider="scrape", provider_conn_id="traefik_metrics",
        every_seconds=1.0,
    )  # fmt: skip
    return load_spec(DOCUMENTS / "scene.yaml", bindings=bindings)


def stands(lab: Lab) -> str:
    """Say how the lab is, for whoever reads why a scene got stuck in it."""
    ended = [name for name in COMPONENTS if not lab.airflow.child(name).is_running]
    try:
        health: object = lab.airflow.api.health()
    except ApiUnavailable as error:
        health = error
    now = datetime.now(UTC).time()
    return f"Airflow at {now}: {health}, ended: {ended}, load {os.getloadavg()}"


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

    def given_stable(self, version: str, *, rate: float = 60.0) -> None:
        """Make a version stable as its first release would, and give it users (requests/s)."""
        self.given_version(version)
        self.given_arm(version)
        with _lab_lock:
            self.lab.start_load(self.service, rate=rate)

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

    def given_in_first_gate(self, **conf: Any) -> DagRun:
        """Start the release of a good version; returns when its first gate judges."""
        self.given_stable("v1")
        self.given_version("v2")
        run = self.start("v2", **conf)
        self.wait_for_judging(run, "step_01")
        return run

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
        watch = ReleaseWatch(self.api, run.dag_id, run.run_id)

        def judged() -> bool:
            return any(gate.step_id == step_id and gate.judgement.metrics for gate in _gates(watch))

        self._wait(judged, f"judgement of {step_id}", run)

    def wait_for_good(self, run: DagRun) -> None:
        """Wait until the gate that judges now finds every metric good, and holds on."""
        watch = ReleaseWatch(self.api, run.dag_id, run.run_id)

        def is_good() -> bool:
            said = _says(watch)
            return said is not None and not said.ends and all(
                metric.verdict is Verdict.PASS for metric in said.metrics
            )  # fmt: skip

        self._wait(is_good, "good numbers of every metric", run)

    def wait_for_reason(self, run: DagRun, pattern: str) -> Judgement:
        """Wait until the gate that judges now says something like this."""
        watch = ReleaseWatch(self.api, run.dag_id, run.run_id)
        found: list[Judgement] = []

        def is_said() -> bool:
            said = _says(watch)
            if said is not None and re.search(pattern, said.reason):
                found.append(said)
            return bool(found)

        self._wait(is_said, f"gate that says {pattern!r}", run)
        return found[0]

    def pass_gates(self, run: DagRun, *step_ids: str) -> None:
        """Mark gates success one after the other, as soon as each of them judges."""
        for step_id in step_ids:
            self.wait_for_task(run, f"{step_id}.gate", "deferred")
            self.api.set_task_state(run.dag_id, run.run_id, f"{step_id}.gate", "success")

    def wait_for_next_look(self, since: float) -> None:
        """Wait until the scheduler has ended the look at all runs in which it was at a moment."""

        def has_looked() -> bool:
            beat = self.lab.airflow.api.health()["scheduler"]["latest_scheduler_heartbeat"]
            return datetime.fromisoformat(beat).timestamp() > since

        self._wait(has_looked, "look of the scheduler")

    def over(self, run: DagRun) -> Released:
        """Wait for the end of a run, its teardown included: a marked run ends before it."""
        self.wait_for_task(run, "ensure_safe", "failed", "success")
        return self.ended(run)

    def roll_back(self) -> dict[str, Any]:
        """Put traffic back with the command that needs no Airflow; return what it said."""
        return self._without_airflow("rollback")

    def status(self) -> dict[str, Any]:
        """Return what the command says about the router's record."""
        return self._without_airflow("status")

    def _without_airflow(self, name: str) -> dict[str, Any]:
        command = [
            sys.executable, "-m", "airflow_rollout.cli", name,
            str(self.lab.airflow.dags / f"{self.service}.yaml"), "--router", "traefik_file",
            "--router-conn-id", "traefik_default", "--router-service", self.service,
        ]  # fmt: skip
        connection = self.lab.connections["traefik_default"]
        done = subprocess.run(
            command, env={**os.environ, "AIRFLOW_CONN_TRAEFIK_DEFAULT": connection},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return {"exit": done.returncode, "said": done.stdout + done.stderr}

    def wait_for_another_attempt(self, before: TrafficSplit | None) -> TrafficSplit | None:
        """Wait until the record at the router is another attempt's and return it."""
        old = before.token.epoch if before else ""

        def begun() -> bool:
            split = self.split()
            return split is not None and split.token.epoch != old

        self._wait(begun, f"attempt after {old}")
        return self.split()

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

    def reached_after_verdict(self, released: Released, *versions: str) -> int:
        """Count canary answers to requests sent 0.5 s after the verdict or later."""
        stop = released.record.gates[-1].stop
        assert stop is not None, "the gate did not stop this release itself"
        return self.reached_since(stop.decided_at + AFTER_VERDICT_SECONDS, *versions)

    def reached_since(self, since: float, *versions: str) -> int:
        """Count answers of these versions to requests that were sent since then."""
        time.sleep(1.0)  # let some requests be sent: none of them may reach it
        return sum(it.version in versions for it in self.answers(since=since))

    # --- how ---

    def _wait(self, done: Callable[[], bool], what: str, run: DagRun | None = None) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not done():
            if time.monotonic() > end:
                raise AssertionError(
                    f"{self.service}: no {what}; {self._stands(run)}; {stands(self.lab)}"
                )
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

    async def _with_systems(self, use: Callable[[Systems], Any]) -> Any:
        spec = spec_of(self.service)
        async with open_systems(spec, static_connections(self.lab.connections)) as systems:
            return await use(systems)

    async def _make_stable(self, arm: Arm) -> None:
        async def make(systems: Systems) -> None:
            token = Token(epoch=f"given-{self.service}", owner="given", digest="given")
            await open_release(systems, service=self.service, token=token, canary=arm)
            await raise_weight(systems, token=token, canary=arm, weight=10, previous_weight=0)

        await self._with_systems(make)


# Asked several times a second by many scenes at once: a watch reads only what is new.
def _gates(watch: ReleaseWatch) -> list[GatePiece]:
    watch.poll()
    return watch.record.gates if watch.record else []


def _says(watch: ReleaseWatch) -> Judgement | None:
    gates = _gates(watch)
    return gates[-1].judgement if gates else None

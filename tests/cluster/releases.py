"""Releases of shops on a real node, started over the API of a real Airflow."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from images import image
from kube_lab import Shop, connection
from rollout import Load, document
from route_watch import CANARY

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import AirflowSession, ApiUnavailable, Login
from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import read_record
from airflow_rollout.demo.airflow import AirflowLab
from airflow_rollout.record import Event, ReleaseRecord
from airflow_rollout.release import Outcome

# Requests a second to each shop: two cores bear that from eight of them beside all the rest.
RATE = 20.0

_PATIENCE_SECONDS = 420.0

# The first requests of an API server that starts beside a whole cluster take long.
_FIRST_ANSWER_SECONDS = 120.0

# Airflow's SQLite takes one writer: runs that all begin at the same moment end its scheduler.
_starting = threading.Lock()
_BEGUN_SECONDS = 10.0

# The first gate's task.
_GATE = "step_01.gate"

# The task that a run ends with, whatever was clicked.
_LAST = "ensure_safe"
_ENDS = ("failed", "success", "skipped", "removed", "upstream_failed")

DAG = """\
from airflow_rollout import rollout_dag

rollout_dag("{namespace}.yaml", dag_id="{namespace}")
"""


def write_dag(folder: Path, namespace: str, *, text: str = "", dag: str = DAG) -> None:
    """Write the DAG of a shop, which is called as its namespace.

    :param text: its rollout.
    :param dag: the DAG's file, with `{namespace}` to fill in.
    """
    (folder / f"{namespace}.yaml").write_text(text or document(namespace))
    (folder / f"{namespace}.py").write_text(dag.format(namespace=namespace))


@dataclass(frozen=True, kw_only=True)
class Released:
    """How a run ended."""

    run: DagRun
    record: ReleaseRecord

    @property
    def given_up(self) -> list[Event]:
        """Return where it says that its canary was never ready."""
        return [one for one in self.record.timeline if one.text.startswith("never ready: ")]


class Releases:
    """One shop, its DAG and its users.

    :param shop: its namespace is also the DAG's id.
    """

    def __init__(self, shop: Shop, airflow: AirflowLab) -> None:
        self.shop = shop
        login = Login(user=airflow.user, password=airflow.password)
        self.api = AirflowApi(AirflowSession(airflow.url, login))
        self.load = Load(shop)
        self._dags = airflow.dags

    def start(self, version: str, *, of: str = "", run_id: str = "", dag_id: str = "") -> DagRun:
        """Ask for a release, and wait a moment for its begin.

        :param of: its image, where it is none of the node's.
        :param run_id: where a version is released more than once.
        :param dag_id: another DAG than the shop's own.
        """
        conf = {"version": version, "image": of or image(version)}
        with _starting:
            run = self._ask_for(dag_id or self.shop.name, run_id or f"release-{version}", conf)
            end = time.monotonic() + _BEGUN_SECONDS
            while run.state == "queued" and time.monotonic() < end:
                time.sleep(0.3)
                run = self.api.run(run.dag_id, run.run_id)
        return run

    def _ask_for(self, dag_id: str, run_id: str, conf: dict[str, str]) -> DagRun:
        end = time.monotonic() + _FIRST_ANSWER_SECONDS
        while True:
            try:
                # The id makes it safe to ask twice.
                return self.api.trigger(dag_id, run_id=run_id, conf=conf)
            except ApiUnavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(1.0)

    def in_first_gate(self, version: str, *, weight: int = 20) -> DagRun:
        """Start a release and wait until the canary has its first traffic and is judged."""
        run = self.start(version)
        self.shop.until(
            lambda: self.shop.weights().get(CANARY) == weight,
            "the canary has traffic",
            240.0,
            every=0.5,
        )
        self.wait_for_gate(run)
        return run

    def wait_for_gate(self, run: DagRun, *, or_its_end: bool = False) -> None:
        """Wait until the first gate judges; or until it has, where it may be that quick."""
        wanted = ("deferred", *_ENDS) if or_its_end else ("deferred",)
        self.shop.until(
            lambda: self.api.task_states(run.dag_id, run.run_id).get(_GATE) in wanted,
            "the first gate judges",
            every=1.0,
        )

    def mark_gate(self, run: DagRun, state: str) -> None:
        """Mark the first gate in Airflow, as a person does."""
        self.api.set_task_state(run.dag_id, run.run_id, _GATE, state)

    def mark_run(self, run: DagRun, state: str) -> None:
        """Mark a run in Airflow, as a person does."""
        self.api.set_run_state(run.dag_id, run.run_id, state)

    def over(self, run: DagRun) -> tuple[DagRun, Outcome | None]:
        """Wait for the end of a run, its teardown included: a marked run ends before it.

        :returns: the run, and how its release ended; None where it had not begun.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        while self.api.task_states(run.dag_id, run.run_id).get(_LAST) not in _ENDS:
            if time.monotonic() > end:
                raise AssertionError(f"{run.run_id}: {_LAST} has not ended")
            time.sleep(1.0)
        done = self.api.wait(run.dag_id, run.run_id, timeout_seconds=_PATIENCE_SECONDS)
        record = read_record(self.api, run.dag_id, run.run_id)
        return done, record.outcome if record else None

    def roll_back(self) -> subprocess.CompletedProcess[str]:
        """Put traffic back by the command that needs no Airflow."""
        file = self._dags / f"{self.shop.name}.yaml"
        return subprocess.run(
            [sys.executable, "-m", "airflow_rollout.cli", "rollback", file],
            env={**os.environ, "AIRFLOW_CONN_CLUSTER": connection(self.shop.lab)},
            capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False,
        )  # fmt: skip

    def ended(self, run: DagRun) -> Released:
        """Wait for the end of a run and return what it left."""
        done = self.api.wait(run.dag_id, run.run_id, timeout_seconds=_PATIENCE_SECONDS)
        record = read_record(self.api, run.dag_id, run.run_id)
        assert record is not None, f"{run.run_id} left no record"
        return Released(run=done, record=record)

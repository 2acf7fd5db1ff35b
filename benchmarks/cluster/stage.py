"""The node with gateway, Prometheus, Airflow and users, and one release after the other on it."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import psutil

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import read_record
from airflow_rollout.demo.airflow import AirflowLab
from airflow_rollout.demo.airflow_settings import CLUSTER_MODULES
from airflow_rollout.demo.answers import Answer, AnswerTail
from airflow_rollout.demo.processes import wait_until
from benchmarks.cluster.cases import ABORTED, GOOD, SILENT, STABLES, NodeCase
from benchmarks.cluster.unstarted import UNSTARTED, Unstarted
from benchmarks.releases.measured import Played

# The node is that of the tests.
sys.path += [str(Path(__file__).parents[2] / "tests" / name) for name in (".", "cluster", "real")]

from images import image
from kube_lab import KubeLab, Shop, connection, missing_here, node_binaries
from real_servers import Prometheus, find_binary
from release_scenes import SCENES
from releases import Releases, write_dag

__all__ = ["STEPS", "NodeStage", "OnNode", "document", "missing_here"]

_RATE = 100.0
_NAMESPACE = "bench"
_GATE = "step_01.gate"

# After an abort the API server's work is counted that long.
AFTER_SECONDS = 30.0

_PATIENCE_SECONDS = 600.0
_JUDGED_SECONDS = 120.0
_SETTLE_SECONDS = 1.5

STEPS: dict[str, dict[str, Any]] = {
    "bad": {"steps": [{"weight": 10, "hold": "60s"}]},
    "slow-scrape": {"steps": [{"weight": 10, "hold": "300s"}]},
    "short": {"steps": [{"weight": 10, "hold": "20s"}]},
    "good": {"steps": [{"weight": 10 * step, "hold": "10s"} for step in range(1, 6)]},
}


def document(name: str) -> str:
    """Return a rollout with the limits and the pace the others had."""
    source, every, interval = "prometheus", "1s", "5s"
    if name == "slow-scrape":
        source, every, interval = "slow_prometheus", "15s", "15s"
    spec = {
        "workload": {"kind": "deployment"},
        "traffic": {"router": "gateway_api", "service": "checkout", "conn_id": "cluster"},
        "canary": STEPS[name],
        "analysis": {
            "promote": "on_time",
            "source": {"provider": "prometheus", "conn_id": source, "every": every},
            "interval": interval,
            "failure_limit": 4,
            "dispersion": 1,
            "warmup": "0s",
            "metrics": [
                {"name": "http_500_rate", "max": "0.5%"},
                {"name": "p99_latency", "max": "500ms"},
            ],
        },
        "ready_timeout": "2m",
    }
    metadata = {"name": "checkout", "namespace": _NAMESPACE}
    return json.dumps(
        {
            "apiVersion": "airflow-rollout/v1",
            "kind": "Rollout",
            "metadata": metadata,
            "spec": spec,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnNode:
    """One release on the node.

    :param api_cores: what the API server used in the seconds after an abort, None where nothing
        was aborted.
    :param asked_at: when a person's abort was accepted.
    """

    kind: NodeCase
    played: Played
    api_cores: float | None = None
    asked_at: float | None = None


class NodeStage:
    """A context manager; everything it starts has ended when it is left.

    :param each: how often each version that never starts is going to be released.
    """

    def __init__(self, *, each: int) -> None:
        self._each = each
        self._stack = ExitStack()
        self.answers: list[Answer] = []
        self._number = 0
        self._stable = STABLES[0]

    def __enter__(self) -> Self:
        with self._stack as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollout-bench-")))
            self._lab = stack.enter_context(KubeLab(node_binaries()))
            fast = self._prometheus(stack, folder / "fast", every_milliseconds=1000)
            slow = self._prometheus(stack, folder / "slow", every_milliseconds=15_000)
            self._fast = fast
            self._airflow = stack.enter_context(
                AirflowLab(
                    _dags(folder / "dags", each=self._each),
                    connections={
                        "cluster": connection(self._lab),
                        "prometheus": _http(fast.url),
                        "slow_prometheus": _http(slow.url),
                    },
                    preload=CLUSTER_MODULES,
                )
            )
            for name in STEPS:
                self._airflow.wait_for_dag(name)
            self._shop: Shop = self._lab.namespace(_NAMESPACE)
            self._releases = Releases(self._shop, self._airflow)
            self._api = self._releases.api
            self._releases.load.start(_RATE)
            self._tail = AnswerTail(self._lab.home / f"{_NAMESPACE}.answers")
            # What went well is left open for the others' `with`.
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def play(self, kind: NodeCase) -> OnNode:
        """Release a version and see it end."""
        self._number += 1
        version = f"{kind.case.name}-{self._number}"
        name = self._other() if kind is GOOD else kind.image
        since = time.time()
        conf = {"version": version, "image": image(name)}
        run = self._api.trigger(kind.rollout, run_id=version, conf=conf)
        asked_at = self._while_judged(kind, run)
        run = self._api.wait(run.dag_id, run.run_id, timeout_seconds=_PATIENCE_SECONDS)
        record = read_record(self._api, run.dag_id, run.run_id)
        # Users see the name that stands in the image.
        played = Played(case=kind.case, version=name, since=since, run=run, record=record)
        found = OnNode(kind=kind, played=played, asked_at=asked_at)
        if run.state == "failed":
            found = replace(found, api_cores=self.api_cores(AFTER_SECONDS))
        elif kind is GOOD:
            self._stable = name
        time.sleep(_SETTLE_SECONDS)
        self.answers += self._tail.read_new()
        return found

    def give_up(self, name: str, number: int) -> Unstarted:
        """Release a version that never starts, in a namespace of its own: it spoils that."""
        place = _place(name, number)
        self._airflow.wait_for_dag(place)
        shop = self._lab.namespace(place)
        ended = SCENES[name](Releases(shop, self._airflow))["ended"]
        run, record = ended.run, ended.record
        over = run.end_date.timestamp() if run.end_date else time.time()
        return Unstarted(
            name=name,
            outcome=record.outcome,
            reason=record.reason,
            warned_at=shop.first_warning(),
            given_up_at=ended.given_up[0].at if ended.given_up else over,
            over_at=over,
            gates=len(record.gates),
        )

    def api_cores(self, seconds: float) -> float:
        """Return how many cores the API server uses for some seconds."""
        server = psutil.Process(self._lab.processes["kube-apiserver"].pid)
        before, began = server.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after, spent = server.cpu_times(), time.monotonic() - began
        return float(after.user + after.system - before.user - before.system) / spent

    def _while_judged(self, kind: NodeCase, run: DagRun) -> float | None:
        """Do what happens to a release while its first gate judges; return when it was asked."""
        if kind not in (ABORTED, SILENT):
            return None
        wait_until(
            lambda: self._is_judged(run), what=f"judging gate of {run.run_id}",
            timeout_seconds=_JUDGED_SECONDS,
        )  # fmt: skip
        if kind is SILENT:
            # Awake again at the end of the release, whatever it waits for.
            self._fast.signal(signal.SIGSTOP)
            try:
                self._api.wait(run.dag_id, run.run_id, timeout_seconds=_PATIENCE_SECONDS)
            finally:
                self._fast.signal(signal.SIGCONT)
            return None
        self._api.set_task_state(run.dag_id, run.run_id, _GATE, "failed")
        return time.time()

    def _is_judged(self, run: DagRun) -> bool:
        record = read_record(self._api, run.dag_id, run.run_id)
        return record is not None and any(gate.judgement.metrics for gate in record.gates)

    def _other(self) -> str:
        """Return the good version that is not stable now."""
        return next(name for name in STABLES if name != self._stable)

    def _prometheus(self, stack: ExitStack, home: Path, *, every_milliseconds: int) -> Prometheus:
        home.mkdir()
        binary = find_binary("prometheus")
        assert binary is not None, "prometheus was looked for before"
        server = Prometheus(
            home, binary, self._lab.gateway.metrics_address, every_milliseconds=every_milliseconds
        )
        stack.callback(server.stop)
        server.start()
        return server


def _dags(folder: Path, *, each: int) -> Path:
    folder.mkdir()
    for name in STEPS:
        write_dag(folder, name, text=document(name))
    for name in UNSTARTED:
        for number in range(each):
            write_dag(folder, _place(name, number))
    return folder


def _place(name: str, number: int) -> str:
    return f"{name}-{number}"


def _http(url: str) -> str:
    return json.dumps({"conn_type": "http", "host": url})

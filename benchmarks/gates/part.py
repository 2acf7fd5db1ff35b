"""Run the gates for a few intervals and put what they cost beside what was promised."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from cryptography.fernet import Fernet
from rich.console import Console

from airflow_rollout.analysis.parameters import JudgeParams, Metric, Question, Semantics, Threshold
from airflow_rollout.hooks.connection import static_connections
from airflow_rollout.hooks.systems import open_router
from airflow_rollout.record import Attempt, StepStart, to_piece
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.spec.model import MetricSource, RolloutSpec, Step, TrafficRef, WorkloadRef
from benchmarks.gates.host import Server, Supervisor
from benchmarks.report import Figure, Of, PartReport, Wanted
from benchmarks.stats import percentile

__all__ = ["PART", "Seen", "report_of", "run"]

PART = "gates"
GATES = 1000
QUESTIONS = 50
EVERY_SECONDS = 15.0

_MOST_LAG_SECONDS = 0.5
_MOST_MEGABYTES = 500.0
_WEIGHT = 10
# A gate that ends within the measurement would make room for the others.
_HOLD_SECONDS = 3600.0
# The first look of each gate is its own; after two intervals all ask together.
_SETTLING_SECONDS = 2 * EVERY_SECONDS
_START_SECONDS = 300.0
_END_SECONDS = 30.0
_CHILD = Path(__file__).with_name("child.py")


@dataclass(kw_only=True)
class Seen:
    """What one run has shown; times are monotonic seconds."""

    began: float = 0.0
    ended: float = 0.0
    looks: list[tuple[float, float, float]] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=dict)
    probes: int = 0
    faults: list[str] = field(default_factory=list)

    def within(self) -> list[tuple[float, float, float]]:
        """Return the looks of the measured intervals."""
        return [look for look in self.looks if self.began <= look[0] < self.ended]


def run(console: Console, *, gates: int, intervals: int) -> PartReport:
    """Measure `intervals` intervals of `gates` gates."""
    what = f"gates: {gates} gates, {intervals} intervals of {EVERY_SECONDS:g} s"
    with tempfile.TemporaryDirectory(prefix="rollout-bench-") as home, console.status(what):
        seen = asyncio.run(_Bench(Path(home), gates, intervals).measured())
    return report_of(seen, gates, intervals)


class _Bench:
    """One triggerer and its surroundings."""

    def __init__(self, home: Path, gates: int, intervals: int) -> None:
        self._home = home
        self._gates = gates
        self._intervals = intervals
        self._seen = Seen()
        self._base = ""
        self._key = Fernet.generate_key()
        self._fernet = Fernet(self._key)

    async def measured(self) -> Seen:
        """Start everything, wait, and return what was seen."""
        server = Server(weight=_WEIGHT)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=4096)
        self._base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        (self._home / "routes").mkdir()
        specs = [self._spec(number) for number in range(self._gates)]
        supervisor = Supervisor([await self._workload(spec) for spec in specs], self._connections())
        ours, theirs = socket.socketpair()
        answering = asyncio.create_task(supervisor.serve(ours))
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(_CHILD), str(self._home / "seen"),
            stdin=theirs, stdout=(self._home / "said").open("w"), stderr=asyncio.subprocess.STDOUT,
            env=self._environment(), cwd=self._home,
        )  # fmt: skip
        theirs.close()
        try:
            await self._started(child, supervisor)
            await self._look_on(child.pid, server, supervisor)
        finally:
            await _end(child)
            answering.cancel()
            listening.close()
        self._read_looks()
        return self._seen

    async def _started(self, child: asyncio.subprocess.Process, supervisor: Supervisor) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while len(supervisor.gates) < self._gates:
                if child.returncode is not None:
                    raise RuntimeError(f"the triggerer has ended: {self._errors()}")
                await asyncio.sleep(0.2)

    async def _look_on(self, pid: int, server: Server, supervisor: Supervisor) -> None:
        await asyncio.sleep(_SETTLING_SECONDS)
        seen = self._seen
        seen.began = time.monotonic()
        seen.ended = seen.began + self._intervals * EVERY_SECONDS
        asked, probes, said = len(server.asked), server.probes, supervisor.said.copy()
        process = psutil.Process(pid)
        while time.monotonic() < seen.ended:
            seen.megabytes.append(process.memory_info().rss / 2**20)
            await asyncio.sleep(1.0)
        seen.asked = [one for one in server.asked[asked:] if one[0] < seen.ended]
        seen.probes = server.probes - probes
        seen.said = dict(supervisor.said - said)
        if supervisor.ended:
            seen.faults.append(f"{len(supervisor.ended)} gates have ended: {self._errors()}")
        found = len({query for _, query in seen.asked})
        if found != (wanted := min(QUESTIONS, self._gates)):
            seen.faults.append(f"{found} different questions were asked, not {wanted}")

    def _errors(self) -> str:
        return (self._home / "said").read_text()[-2000:]

    def _read_looks(self) -> None:
        lines = (self._home / "seen").read_text().splitlines()
        # The last line may have been cut by the end.
        for line in lines[:-1]:
            self._seen.looks.append(tuple(json.loads(line)))

    def _environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("AIRFLOW_")}
        (self._home / "airflow.cfg").write_text("[core]\nload_examples = False\n")
        root = str(Path(__file__).parents[2])
        return {
            **kept, "AIRFLOW_HOME": str(self._home), "PYTHONPATH": root,
            "AIRFLOW__CORE__FERNET_KEY": self._key.decode(),
        }  # fmt: skip

    def _connections(self) -> dict[str, dict[str, Any]]:
        known = {
            "host": self._base, "extra": "{}",
            "schema": None, "login": None, "password": None, "port": None,
        }  # fmt: skip
        router = {**known, "extra": json.dumps({"directory": str(self._home / "routes")})}
        return {
            "router": {**router, "conn_id": "router", "conn_type": "traefik"},
            "metrics": {**known, "conn_id": "metrics", "conn_type": "prometheus"},
        }

    def _spec(self, number: int) -> RolloutSpec:
        metric = Metric(
            name="queue", question=Question.VALUE, threshold=Threshold(maximum=5.0), compare=False,
            query=f'sum(queue{{shard="{number % QUESTIONS}"}})',
        )  # fmt: skip
        name = f"service-{number:04d}"
        return RolloutSpec(
            name=name, namespace="bench", dialect="native",
            workload=WorkloadRef(kind="endpoints", name=name),
            traffic=TrafficRef(router="traefik_file", service=name, conn_id="router"),
            source=MetricSource(
                provider="prometheus", conn_id="metrics", every_seconds=EVERY_SECONDS
            ),
            steps=(Step(weight=_WEIGHT, hold_seconds=_HOLD_SECONDS),),
            verify_seconds=_HOLD_SECONDS,
            judge=JudgeParams(
                semantics=Semantics.NATIVE, metrics=(metric,), interval_seconds=EVERY_SECONDS,
                failure_limit=5,
            ),
        )  # fmt: skip

    async def _workload(self, spec: RolloutSpec) -> dict[str, Any]:
        """Open a release as its tasks would, and return its gate as Airflow would start it."""
        now = time.time()
        token = Token(epoch=spec.name, owner=spec.name, digest=spec.digest())
        arms = [Arm(version=version, target=self._base) for version in ("v1", "v2")]
        split = TrafficSplit(
            service=spec.name, stable=arms[0], canary=arms[1], weight=_WEIGHT,
            state=ReleaseState.OPEN, token=token,
        )  # fmt: skip
        router = json.dumps(self._connections()["router"])
        async with open_router(spec, static_connections({"router": router})) as systems:
            await systems.write_split(replace(split, weight=0), None)
            await systems.write_split(split, replace(split, weight=0))
        attempt = Attempt(token=token, canary=arms[1], stable=arms[0], opened_at=now)
        start = StepStart(
            attempt=attempt, step_id="step_01", weight=_WEIGHT, written_at=now,
            release_started_at=now,
        )  # fmt: skip
        kwargs = {
            "spec": spec.to_builtins(),
            "step_id": "step_01",
            "promote_task_id": "step_01.promote",
            "start": to_piece(start),
            "task": {"dag_id": spec.name, "run_id": spec.name, "task_id": "step_01.gate"},
        }
        number = int(spec.name.rpartition("-")[2]) + 1
        return {
            "id": number,
            "classpath": "airflow_rollout.triggers.gate.GateTrigger",
            "encrypted_kwargs": self._fernet.encrypt(json.dumps(kwargs).encode()).decode(),
            "type": "RunTrigger",
        }


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGKILL)
    async with asyncio.timeout(_END_SECONDS):
        await child.wait()


def report_of(seen: Seen, gates: int, intervals: int) -> PartReport:
    """Return the figures of what was seen."""
    looks = seen.within()
    per_interval = tuple(
        float(sum(begin <= at < begin + EVERY_SECONDS for at, _ in seen.asked))
        for begin in (seen.began + index * EVERY_SECONDS for index in range(intervals))
    )
    lags = [max(0.0, late) for _, late, _ in looks]
    busy = (looks[-1][2] - looks[0][2]) / (looks[-1][0] - looks[0][0]) if len(looks) > 1 else 0.0
    group = f"{gates:,} gates"
    shared = min(QUESTIONS, gates)
    figures = (
        Figure(group=group, name=f"requests an interval, {shared} different questions",
               unit="requests", values=per_interval,
               wanted=Wanted(at_most=float(shared), of=Of.HIGHEST), expected=intervals),
        Figure(group=group, name="the event loop's lag, 99 % of looks", unit="s",
               values=(percentile(lags, 99),) if lags else (), expected=1,
               wanted=Wanted(at_most=_MOST_LAG_SECONDS)),
        Figure(group=group, name="the event loop's lag", unit="s", values=tuple(lags)),
        Figure(group=group, name="resident memory of the process", unit="MB",
               values=tuple(seen.megabytes),
               wanted=Wanted(at_most=_MOST_MEGABYTES, of=Of.HIGHEST)),
        Figure(group=group, name="processor time a second", unit="s", values=(busy,)),
    )  # fmt: skip
    return PartReport(
        part=PART,
        title=f"{group} on one triggerer, {QUESTIONS} questions, every {EVERY_SECONDS:g} s",
        figures=figures,
        faults=tuple(seen.faults),
        notes=(
            "Airflow's own trigger runner with real gates over HTTP and files; its supervisor, the "
            f"metric system, the router's API and the versions are one other process. Within the "
            f"time {seen.probes / (intervals * EVERY_SECONDS):.0f} probes a second were answered.",
        ),
        details={"said": seen.said},
    )

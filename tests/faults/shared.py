"""Faults of what all services share, one at a time; several releases feel each of them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fault_lab import Stage
from fault_scene import FaultScene
from proxy import Proxy

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.demo.lab import Lab
from airflow_rollout.demo.processes import Processes

__all__ = ["LAST_ON_SQLITE", "ON_SQLITE", "pair", "second_triggerer"]

_PATIENCE_SECONDS = 60.0

# Far longer than a component needs to be killed and started: the bad one is to be stopped in it.
_BAD_HOLD = "60s"

_AN_HOUR_SECONDS = 3600.0

# A gate judges every second.
_SEVERAL_JUDGEMENTS_SECONDS = 3.0
_OWN_CLOCK = Path(__file__).with_name("own_clock")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A good release and one that can be turned bad, both in their first gate.

    The good one goes by `pair.yaml`, the bad one by Flagger's rules.

    :param stable: the version that the bad one is to be put back to.
    """

    version: str
    stable: str
    good: FaultScene
    good_run: DagRun
    bad: FaultScene
    bad_run: DagRun
    way: Proxy

    def turn_bad(self) -> None:
        """Let the canary of the second one fail from now on."""
        self.bad.turn_bad(self.way, self.version)

    def ended(self) -> dict[str, Any]:
        """Wait for both ends and return what came of them."""
        bad, good = self.bad.over(self.bad_run), self.good.over(self.good_run)
        versions = (self.version, f"{self.version}-broken")
        reached = self.bad.reached_after_verdict(bad, *versions)
        exposed = self.bad.exposed_seconds(bad, *versions)
        return {
            "good": good, "bad": bad, "reached": reached, "exposed": exposed,
            "version": self.version, "stable": self.stable,
        }  # fmt: skip


@contextmanager
def pair(stage: Stage) -> Iterator[Pair]:
    """Start both releases, so that one fault meets both in their first gate.

    The bad one first: it waits there, the good one's gate has only just begun.
    """
    good, bad = stage.scene("good"), stage.scene("bad")
    version = good.next_version()
    for scene in (good, bad):
        if "v1" not in scene.urls:
            scene.given_stable("v1")
    good.given_version(version)
    before = bad.split()
    assert before is not None
    assert before.stable is not None
    with bad.given_breakable(version, interval=_BAD_HOLD) as (bad_run, way):
        good_run = good.start(version)
        good.wait_for_judging(good_run, "step_01")
        yield Pair(
            version=version, stable=before.stable.version, good=good, good_run=good_run, bad=bad,
            bad_run=bad_run, way=way,
        )  # fmt: skip


def triggerer_killed(stage: Stage) -> dict[str, Any]:
    """The triggerer is killed in mid-gate of a good release and of one that turns bad meanwhile."""
    with pair(stage) as both:
        stage.lab.airflow.kill("triggerer")
        both.turn_bad()
        stage.lab.airflow.start("triggerer")
        ended = both.ended()
    gate = ended["good"].record.gates[0]
    # As long as the gate judged, give and take a moment of the load's and of the source's.
    answers = both.good.answers(since=gate.written_at - 1.0, until=gate.judgement.at + 1.0)
    return {**ended, "sent": sum(it.version == both.version for it in answers)}


def scheduler_killed(stage: Stage) -> dict[str, Any]:
    """The scheduler is dead at one verdict and in mid-gate of a good release."""
    return _killed(stage, "scheduler")


def api_server_killed(stage: Stage) -> dict[str, Any]:
    """The API server is dead at one verdict and in mid-gate of a good release."""
    return _killed(stage, "api-server")


def _killed(stage: Stage, component: str) -> dict[str, Any]:
    with pair(stage) as both:
        stage.lab.airflow.kill(component)
        try:
            both.turn_bad()
            both.bad.wait_sealed(seconds=_PATIENCE_SECONDS)
            both.bad.wait_live(0, seconds=5.0)
        finally:
            stage.lab.airflow.start(component)
        stage.lab.airflow.wait_ready()
        return both.ended()


def router_killed(stage: Stage) -> dict[str, Any]:
    """Traefik is killed and started again in mid-gate of two releases; one turns bad after it."""
    with pair(stage) as both:
        recorded = both.good.split()
        stage.lab.traefik.restart()
        assert recorded is not None
        both.good.wait_live(recorded.weight, seconds=5.0)
        served = stage.lab.live_weight("good")
        both.turn_bad()
        return {**both.ended(), "recorded": recorded.weight, "served": served}


def clock_jumps(stage: Stage) -> dict[str, Any]:
    """The triggerer's clock jumps forth by an hour in one gate and back in the next one."""
    with movable_clock(stage.lab) as set_clock, pair(stage) as both:
        set_clock(_AN_HOUR_SECONDS)
        time.sleep(_SEVERAL_JUDGEMENTS_SECONDS)
        run = both.good_run
        after_jump = both.good.api.task_states(run.dag_id, run.run_id)
        both.turn_bad()
        both.bad.wait_sealed(seconds=_PATIENCE_SECONDS)
        both.good.wait_for_judging(run, "step_full")
        set_clock(0.0)
        return {**both.ended(), "after_jump": after_jump}


def triggerer_never_back(stage: Stage) -> dict[str, Any]:
    """The triggerer is killed in mid-gate and stays away."""
    scene = stage.scene("alone")
    run = scene.given_good("v2", interval="5s")
    start = scene.api.xcom(run.dag_id, run.run_id, "step_01.promote", "step")
    stage.lab.airflow.kill("triggerer")
    try:
        scene.wait_sealed(seconds=180.0)
        sealed_at = time.time()
        live_after = scene.wait_live(0, seconds=5.0)
        ended = scene.over(run)
    finally:
        stage.lab.airflow.start("triggerer")
    stage.lab.airflow.wait_ready()
    return {
        "ended": ended, "sealed_after": sealed_at - start["written_at"],
        "reached": scene.reached_since(sealed_at + live_after + 0.5, "v2"),
    }  # fmt: skip


@contextmanager
def movable_clock(lab: Lab) -> Iterator[Callable[[float], None]]:
    """Run the triggerer with a clock of its own that can be set, in seconds ahead."""
    clock = lab.home / "clock"

    def set_clock(seconds: float) -> None:
        # In one move: the triggerer must never read half a number.
        passing = clock.with_suffix(".new")
        passing.write_text(str(seconds))
        passing.replace(clock)

    set_clock(0.0)
    path = os.pathsep.join(filter(None, [str(_OWN_CLOCK), os.environ.get("PYTHONPATH")]))
    before = dict(lab.airflow.env)
    _start_triggerer_with(lab, {**before, "OWN_CLOCK_FILE": str(clock), "PYTHONPATH": path})
    try:
        yield set_clock
    finally:
        _start_triggerer_with(lab, before)


def _start_triggerer_with(lab: Lab, env: dict[str, str]) -> None:
    lab.airflow.kill("triggerer")
    lab.airflow.env.clear()
    lab.airflow.env.update(env)
    lab.airflow.start("triggerer")
    lab.airflow.wait_ready()


@contextmanager
def second_triggerer(lab: Lab) -> Iterator[None]:
    """Run another triggerer on the same Airflow; ready when it has begun to look for work."""
    command = [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"]
    with Processes() as processes:
        child = processes.start("triggerer", command, env=lab.airflow.env, cwd=lab.airflow.home)
        end = time.monotonic() + _PATIENCE_SECONDS
        while "Starting the triggerer" not in child.tail(200):
            assert child.is_running, child.tail()
            assert time.monotonic() < end, child.tail()
            time.sleep(0.1)
        yield


Act = Callable[[Stage], dict[str, Any]]

# In the order of each Airflow's acts. The last one kills its triggerer and lets it stay away.
LAST_ON_SQLITE = "triggerer-never-back"

ON_SQLITE: dict[str, Act] = {
    # The first act on the other Airflow starts three components at once: no moment for a verdict
    # of a triggerer that has only just started too.
    "scheduler-killed": scheduler_killed,
    "triggerer-killed": triggerer_killed,
    "api-server-killed": api_server_killed,
    "router-killed": router_killed,
    "clock-jumps": clock_jumps,
    LAST_ON_SQLITE: triggerer_never_back,
}

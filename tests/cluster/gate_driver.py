"""The first step of a release with its gate, without an Airflow."""

from __future__ import annotations

import asyncio

from driver import Driver
from kube_lab import Shop
from real_servers import Prometheus
from rollout import Load, connections, document

from airflow_rollout.demo.answers import Answer, exposure
from airflow_rollout.demo.part import Part
from airflow_rollout.hooks.connection import static_connections
from airflow_rollout.hooks.systems import open_systems
from airflow_rollout.plan import find_step
from airflow_rollout.record import Attempt, Checkpoint, GatePiece, StepStart
from airflow_rollout.seen import SeriesPiece
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.gate_loop import GateLoop
from airflow_rollout.triggers.traffic_watch import TrafficWatch

_STEP = "step_01"


class _Log:
    """A notebook that keeps what is said and forgets what is saved."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    async def save_gate(self, piece: GatePiece) -> None:
        """Forget it."""

    async def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Forget it."""

    async def save_series(self, number: int, piece: SeriesPiece) -> None:
        """Forget it."""


class GateDriver(Part):
    """Bring a version to the first step under load, and judge it there."""

    def __init__(self, shop: Shop, version: str, prometheus: Prometheus) -> None:
        self.driver = Driver(shop, version, text=document(shop.name))
        self._connect = static_connections(connections(shop.lab, prometheus))
        self._load = Load(shop)
        self.answers: list[Answer] = []

    def come_up(self) -> None:
        """Send load and start the version; returns when it is ready."""
        self._load.start(50.0)
        self.driver.start()
        probe = self.driver.ready()
        assert probe.ok, probe

    def close(self) -> None:
        """End the load."""
        self.answers = self._load.stop()

    def last_canary(self) -> float:
        """Return when the last request was sent that reached the canary; after the load's end."""
        last = exposure(self.answers, canary=self.driver.canary.version).last_canary
        assert last is not None, "the canary was never asked"
        return last

    def judged(self) -> GatePiece:
        """Raise to the first step and return the gate's last word."""
        return asyncio.run(self._judged())

    async def _judged(self) -> GatePiece:
        step = find_step(self.driver.spec, _STEP)
        clock = Clock()
        opened_at = clock.now()
        await asyncio.to_thread(self.driver.raise_to, step.weight, 0, _STEP)
        now = clock.now()
        found = await asyncio.to_thread(self.driver.split)
        assert found is not None
        attempt = Attempt(
            token=self.driver.token, canary=self.driver.canary, stable=found.stable,
            opened_at=opened_at,
        )  # fmt: skip
        start = StepStart(
            attempt=attempt, step_id=_STEP, weight=step.weight, written_at=now,
            release_started_at=now,
        )  # fmt: skip
        log = _Log()
        async with open_systems(self.driver.spec, self._connect) as systems:
            watch = TrafficWatch(
                systems, attempt, weight=step.weight, written_at=now, clock=clock, say=log.say
            )
            loop = GateLoop(
                systems=systems, spec=self.driver.spec, step=step, start=start, state=None,
                watch=watch, notebook=log, clock=clock,
            )  # fmt: skip
            try:
                async with asyncio.timeout(120):
                    return await loop.run()
            except TimeoutError:
                raise AssertionError(f"no last word: {log.said[-5:]}") from None

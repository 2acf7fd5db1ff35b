"""The moves of a release without an Airflow, with no more rights than the example's Role."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from api_lab import connection
from images import image
from kube_shop import Shop

from airflow_rollout.analysis.readings import Probe
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.connection import static_connections
from airflow_rollout.hooks.moves import (
    Move,
    abort,
    make_stable,
    open_release,
    persist,
    raise_weight,
    stay,
)
from airflow_rollout.hooks.systems import Systems, open_router
from airflow_rollout.hooks.way_back import go_back
from airflow_rollout.release import Arm, Token, TrafficSplit
from airflow_rollout.spec.loader import parse_spec

T = TypeVar("T")

SPEC = """
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {{name: checkout, namespace: {namespace}}}
spec:
  workload: {{kind: deployment}}
  traffic: {{router: gateway_api, service: checkout, conn_id: cluster}}
  canary: {{steps: [{{weight: 10, hold: 5s}}]}}
  analysis:
    source: {{provider: scrape, conn_id: metrics, every: 1s}}
    metrics: [{{name: http_500_rate, max: 1%}}]
"""


class Driver:
    """Move one release of a shop, one task after the other."""

    def __init__(self, shop: Shop, version: str, *, text: str = "") -> None:
        self.shop = shop
        self.canary = Arm(version=version, target=image(version))
        self.spec = parse_spec(text or SPEC.format(namespace=shop.name), file=None)
        self.token = Token(epoch="e1", owner="dag/run", digest=self.spec.digest())
        self._connect = static_connections({"cluster": connection(shop.lab)})

    def do(self, work: Callable[[Systems], Awaitable[T]]) -> T:
        async def done() -> T:
            async with open_router(self.spec, self._connect) as systems:
                return await work(systems)

        return asyncio.run(done())

    def preflight(self) -> list[str]:
        return self.do(lambda systems: systems.preflight())

    def start(self) -> None:
        """Open the release and start its canary."""
        self.do(
            lambda systems: open_release(
                systems, service="checkout", token=self.token, canary=self.canary
            )
        )
        self.do(lambda systems: systems.deploy(self.canary))

    def ready(self) -> Probe:
        """Wait until the canary is ready, or will never be."""

        async def wait(systems: Systems) -> Probe:
            for _ in range(240):
                probe = await systems.probe(self.canary, time.time())
                if probe.ok or probe.fatal:
                    return probe
                await asyncio.sleep(0.25)
            raise AssertionError(f"neither ready nor given up: {probe}")

        return self.do(wait)

    def raise_to(self, weight: int, previous: int, step: str = "") -> None:
        self.do(
            lambda systems: raise_weight(
                systems, token=self.token, canary=self.canary, weight=weight,
                previous_weight=previous, step=step or f"at_{weight}",
            )
        )  # fmt: skip

    def at(self, weight: int) -> None:
        """Bring a ready canary to a weight, and see its traffic."""
        self.start()
        probe = self.ready()
        assert probe.ok, probe
        self.raise_to(weight, 0)
        self.shop.until(self._has_answered, "the canary answers")

    def _has_answered(self) -> bool:
        return self.canary.version in self.shop.answers(20)

    def promote(self) -> None:
        """Let stable take over, switch and remove the canary."""

        async def work(systems: Systems) -> None:
            for _ in range(240):
                try:
                    if not await systems.promote(self.canary):
                        break
                except TransientAdapterError as error:
                    print(error)
                await asyncio.sleep(0.25)
            await make_stable(systems, token=self.token, canary=self.canary)
            await persist(
                lambda: systems.remove(self.canary, released=True), seconds=60.0, on_error=print
            )

        self.do(work)

    def promote_until_stuck(self) -> Move:
        """Let stable take over, which it cannot, and leave the traffic where it is."""
        try:
            self.promote()
        except PermanentAdapterError as error:
            reason = str(error)
        else:
            raise AssertionError("stable took over")
        return self.do(
            lambda systems: stay(systems, token=self.token, canary=self.canary, reason=reason)
        )

    def stable_takes_over(self) -> bool:
        try:
            return not self.do(lambda systems: systems.promote(self.canary))
        except (PermanentAdapterError, TransientAdapterError):
            return False

    def seal(self) -> Move:
        """Do what a gate does at its verdict."""
        epoch, owner = self.token.epoch, self.token.owner
        return self.do(lambda systems: abort(systems, epoch=epoch, owner=owner, reason="raced"))

    def go_back(self, *, stuck_stays: bool = False) -> Move:
        owner, reason = self.token.owner, "a test says so"
        return self.do(
            lambda systems: go_back(systems, owner=owner, reason=reason, stuck_stays=stuck_stays)
        )

    def split(self) -> TrafficSplit | None:
        return self.do(lambda systems: systems.read_split())

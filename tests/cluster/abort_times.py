"""Measure from a gate's verdict to the last request that reaches the canary, on a real node.

`python tests/cluster/abort_times.py --count 30` (as root, with what `make cluster` needs) prints
the median and the 95th percentile of each part. The verdict is given: how soon a judge finds one is
measured by `python -m benchmarks releases`.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import replace

from driver import Driver
from kube_lab import KubeLab, Shop, connection, node_binaries
from rollout import Load

from airflow_rollout.demo.answers import Answer, exposure, percentile
from airflow_rollout.hooks.connection import static_connections
from airflow_rollout.hooks.systems import open_router
from airflow_rollout.record import Attempt, Stop
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.traffic_watch import TrafficWatch

_RATE = 200.0
_WEIGHT = 50

# In-flight requests and a slow gateway have ended by then.
_SETTLED_SECONDS = 3.0


def main() -> None:
    """Release and stop a good version again and again under load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30, help="aborts to measure")
    count = parser.parse_args().count
    with KubeLab(node_binaries()) as lab:
        shop = lab.namespace("aborts")
        load = Load(shop)
        load.start(_RATE)
        stops = [_stopped(shop, number) for number in range(count)]
        answers = load.stop()
    _report(stops, answers)


def _stopped(shop: Shop, number: int) -> Stop:
    """Bring a canary to its weight and take it back as a gate does."""
    driver = Driver(shop, "v2")
    driver.token = replace(driver.token, epoch=f"e{number}")
    driver.at(_WEIGHT)
    stop = asyncio.run(_stop(driver))
    assert stop.seen_at is not None, f"traffic was not put back: {stop.error}"
    time.sleep(_SETTLED_SECONDS)
    driver.go_back()
    return stop


async def _stop(driver: Driver) -> Stop:
    clock = Clock()
    attempt = Attempt(
        token=driver.token, canary=driver.canary, stable=None, opened_at=clock.now()
    )  # fmt: skip
    connect = static_connections({"cluster": connection(driver.shop.lab)})
    async with open_router(driver.spec, connect) as systems:
        watch = TrafficWatch(
            systems, attempt, weight=_WEIGHT, written_at=clock.now(), clock=clock, say=print
        )
        # A gate has looked before it stops anything; its connection is warm.
        await watch.look()
        return await watch.stop("measured")


def _report(stops: list[Stop], answers: list[Answer]) -> None:
    last = [_last_canary(stop, answers) - stop.decided_at for stop in stops]
    parts = {
        "verdict -> written (patch)": [(it.written_at or 0.0) - it.decided_at for it in stops],
        "verdict -> seen by the controller": [(it.seen_at or 0.0) - it.decided_at for it in stops],
        "verdict -> last request to the canary": last,
    }  # fmt: skip
    failed = sum(answer.is_failed for answer in answers)
    print(f"{len(stops)} aborts, {len(answers)} requests at {_RATE:g}/s, {failed} failed")
    for name, seconds in parts.items():
        middle, high = percentile(seconds, 50), percentile(seconds, 95)
        print(f"{name}: median {middle:.2f} s, p95 {high:.2f} s, max {max(seconds):.2f} s")


def _last_canary(stop: Stop, answers: list[Answer]) -> float:
    until = stop.decided_at + _SETTLED_SECONDS
    seen = exposure(answers, canary="v2", since=stop.decided_at - 1.0, until=until)
    assert seen.last_canary is not None, "the canary was never asked"
    return seen.last_canary


if __name__ == "__main__":
    main()

"""Something dies that all releases need while they are judged, on a real node, by Airflow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from afterwards import failed_of, is_promoted, is_rolled_back, is_untouched
from driver import Driver
from kube_lab import KubeLab
from outages import Outage, Victim, play_outage
from release_scenes import Played

from airflow_rollout.demo.airflow import AirflowLab
from airflow_rollout.errors import RolloutError, TransientAdapterError
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.release import Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

_SAFE_SECONDS = 5.0
# A gateway asks a server that was away for a while more and more rarely whether it is back.
_FOLLOWS_SECONDS = 60.0


@pytest.fixture
def broken(
    kubernetes: KubeLab, airflow: AirflowLab, played: dict[str, Future[Played]]
) -> Callable[[str], Outage]:
    # What dies here is needed by all.
    wait(played.values())
    return lambda name: play_outage(name, kubernetes, airflow)


def is_back(victim: Victim) -> None:
    """Say that a release was rolled back, once, and that stable serves alone."""
    is_rolled_back(victim.ended, "")
    victim.shop.until(lambda: victim.shop.answers(30) == {"v1": 30}, "stable", _FOLLOWS_SECONDS)
    is_untouched(victim.shop)
    assert victim.violations == []


def is_whole(victim: Victim) -> None:
    """Say that a good release went on to its end, or was rolled back as a whole."""
    if victim.ended.record.outcome is Outcome.PROMOTED:
        is_promoted(victim.ended, victim.shop, "v2")
        assert victim.violations == []
    else:
        is_back(victim)


@pytest.mark.parametrize("name", ["api-killed", "api-stopped"])
def test_a_cluster_whose_api_is_away_at_the_verdict(
    broken: Callable[[str], Outage], name: str
) -> None:
    outage = broken(name)
    (stop,) = [gate.stop for gate in outage.bad.ended.record.gates if gate.stop is not None]
    assert stop.decided_at < outage.over_at, "the verdict came too late for this test"
    print(f"weight 0 is written {outage.weightless_at - outage.over_at:.2f} s after its return")
    assert outage.weightless_at - outage.over_at < _SAFE_SECONDS
    is_back(outage.bad)
    is_whole(outage.good)
    for victim in (outage.bad, outage.good):
        assert failed_of(victim.answers, "v1") == []
        assert failed_of(victim.answers, "") == []


def test_an_api_that_starts_and_refuses_everybody_denies_nothing_for_good(
    kubernetes: KubeLab, namespace_name: str, played: dict[str, Future[Played]]
) -> None:
    wait(played.values())
    driver = Driver(kubernetes.place(namespace_name), "v2")
    over = threading.Event()

    async def read(systems: Systems) -> list[RolloutError]:
        faults: list[RolloutError] = []
        while not over.is_set():
            try:
                await systems.read_split()
            except RolloutError as error:
                faults.append(error)
            await asyncio.sleep(0.01)
        return faults

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(driver.do, read)
        try:
            kubernetes.kill_api_server(1.0)
        finally:
            over.set()
    assert {type(fault) for fault in reading.result()} == {TransientAdapterError}


def test_a_gateway_and_then_a_node_that_die(broken: Callable[[str], Outage]) -> None:
    outage = broken("node-killed")
    is_back(outage.bad)
    is_whole(outage.good)


def test_an_airflow_that_dies_as_a_whole(broken: Callable[[str], Outage]) -> None:
    outage = broken("airflow-killed")
    is_back(outage.bad)
    is_whole(outage.good)
    for victim in (outage.bad, outage.good):
        assert failed_of(victim.answers, "v1") == []
        assert failed_of(victim.answers, "") == []

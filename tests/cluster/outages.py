"""What dies while a bad and a good version are judged, each in a shop of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from kube_lab import KubeLab, Shop
from releases import RATE, Released, Releases
from route_watch import CANARY, RouteWatch

from airflow_rollout.demo.airflow import COMPONENTS, AirflowLab
from airflow_rollout.demo.answers import Answer

__all__ = ["OUTAGES", "Outage", "Victim", "play_outage"]

AWAY_SECONDS = 20.0

# What is judged: what must be stopped, and what need not.
_BAD, _GOOD = "errors", "v2"


@dataclass(frozen=True, kw_only=True)
class Victim:
    """One shop's release in an outage."""

    shop: Shop
    ended: Released
    answers: list[Answer]
    violations: list[str]


@dataclass(frozen=True, kw_only=True)
class Outage:
    """What came of both releases.

    :param over_at: when what had died was there again.
    :param weightless_at: when the bad version's canary had no weight for the first time after that.
    """

    bad: Victim
    good: Victim
    over_at: float
    weightless_at: float


def _gateway_and_node(lab: KubeLab, _airflow: AirflowLab) -> None:
    for part in (lab.gateway, lab.node):
        part.kill()
        part.start()


def _airflow(_lab: KubeLab, airflow: AirflowLab) -> None:
    """Kill all of it at once, the one who judges too."""
    for part in COMPONENTS:
        airflow.kill(part)
    for part in COMPONENTS:
        airflow.start(part)
    airflow.wait_ready()


_BREAKS: dict[str, Callable[[KubeLab, AirflowLab], None]] = {
    "api-killed": lambda lab, _: lab.kill_api_server(AWAY_SECONDS),
    "api-stopped": lambda lab, _: lab.stop_api_server(AWAY_SECONDS),
    "node-killed": _gateway_and_node,
    "airflow-killed": _airflow,
}

# What breaks those who judge breaks them while they do.
_AT_THE_GATE = ("airflow-killed",)

# The namespaces of all outages, which are also their DAGs' ids.
OUTAGES = tuple(f"{outage}-{kind}" for outage in _BREAKS for kind in ("bad", "good"))


def play_outage(name: str, lab: KubeLab, airflow: AirflowLab) -> Outage:
    """Release a bad and a good version, let something die at the verdict, and see both end."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        shops = list(pool.map(lab.namespace, (f"{name}-bad", f"{name}-good")))
        both = [Releases(shop, airflow) for shop in shops]
        with RouteWatch(shops[0]) as first, RouteWatch(shops[1]) as second:
            for releases in both:
                releases.load.start(RATE)
            bad_run, good_run = both[0].start(_BAD), both[1].start(_GOOD)
            shops[0].until(lambda: shops[0].weights().get(CANARY) == 20, "traffic", 240.0)
            if name in _AT_THE_GATE:
                for releases, run in zip(both, (bad_run, good_run), strict=True):
                    releases.wait_for_gate(run, or_its_end=True)
            _BREAKS[name](lab, airflow)
            over_at = time.time()
            shops[0].until(partial(_is_weightless, shops[0]), "no weight", 120.0)
            weightless_at = time.time()
            ended = list(pool.map(Releases.ended, both, (bad_run, good_run)))
            answers = [releases.load.stop() for releases in both]
        violations = [first.violations, second.violations]
    victims = [
        Victim(shop=shop, ended=one, answers=got, violations=wrong)
        for shop, one, got, wrong in zip(shops, ended, answers, violations, strict=True)
    ]
    return Outage(
        bad=victims[0], good=victims[1], over_at=over_at, weightless_at=weightless_at
    )  # fmt: skip


def _is_weightless(shop: Shop) -> bool:
    try:
        return shop.weights().get(CANARY, 0) == 0
    except OSError:
        return False

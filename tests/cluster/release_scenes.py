"""What happens to shops whose versions are released by Airflow, one namespace each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import hand
from images import empty_registry, image
from releases import RATE, Released, Releases
from route_watch import CANARY
from shop_dags import REFUSING, SWITCH

__all__ = ["SCENES", "Played"]

Played = dict[str, Any]

_CHURN_SECONDS = 5.0


def _under_load(releases: Releases, version: str, *, rate: float = RATE) -> Played:
    releases.load.start(rate)
    ended = releases.ended(releases.start(version))
    return {"ended": ended, "answers": releases.load.stop()}


def bad(releases: Releases) -> Played:
    """Its end is told to a receiver that hangs, and after it nothing changes any more."""
    played = _under_load(releases, "errors")
    before = releases.shop.revisions()
    time.sleep(_CHURN_SECONDS)
    return {**played, "before": before, "after": releases.shop.revisions()}


def slow(releases: Releases) -> Played:
    return _under_load(releases, "slow")


def memory(releases: Releases) -> Played:
    """It takes more than it may."""
    return _under_load(releases, "memory")


def crash_loop(releases: Releases) -> Played:
    """It serves forty requests and crashes, again and again; at times no pod of it is ready."""
    # So many that it crashes while its first gate judges.
    return _under_load(releases, "crashloop", rate=4 * RATE)


def silent(releases: Releases) -> Played:
    """A good version whose metric system accepts and never answers."""
    return _under_load(releases, "v2")


def slow_scrape(releases: Releases) -> Played:
    """A good version, of which Prometheus hears every 15 s."""
    return _under_load(releases, "v2")


def absent(releases: Releases) -> Played:
    """The registry says that it has no such image."""
    with empty_registry() as registry:
        run = releases.start("absent", of=f"{registry}/service:absent")
        return {"ended": releases.ended(run)}


def crash(releases: Releases) -> Played:
    return {"ended": releases.ended(releases.start("crash"))}


def never_ready(releases: Releases) -> Played:
    return {"ended": releases.ended(releases.start("neverready"))}


def quota(releases: Releases) -> Played:
    """The namespace has no room for a canary."""
    releases.shop.has_room_for(2)
    return {"ended": releases.ended(releases.start("v2"))}


def admission(releases: Releases) -> Played:
    """A policy of the cluster takes no pod of the version."""
    releases.shop.refuse(image("v2"))
    return {"ended": releases.ended(releases.start("v2"))}


def unschedulable(releases: Releases) -> Played:
    """No node has what the canary's pods ask for, as soon as they are made."""
    shop = releases.shop
    run = releases.start("v2")
    shop.until(lambda: shop.get("Deployment", CANARY) is not None, "the canary is made", 240.0)
    path = "/spec/template/spec/containers/0/resources/requests"
    shop.patch("Deployment", CANARY, [{"op": "add", "path": path, "value": {"cpu": "64"}}])
    return {"ended": releases.ended(run)}


def stuck(releases: Releases) -> Played:
    """Stable cannot get the new version, since there is no room for another pod."""
    shop = releases.shop
    releases.load.start(RATE)
    run = releases.start("v2")
    shop.until(lambda: shop.weights().get(CANARY) == 100, "the canary has all traffic", 240.0)
    shop.has_room_for(4)
    ended = releases.ended(run)
    return {"ended": ended, "serves": shop.answers(20), "answers": releases.load.stop()}


def queue(releases: Releases) -> Played:
    """Two good ones at once, the second waits; a metric has no number before the first request."""
    releases.load.start(RATE)
    first, second = releases.start("v2"), releases.start("v3")
    ended = [releases.ended(run) for run in (first, second)]
    return {"ended": ended, "answers": releases.load.stop()}


def refuse(releases: Releases) -> Played:
    """Two releases at once by two DAGs, of which the second may not wait."""
    releases.load.start(RATE)
    first = releases.in_first_gate("v2")
    # Stable is scaled by hand, too: the first one goes on all the same.
    hand.stable_scaled(releases.shop)
    second = releases.ended(releases.start("v3", dag_id=f"{REFUSING}-too"))
    return {"second": second, "ended": releases.ended(first), "answers": releases.load.stop()}


def switch(releases: Releases) -> Played:
    """Blue-green: one that its test refuses, one that is bad under traffic, and a good one."""
    releases.load.start(RATE)
    ended: dict[str, Released] = {}
    for version in ("errors", "slow", "v2"):
        ended[version] = releases.ended(releases.start(version))
    return {"ended": ended, "answers": releases.load.stop()}


# The long ones first.
SCENES: dict[str, Callable[[Releases], Played]] = {
    "slow-scrape": slow_scrape,
    SWITCH: switch,
    "queue": queue,
    "stuck": stuck,
    REFUSING: refuse,
    "silent": silent,
    "crash-loop": crash_loop,
    "memory": memory,
    "bad": bad,
    "slow": slow,
    "never-ready": never_ready,
    "admission": admission,
    "unschedulable": unschedulable,
    "absent": absent,
    "crash": crash,
    "quota": quota,
}

"""What happens to shops whose release somebody disturbs while its first gate judges."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import hand
from images import image
from kube_lab import Shop
from release_scenes import Played
from releases import RATE, Releases
from route_watch import CANARY
from shop_dags import HASTY

from airflow_rollout.cli.airflow_values import DagRun

__all__ = ["BROKEN_SCENES", "RIGHTS_AWAY_SECONDS"]

# Longer than a gate tries to put traffic back.
RIGHTS_AWAY_SECONDS = 12.0


def _disturbed(change: Callable[[Shop], object], releases: Releases) -> Played:
    releases.load.start(RATE)
    run = releases.in_first_gate("v2")
    began = time.time()
    change(releases.shop)
    changed_at = time.time()
    ended = releases.ended(run)
    return {
        "ended": ended, "began": began, "changed_at": changed_at, "ended_at": time.time(),
        "answers": releases.load.stop(),
    }  # fmt: skip


def _marked(mark: Callable[[Releases, DagRun], object], releases: Releases) -> Played:
    releases.load.start(RATE)
    run = releases.in_first_gate("v2")
    mark(releases, run)
    changed_at = time.time()
    # Of a run that was marked the teardown is still to come.
    releases.over(run)
    ended = releases.ended(run)
    return {"ended": ended, "changed_at": changed_at, "answers": releases.load.stop()}


def _mark(mark: Callable[[Releases, DagRun], object]) -> Callable[[Releases], Played]:
    return partial(_marked, mark)


def promotion_ended(releases: Releases) -> Played:
    """Mark a run failed in whose promotion stable has the new image and takes long to have it."""
    shop = releases.shop
    shop.patch("Deployment", "checkout", {"spec": {"minReadySeconds": 8}})
    releases.load.start(RATE)
    run = releases.start("v2")
    shop.until(lambda: shop.stable_image() == image("v2"), "stable gets it", 240.0)
    releases.mark_run(run, "failed")
    releases.over(run)
    ended = releases.ended(run)
    return {"ended": ended, "answers": releases.load.stop()}


def rights_gone(releases: Releases) -> Played:
    """Take the rights away until the run has ended, and give them back then."""
    shop = releases.shop
    releases.load.start(RATE)
    run = releases.in_first_gate("v2")
    shop.admin.delete("RoleBinding", "airflow-rollout", shop.name)
    releases.over(run)
    ended = releases.ended(run)
    left = shop.weights().get(CANARY)
    shop.lab.give_role(shop.name)
    took = shop.until(lambda: shop.weights().get(CANARY) == 0, "the canary's weight is gone")
    by_hand = releases.roll_back()
    return {
        "ended": ended, "left": left, "took": took, "by_hand": by_hand,
        "answers": releases.load.stop(),
    }  # fmt: skip


def _hand(change: Callable[[Shop], object]) -> Callable[[Releases], Played]:
    return partial(_disturbed, change)


# The long ones first.
BROKEN_SCENES: dict[str, Callable[[Releases], Played]] = {
    HASTY: rights_gone,
    "promotion-failed": promotion_ended,
    "autoscaled": _hand(hand.autoscaled),
    "rights-away": _hand(partial(hand.rights_away, seconds=RIGHTS_AWAY_SECONDS)),
    "gate-success": _mark(partial(Releases.mark_gate, state="success")),
    "gate-failed": _mark(partial(Releases.mark_gate, state="failed")),
    "run-failed": _mark(partial(Releases.mark_run, state="failed")),
    "weight": _hand(partial(hand.weight_changed, after=90)),
    "rule": _hand(hand.rule_removed),
    "record": _hand(hand.record_removed),
    "stable-rolled": _hand(hand.stable_rolled),
    "canary-deleted": _hand(hand.canary_deleted),
    "canary-scaled": _hand(hand.canary_scaled),
    "route-gone": _hand(hand.route_deleted),
    "service-gone": _hand(hand.service_deleted),
    "namespace-gone": _hand(hand.namespace_deleted),
}

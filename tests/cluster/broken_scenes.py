"""What happens to shops whose release somebody disturbs while its first gate judges."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import hand
from kube_lab import Shop
from release_scenes import Played
from releases import RATE, Releases

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


def _hand(change: Callable[[Shop], object]) -> Callable[[Releases], Played]:
    return partial(_disturbed, change)


# The long ones first.
BROKEN_SCENES: dict[str, Callable[[Releases], Played]] = {
    "autoscaled": _hand(hand.autoscaled),
    "rights-away": _hand(partial(hand.rights_away, seconds=RIGHTS_AWAY_SECONDS)),
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

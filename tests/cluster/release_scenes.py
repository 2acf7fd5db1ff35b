"""What happens to shops whose versions are released by Airflow, one namespace each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from releases import Released, Releases

__all__ = ["SCENES", "SWITCH", "Played"]

Played = dict[str, Any]

# The scene whose rollout is one switch, behind a test of its own.
SWITCH = "switch"


def _under_load(releases: Releases, version: str) -> Played:
    releases.load.start(50.0)
    ended = releases.ended(releases.start(version))
    return {"ended": ended, "answers": releases.load.stop()}


def good(releases: Releases) -> Played:
    return _under_load(releases, "v2")


def bad(releases: Releases) -> Played:
    return _under_load(releases, "errors")


def slow(releases: Releases) -> Played:
    return _under_load(releases, "slow")


def crash_later(releases: Releases) -> Played:
    """It is ready, and ends when it has been so for a while."""
    return _under_load(releases, "crashlater")


def memory(releases: Releases) -> Played:
    """It takes more than it may."""
    return _under_load(releases, "memory")


def absent(releases: Releases) -> Played:
    return {"ended": releases.ended(releases.start("absent"))}


def crash(releases: Releases) -> Played:
    return {"ended": releases.ended(releases.start("crash"))}


def never_ready(releases: Releases) -> Played:
    return {"ended": releases.ended(releases.start("neverready"))}


def quota(releases: Releases) -> Played:
    """The namespace has no room for a canary."""
    shop = releases.shop
    kind = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
    shop.admin.apply({**kind, "spec": {"hard": {"pods": "2"}}}, shop.name)
    return {"ended": releases.ended(releases.start("v2"))}


def queue(releases: Releases) -> Played:
    """Two releases at once: the second one waits for the first."""
    releases.load.start(50.0)
    first, second = releases.start("v2"), releases.start("v3")
    ended = [releases.ended(run) for run in (first, second)]
    return {"ended": ended, "answers": releases.load.stop()}


def switch(releases: Releases) -> Played:
    """Blue-green: one that its test refuses, one that is bad under traffic, and a good one."""
    releases.load.start(50.0)
    ended: dict[str, Released] = {}
    for version in ("errors", "slow", "v2"):
        ended[version] = releases.ended(releases.start(version))
    return {"ended": ended, "answers": releases.load.stop()}


SCENES: dict[str, Callable[[Releases], Played]] = {
    "good": good,
    SWITCH: switch,
    "queue": queue,
    "bad": bad,
    "slow": slow,
    "crash-later": crash_later,
    "memory": memory,
    "absent": absent,
    "crash": crash,
    "never-ready": never_ready,
    "quota": quota,
}

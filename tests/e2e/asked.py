"""Releases that are judged through one metric system each, and one whose system fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metric_systems import PREFIX, system_of
from scene import BROKEN, Scene
from source_faults import SOURCE_FAULTS

__all__ = ["ASKED", "SYSTEMS"]

SYSTEMS = ("datadog", "newrelic", "prometheus", "scrape")


def _asked(system: str) -> Callable[[Scene], dict[str, Any]]:
    def play(scene: Scene) -> dict[str, Any]:
        """A version with errors, a slow one, a good one; then one that nobody can judge."""
        scene.given_stable("v1")
        scene.given_version("v2", **BROKEN)
        errors = scene.release("v2")
        scene.given_version("v3", latency_ms=600)
        slow = scene.release("v3")
        scene.given_version("v4")
        good = scene.release("v4")
        played = {"errors": errors, "slow": slow, "good": good}
        return {**played, **(_fails(system, scene) if system in SOURCE_FAULTS else {})}

    return play


def _fails(system: str, scene: Scene) -> dict[str, Any]:
    held = Scene(scene.lab, scene.service, dag_id=f"{scene.service}-held")
    held.urls["v5"] = scene.given_version("v5")
    run = held.start("v5")
    held.wait_for_good(run)
    said = {}
    try:
        for name, fault in SOURCE_FAULTS[system].items():
            system_of(scene.service).break_with(fault)
            said[name] = held.wait_for_reason(run, fault.words)
        return {"said": said, "failed": held.over(run)}
    finally:
        system_of(scene.service).mend()


ASKED: dict[str, Callable[[Scene], dict[str, Any]]] = {
    f"{PREFIX}{system}": _asked(system) for system in SYSTEMS
}

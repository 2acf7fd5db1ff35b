"""One switch instead of many steps: tested before it, judged after it, back in one write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scene import BROKEN, Scene

__all__ = ["BLUE_GREEN"]


def blue_green(scene: Scene) -> dict[str, Any]:
    """A version that its test refuses, one that is bad under traffic, and a good one."""
    scene.given_stable("v1")
    scene.urls["v2"] = scene.given_version("v2-of-yesterday")
    refused = scene.release("v2")
    # Ever: from the first request that anybody has sent.
    routed = scene.reached_since(0.0, "v2-of-yesterday")
    scene.given_version("v3", **BROKEN)
    bad = scene.release("v3")
    reached = scene.reached_after_verdict(bad, "v3")
    scene.given_version("v4")
    return {
        "refused": refused, "routed": routed, "bad": bad, "reached": reached,
        "good": scene.release("v4"),
    }  # fmt: skip


BLUE_GREEN: dict[str, Callable[[Scene], dict[str, Any]]] = {"blue-green": blue_green}

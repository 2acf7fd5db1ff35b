"""The pages of a world in a plain page, in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from browser import Browser, Tab
from feed_world import World

__all__ = ["BADGE", "Served", "open_release"]

BADGE = ".rollout .title .badge"


@dataclass
class Served:
    """The pages of a world in a browser."""

    world: World
    browser: Browser
    url: str
    writes: list[tuple[str, str, Any]]

    def run(self, dag_id: str = "shop", run_id: str = "r1", **options: Any) -> Tab:
        return self.show(f"?dag={dag_id}&run={run_id}", ".rollout h2", **options)

    def list(self, query: str = "?", **options: Any) -> Tab:
        return self.show(query, ".rollout .card", **options)

    def show(self, query: str, until: str, **options: Any) -> Tab:
        dark = bool(options.get("dark"))
        tab = self.browser.open(**options)
        tab.go(f"{self.url}{query}&theme={'dark' if dark else 'light'}")
        # A page that has no style yet is not shown.
        tab.wait(f"document.querySelector('{until}')?.checkVisibility()")
        return tab


def open_release(served: Served, task: str = "deferred") -> None:
    served.world.tables.run("shop", "r1")
    served.world.tables.release("shop", "r1")
    served.world.tables.task("shop", "r1", "step_01.gate", task)

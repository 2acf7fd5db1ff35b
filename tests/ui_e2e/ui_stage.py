"""A lab with releases, and tabs in which somebody is logged in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
from browser import Browser, Tab
from scene import BROKEN, Scene

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.demo.lab import Lab

__all__ = ["HELD_RATE", "Stage", "confirm", "line", "start"]

JSON = "application/json"

# Requests a second while nobody judges by them: each costs, for minutes.
HELD_RATE = 10.0


@dataclass
class Stage:
    """The lab, its services, and tabs in which somebody is logged in."""

    lab: Lab
    browser: Browser
    url: str = ""
    _tokens: dict[str, str] = field(default_factory=dict)
    _contexts: dict[tuple[str, bool], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.url = self.url or self.lab.airflow.url

    def scene(self, service: str) -> Scene:
        return Scene(self.lab, service)

    def token(self, user: str) -> str:
        if user not in self._tokens:
            # Airflow has made up passwords for those that had none.
            passwords = json.loads((self.lab.airflow.home / "passwords.json").read_text())
            answer = httpx.post(
                f"{self.lab.airflow.url}/auth/token",
                json={"username": user, "password": passwords[user]},
                timeout=60,
            )
            self._tokens[user] = answer.json()["access_token"]
        return self._tokens[user]

    def tab(self, user: str = "admin", *, dark: bool = False, **options: int) -> Tab:
        """Return a tab of a user; it shares cookies, files and connections with their others."""
        place = user, dark
        tab = self.browser.open(dark=dark, context=self._contexts.get(place, ""), **options)
        self._contexts[place] = tab.context
        tab.cookie(self.url, "_token", self.token(user))
        return tab

    def forced(self, tab: Tab, method: str, path: str, body: object, kind: str = JSON) -> int:
        """Return the status of a write that a page makes without a button for it."""
        asked = f"{{method: '{method}', body: {json.dumps(json.dumps(body))}, "
        asked += f"headers: {{'Content-Type': '{kind}'}}}}"
        url = json.dumps(f"{self.url}/api/v2/dags/{path}")
        return int(tab.js(f"fetch({url}, {asked}).then((answer) => answer.status)"))

    def leave(self, service: str) -> None:
        """Let the users of a service go: its release is over, others need the processor."""
        self.lab.stop_load(service)

    def page(self, dag_id: str, run_id: str = "release-v2") -> str:
        return f"{self.url}/dags/{dag_id}/runs/{run_id}/plugin/rollout"

    def check_quiet(self, tab: Tab) -> None:
        """Check that the page complained of nothing and asked nobody else."""
        tab.hear()
        assert tab.complaints == []
        outside = [
            url for _, url in tab.requests if not url.startswith((self.url, "data:", "blob:"))
        ]
        assert outside == []


def start(stage: Stage, service: str, *, rate: float = 60.0, **conf: Any) -> DagRun:
    """Release v2 of a service that has a stable v1 and users (requests/s)."""
    scene = stage.scene(service)
    scene.given_stable("v1", rate=rate)
    scene.given_version("v2", **(BROKEN if service == "bad" else {}))
    return scene.start("v2", **conf)


def line(tab: Tab, chart: int, tone: str) -> str:
    """Return the path of a line of a chart, empty while it has none."""
    found = tab.js(
        f"document.querySelectorAll('.rollout .plot')[{chart}]"
        f"?.querySelector('.line.{tone}')?.getAttribute('d') ?? ''"
    )
    return str(found)


def confirm(tab: Tab, key: str, says: str, comment: str = "") -> None:
    """Click an action, read what it is going to do, and say yes."""
    tab.click(f".rollout [data-key={key}]")
    tab.wait_for_text(says, within="dialog")
    if comment:
        tab.click("dialog textarea")
        tab.type(comment)
    tab.click("dialog [type=submit]")

"""The demo on this machine: a Traefik, a service, and an Airflow that releases it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text

from airflow_rollout.cli.release import release_conf
from airflow_rollout.demo.example import (
    FIRST_VERSION,
    ROLLOUT,
    VERSIONS,
    DemoVersion,
    Story,
    file_rules,
)
from airflow_rollout.demo.lab import Lab
from airflow_rollout.demo.processes import LabError
from airflow_rollout.demo.releasing import Releaser
from airflow_rollout.demo.screen import Screen
from airflow_rollout.demo.show import LIVE_SETTINGS, Show, ShowOptions
from airflow_rollout.demo.summary import release_block

__all__ = ["LaptopShow"]


class LaptopShow(Show):
    """Release the example's versions behind a real router.

    :param dags: the folder of the example DAGs.
    """

    def __init__(self, options: ShowOptions, screen: Screen, dags: Path) -> None:
        story = Story(rollout=ROLLOUT, versions=VERSIONS, rules=file_rules(dags))
        super().__init__(options, screen, story)
        self._lab = Lab([ROLLOUT], dags=dags, settings=LIVE_SETTINGS)
        self._releaser = Releaser(self._lab, screen, story, self._offer)
        self._urls: dict[str, str] = {}

    @property
    def lab(self) -> Lab:
        """Return the lab with its router."""
        return self._lab

    @property
    def releaser(self) -> Releaser:
        """Return who releases; nothing serves before its first release."""
        return self._releaser

    @property
    def where(self) -> tuple[str, str]:
        """Return the router's dashboard."""
        return "router", f"{self._lab.traefik.api_url}/dashboard/"

    def start(self) -> None:
        """Start router, first version and Airflow."""
        with self.screen.waiting("Traefik"):
            self._lab.start_router()
            self._lab.traefik.wait_ready()
        with self.screen.waiting(f"{ROLLOUT} {FIRST_VERSION.name}"):
            self._start_version(FIRST_VERSION)
        self.start_airflow(ROLLOUT)

    def before_releases(self) -> None:
        """Release the first version, to which all others are compared."""
        first = self._releaser.release(FIRST_VERSION)
        self.note(first=first)
        self.screen.show(release_block(first))
        if first.problem:
            raise LabError(f"nothing to release against: {first.problem}")
        # A service that nobody serves yet has no users either.
        self._lab.start_load(ROLLOUT, rate=self.options.rate)

    def end(self) -> None:
        """End the lab."""
        try:
            self.screen.show(Text("Ending Airflow, Traefik and the service", style="dim"))
        finally:
            self._lab.close()

    def _offer(self, version: DemoVersion, _stable: str) -> dict[str, Any]:
        url = self._start_version(version)
        return release_conf(version.name, url=url, interval=version.interval)

    def _start_version(self, version: DemoVersion) -> str:
        """Start a version, if it was not, and return its URL; it gets no traffic by that."""
        if version.name not in self._urls:
            self._urls[version.name] = self._lab.start_version(
                ROLLOUT,
                version.name,
                error_rate=version.error_rate,
                latency_ms=version.latency_ms,
                exit_after_seconds=version.exit_after_seconds,
                seed=self.options.seed,
            )
        return self._urls[version.name]

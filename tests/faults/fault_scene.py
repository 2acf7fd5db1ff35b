"""One service of the lab and what can be done to its release: break it, wait, look."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from proxy import Proxy
from scene import AFTER_VERDICT_SECONDS, Released, Scene

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.demo.lab import Lab
from airflow_rollout.release import ReleaseState

__all__ = ["HOLD", "FaultScene"]

# How long each weight is held: long enough to break something in between, however slow a start.
HOLD = "12s"

# Half of all requests fail: no seed, load or machine makes that look healthy.
_BROKEN = {"error_rate": 0.5}


class FaultScene(Scene):
    """One service, its DAG, and who breaks what.

    :param proxies: what this service's release talks through, by "router" or "source".
    """

    def __init__(self, lab: Lab, name: str, *, proxies: Mapping[str, Proxy] | None = None) -> None:
        super().__init__(lab, name)
        self.proxies = dict(proxies or {})
        self._latest = 1

    @property
    def file(self) -> Path:
        """Return the router's file of this service."""
        return self.lab.traefik.dynamic_dir / f"test.{self.service}.yaml"

    @property
    def lock(self) -> Path:
        """Return the lock that whoever writes the router's file has to hold."""
        return self.file.parent / ".airflow-rollout" / f"{self.file.name}.lock"

    # --- given ---

    def next_version(self) -> str:
        """Return a version that has not been released yet; v1 is the first stable one."""
        self._latest += 1
        return f"v{self._latest}"

    def given_good(self, version: str, *, stable: str = "v1", **conf: Any) -> DagRun:
        """Start the release of a good version; returns when its first gate judges."""
        if stable and stable not in self.urls:
            self.given_stable(stable)
        if version not in self.urls:
            self.given_version(version)
        run = self.start(version, **{"interval": HOLD, **conf})
        self.wait_for_judging(run, "step_01")
        return run

    @contextmanager
    def given_breakable(self, version: str, **conf: Any) -> Iterator[tuple[DagRun, Proxy]]:
        """Start the release of a version that turns bad when its proxy leads to `broken`."""
        if "v1" not in self.urls:
            self.given_stable("v1")
        self.given_version(f"{version}-broken", **_BROKEN)
        with Proxy(self.given_version(version)) as way:
            self.urls[version] = way.url
            run = self.start(version, **{"interval": HOLD, **conf})
            self.wait_for_judging(run, "step_01")
            yield run, way

    def turn_bad(self, way: Proxy, version: str) -> None:
        """Let every second request of the canary fail from now on."""
        way.lead_to(self.urls[f"{version}-broken"])

    def kill_version(self, version: str) -> None:
        """Kill a version's process, as when its machine dies."""
        self.lab.kill_version(self.service, version)

    # --- when ---

    def wait_live(self, weight: int, *, seconds: float) -> float:
        """Wait until Traefik works at a weight; return how long that took."""
        began = time.monotonic()
        while self.lab.live_weight(self.service) != weight:
            took = time.monotonic() - began
            assert took < seconds, (
                f"{self.service}: Traefik works at {self.lab.live_weight(self.service)} %, not at "
                f"{weight} %, {took:.0f} s later; its record: {self.split()}"
            )
            time.sleep(0.05)
        return time.monotonic() - began

    def wait_opened(self, version: str) -> None:
        """Wait until the release of a version is open at weight 0."""

        def is_open() -> bool:
            split = self.split()
            return (
                split is not None
                and split.state is ReleaseState.OPEN
                and split.canary is not None
                and split.canary.version == version
            )

        self._wait(is_open, f"open release of {version}")

    def wait_sealed(self, *, seconds: float) -> float:
        """Wait until the record at the router is sealed; return how long that took."""
        began = time.monotonic()
        while True:
            split = self.split()
            if split is not None and split.state is ReleaseState.SEALED:
                return time.monotonic() - began
            assert time.monotonic() - began < seconds, f"{self.service} is not sealed: {split}"
            time.sleep(0.05)

    # --- then ---

    def exposed_seconds(self, released: Released, *versions: str) -> float:
        """Return how long after the verdict users last reached the canary (negative: before)."""
        stop = released.record.gates[-1].stop
        assert stop is not None, "the gate did not stop this release itself"
        sent = [it.sent for it in self.answers() if it.version in versions]
        return max(sent, default=stop.decided_at) - stop.decided_at

    def failures_after_verdict(self, released: Released) -> int:
        """Count the users who got no good answer to what they sent 0.5 s after the verdict."""
        stop = released.record.gates[-1].stop
        assert stop is not None, "the gate did not stop this release itself"
        since = stop.decided_at + AFTER_VERDICT_SECONDS
        return sum(it.is_failed for it in self.answers(since=since))

    def canary_requests(self, *versions: str) -> int:
        """Count the requests that these versions have answered."""
        return sum(it.version in versions for it in self.answers())

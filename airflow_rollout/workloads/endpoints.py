"""Workload `endpoints`: versions are addresses; something else starts and stops them.

For fleets of machines: a release says where its version listens, the router does the rest. What
is left of a workload is the probe.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from airflow_rollout.analysis.readings import Probe
from airflow_rollout.errors import AdapterError
from airflow_rollout.release import Arm
from airflow_rollout.wire import HttpRequest, Send, ask_http
from airflow_rollout.workloads.base import TargetForm

__all__ = ["TARGET", "EndpointsWorkload"]

_ADDRESS = r"https?://[^\s{},<>\"']+"

TARGET = TargetForm(
    name="url",
    title="Address",
    description="Where the new version listens; several addresses are separated by commas",
    pattern=f"^{_ADDRESS}(,{_ADDRESS})*$",
)


class EndpointsWorkload:
    """Probe versions that somebody else runs.

    :param health_path: what is asked for at each address of an arm.
    :param timeout_seconds: how long one address may take to answer.
    """

    def __init__(self, *, health_path: str = "/", timeout_seconds: float = 1.0) -> None:
        self._health_path = health_path
        self._timeout_seconds = timeout_seconds

    async def deploy(self, canary: Arm, send: Send) -> None:
        """Do nothing: the canary is started by whoever starts the release."""

    async def probe(self, arm: Arm, at: float, send: Send) -> Probe:
        """Ask every address of the arm; all must answer with 2xx or 3xx in time.

        Never fatal: a process that was restarted answers again. Whoever counts the probes decides.
        """
        addresses = [part.strip().rstrip("/") for part in arm.target.split(",")]
        faults = await asyncio.gather(*(self._fault(address, send) for address in addresses))
        detail = "; ".join(fault for fault in faults if fault)
        return Probe(at=at, ok=not detail, detail=detail or f"{len(addresses)} answered")

    async def promote(self, canary: Arm, send: Send) -> str:  # noqa: ARG002 - nobody is asked
        """Wait for nothing: the router's promotion makes the canary's addresses the stable ones."""
        return ""

    async def remove(self, canary: Arm, send: Send, *, released: bool) -> None:
        """Do nothing: whoever started the canary stops it."""

    async def _fault(self, address: str, send: Send) -> str:
        """Return why an address did not answer well, empty if it did."""
        if urlsplit(address).scheme not in ("http", "https"):
            return f"{address}: no http or https address"
        url = address + self._health_path
        try:
            response = await ask_http(
                send, HttpRequest(url=url, timeout_seconds=self._timeout_seconds)
            )
        except AdapterError as error:
            return f"{url}: {error.message}"
        return "" if 200 <= response.status < 400 else f"{url}: HTTP {response.status}"

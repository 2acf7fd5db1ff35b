"""Airflow's own trigger runner, in a process of its own, that watches its event loop.

Run with the socket of its supervisor as standard input and a file for what was seen.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from airflow.jobs.triggerer_job_runner import TriggerRunner

# Far below what is promised, and rare enough to cost nothing.
_LOOK_SECONDS = 0.02


class WatchedRunner(TriggerRunner):
    """Run triggers as Airflow does and note how late the event loop is."""

    def __init__(self, seen: Path) -> None:
        super().__init__()
        self._seen = seen

    async def arun(self) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            await super().arun()
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """Write time, lateness and processor time so far, a line a look."""
        with self._seen.open("w", buffering=1) as file:
            while True:
                began = time.monotonic()
                await asyncio.sleep(_LOOK_SECONDS)
                late = time.monotonic() - began - _LOOK_SECONDS
                file.write(json.dumps([began, late, time.process_time()]) + "\n")


if __name__ == "__main__":
    WatchedRunner(Path(sys.argv[1])).run()

"""Gates on Airflow's own trigger runner, on a clock of processor time, in a process of their own.

    python child.py GATES INTERVALS FILE

The file gets what was seen, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from airflow.jobs.triggerer_job_runner import TriggerRunner
from cryptography.fernet import Fernet

from benchmarks.gates.clock import run_on_processor_time
from benchmarks.gates.host import Server, Supervisor
from benchmarks.gates.stage import EVERY_SECONDS, WEIGHT, connections, workload

# Far below what is promised, and rare enough to cost nothing.
_LOOK_SECONDS = 0.02
# The first look of each gate is its own; after two intervals all ask together.
_SETTLING_SECONDS = 2 * EVERY_SECONDS
_STDIN = 0
# So many new versions die in the end, all over the gates, and are waited for this long.
_DYING = 20
_DEATH_SECONDS = 120.0


async def main(gates: int, intervals: int, home: Path) -> dict[str, Any]:
    """Run the gates and return what was seen, times in seconds of the clock."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    server, mortal = Server(weight=WEIGHT), Server(weight=WEIGHT)
    base, other = await server.listen(), await mortal.listen()
    fernet = Fernet(os.environ["AIRFLOW__CORE__FERNET_KEY"].encode())
    dying = set(range(0, gates, math.ceil(gates / _DYING)))
    triggers = [
        await workload(number, base, other if number in dying else base, home, fernet)
        for number in range(gates)
    ]
    supervisor = Supervisor(triggers, connections(base, home))
    ours, theirs = socket.socketpair()
    # There the runner looks for its supervisor.
    os.dup2(theirs.fileno(), _STDIN)
    # Kept: a task that nobody holds may be collected.
    tasks = [asyncio.create_task(supervisor.serve(ours)), asyncio.create_task(_run())]
    began_all = asyncio.create_task(supervisor.all_began(gates))
    await asyncio.wait([began_all, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if not began_all.done():
        raise RuntimeError(f"the runner ended with {len(supervisor.gates)} of {gates} gates")
    await asyncio.sleep(_SETTLING_SECONDS)
    before = (server.probes + mortal.probes, Counter(supervisor.said), time.process_time())
    began = time.monotonic()
    looks, megabytes = await _watch(intervals * EVERY_SECONDS)
    seen = {
        "began": began,
        "seconds": time.monotonic() - began,
        "looks": looks,
        "megabytes": megabytes,
        "asked": [one for one in server.asked if one[0] >= began],
        "probes": server.probes + mortal.probes - before[0],
        "said": dict(supervisor.said - before[1]),
        "processor_seconds": time.process_time() - before[2],
        "ended": len(supervisor.ended) + sum(task.done() for task in tasks),
    }
    mortal.is_dead = True
    return {**seen, "dying": len(dying), "deaths": await _deaths(supervisor, len(dying))}


async def _deaths(supervisor: Supervisor, count: int) -> list[float]:
    """Return after how many seconds each gate whose version is dead was over."""
    died, before = time.monotonic(), set(supervisor.ended)
    while time.monotonic() < died + _DEATH_SECONDS:
        await asyncio.sleep(0.5)
        over = supervisor.ended.keys() - before
        if len(over) >= count:
            break
    return [supervisor.ended[number] - died for number in sorted(supervisor.ended.keys() - before)]


async def _run() -> None:
    await TriggerRunner().arun()


async def _watch(seconds: float) -> tuple[list[float], list[float]]:
    """Return how late the event loop was at each look, and the process's memory by the second."""
    process, end = psutil.Process(), time.monotonic() + seconds
    looks: list[float] = []
    megabytes: list[float] = []
    while (began := time.monotonic()) < end:
        if len(megabytes) < seconds - (end - began):
            megabytes.append(process.memory_info().rss / 2**20)
        await asyncio.sleep(_LOOK_SECONDS)
        looks.append(time.monotonic() - began - _LOOK_SECONDS)
    return looks, megabytes


if __name__ == "__main__":
    file = Path(sys.argv[3])
    found = run_on_processor_time(main(int(sys.argv[1]), int(sys.argv[2]), file.parent))
    file.write_text(json.dumps(found))
    # What still runs has been measured: nothing is left to clean up.
    os._exit(0)

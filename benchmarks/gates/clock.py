"""An event loop that lives on processor time: it skips what it waits for, what it computes counts.

So its lag is that of an otherwise idle machine, whatever else runs. Everything that it talks to has
to be in the same process: an answer that comes from elsewhere would be overtaken by the clock.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from airflow_rollout.hooks.transport import FILE_THREAD

__all__ = ["run_on_processor_time"]

# A thread's answer is waited for in real time, in steps that cost next to nothing.
_THREAD_SECONDS = 0.01

Result = TypeVar("Result")


class _Skipping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Pass over waiting while nothing is under way in a thread, of the loop's pool or of its own.

    Airflow's runner has threads that never end; nobody waits for them.
    """

    skipped = 0.0
    in_threads = 0

    def now(self) -> float:
        return self.skipped + time.process_time()

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        while not events and timeout != 0 and self._threads_work():
            events = super().select(_THREAD_SECONDS)
        # What ended between the two looks has left its answer by now.
        events = events or super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            return super().select(None)
        self.skipped += timeout
        return super().select(0)

    def _threads_work(self) -> bool:
        return self.in_threads > 0 or any(
            thread.name.startswith(FILE_THREAD) for thread in threading.enumerate()
        )


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.skipping = _Skipping()
        super().__init__(self.skipping)
        self.set_default_executor(ThreadPoolExecutor(max_workers=4))

    def time(self) -> float:
        return self.skipping.now()

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        self.skipping.in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._back)
        return future

    def _back(self, _: object) -> None:
        self.skipping.in_threads -= 1


def run_on_processor_time(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what a coroutine returns; both clocks of `time` are the loop's meanwhile."""
    loop = _Loop()
    monotonic, wall = time.monotonic, time.time
    # Gates read both: apart from each other they would show every gate another time.
    ahead = wall() - loop.time()
    time.monotonic, time.time = loop.time, lambda: ahead + loop.time()
    try:
        return loop.run_until_complete(work)
    finally:
        time.monotonic, time.time = monotonic, wall

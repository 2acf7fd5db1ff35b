"""Answers that the load in the cluster has seen, brought here as the log of its pod.

A log reaches whoever may read it on every cluster, through nodes and API server; nothing has to be
opened for it. A stream that breaks is opened anew and begins with some lines that were read before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.processes import LabError

__all__ = ["AnswerRelay", "OpenLog"]

OpenLog = Callable[[int], Iterable[bytes]]
"""Open the log from so many seconds ago and follow it; raises `LabError` when it cannot be read."""

_RETRY_SECONDS = 1.0
_OVERLAP_SECONDS = 5
# A load of ten requests a second is never silent for longer; an API server that restarts is.
_SILENT_SECONDS = 60.0
_FIRST_SECONDS = 3600


class AnswerRelay:
    """Follow the log in a thread of its own and write the answers to a file, in this clock's time.

    :param take: gets all new answers as well.
    """

    def __init__(
        self,
        open_log: OpenLog,
        path: Path,
        take: Callable[[list[Answer]], object],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open_log = open_log
        self._path = path
        self._take = take
        self._clock = clock
        self._last_done = 0.0
        self._ahead: float | None = None
        self._problem = "it has said nothing yet"
        self._heard_at = clock()
        self._stopped = threading.Event()
        # A daemon: a stream that stays silent ends with the process.
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._heard_at = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Follow no more."""
        self._stopped.set()

    def check(self) -> None:
        """Raise `LabError` when nothing has come for so long that the load must be dead."""
        silent = self._clock() - self._heard_at
        if silent > _SILENT_SECONDS:
            raise LabError(f"no answer from the load for {silent:.0f} s: {self._problem}")

    def read(self, chunks: Iterable[bytes]) -> None:
        """Take in one stream to its end."""
        rest = b""
        with self._path.open("a", buffering=1) as out:
            for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                fresh = [found for line in lines if (found := self._answer(line)) is not None]
                out.write("".join(answer.to_line() for answer in fresh))
                if fresh:
                    self._heard_at = self._clock()
                    self._take(fresh)
                if self._stopped.is_set():
                    return

    def _follow(self) -> None:
        seconds = _FIRST_SECONDS
        while not self._stopped.is_set():
            try:
                self.read(self._open_log(seconds))
                self._problem = "its log has ended"
            except (LabError, OSError) as error:
                self._problem = str(error)
            self._stopped.wait(_RETRY_SECONDS)
            seconds = _OVERLAP_SECONDS + round(self._clock() - self._heard_at)

    def _answer(self, line: bytes) -> Answer | None:
        """Return the answer of a line, None for one that was read before or is none."""
        try:
            found = Answer.from_line(line.decode())
        except ValueError:
            # What Python has to say of an error, for example.
            return None
        # Lines come in the order in which answers did.
        if found.done <= self._last_done:
            return None
        self._last_done = found.done
        # A node's clock may be another one than this machine's. No line comes before it was
        # written, so the quickest one tells by how much, and how long a line takes.
        ahead = self._clock() - found.done
        self._ahead = ahead if self._ahead is None else min(self._ahead, ahead)
        return replace(found, sent=found.sent + self._ahead, done=found.done + self._ahead)

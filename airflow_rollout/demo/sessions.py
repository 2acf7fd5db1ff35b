"""Find and end every process of a session, grandchildren included.

A child is started as the leader of its own session. Whatever it starts stays in that session even
when it makes process groups of its own (Airflow's tasks do) or when its parent dies first, so the
session is the one handle that loses nobody short of a second `setsid`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable

import psutil

__all__ = ["end_sessions", "members", "signal_sessions"]

_PAUSE_SECONDS = 0.02
# SIGKILL needs no cooperation, only a turn on a busy machine; a process that outlives it this long
# hangs in the kernel.
_KILL_SECONDS = 20.0


def members(sessions: Iterable[int]) -> list[int]:
    """Return the living processes of these sessions; zombies do not count."""
    wanted = frozenset(sessions)
    return [pid for pid in psutil.pids() if _session(pid) in wanted and _is_alive(pid)]


def signal_sessions(sessions: Iterable[int], number: int) -> None:
    """Send a signal to every process of these sessions; a process that is gone is no error."""
    for pid in members(sessions):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_sessions(sessions: Iterable[int], grace_seconds: float) -> list[int]:
    """End these sessions and return the processes that could not be ended.

    The leaders get SIGTERM, so that they can end their own children in order; whoever outlives
    its leader gets SIGTERM too, and whoever is left after `grace_seconds` gets SIGKILL.
    """
    leaders = frozenset(sessions)
    for leader in leaders:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(leader, signal.SIGTERM)
    told = set(leaders)
    deadline = time.monotonic() + grace_seconds
    while (left := members(leaders)) and time.monotonic() < deadline:
        for pid in left:
            if pid not in told and not _is_alive(_session(pid)):
                told.add(pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGTERM)
        time.sleep(_PAUSE_SECONDS)
    return _kill(leaders)


def _kill(sessions: frozenset[int]) -> list[int]:
    deadline = time.monotonic() + _KILL_SECONDS
    while left := members(sessions):
        if time.monotonic() > deadline:
            return left
        # Again each round: a process may have started another one since the last look.
        signal_sessions(sessions, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)
    return []


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return -1


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    except ValueError:  # -1: a session that is gone
        return False

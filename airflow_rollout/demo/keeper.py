"""End the lab's processes when the process that started them died without a word.

Runs beside the lab in a session of its own and reads orders from its standard input: `+N` a
session was started, `-N` it ended, `rm PATH` remove this directory at the end. The end of the
input means that the lab is gone, by whatever cause, SIGKILL included.
"""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterable

from airflow_rollout.demo.sessions import end_sessions

__all__ = ["keep", "main"]

# Nobody waits for an orderly end any more; long enough for a SIGTERM handler to flush a file.
_GRACE_SECONDS = 2.0


def keep(orders: Iterable[str]) -> None:
    """Follow the orders until they end, then end what is left of the sessions."""
    sessions: set[int] = set()
    directories: list[str] = []
    for line in orders:
        order = line.strip()
        if order.startswith("+"):
            sessions.add(int(order[1:]))
        elif order.startswith("-"):
            sessions.discard(int(order[1:]))
        elif order.startswith("rm "):
            directories.append(order[3:])
    if sessions:
        end_sessions(sessions, _GRACE_SECONDS)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def main() -> int:
    """Keep watch until the standard input ends."""
    # A terminal's Ctrl-C and a supervisor's SIGTERM are for the lab; this one leaves after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    keep(sys.stdin)
    return 0


if __name__ == "__main__":
    sys.exit(main())

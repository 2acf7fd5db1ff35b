"""A clock that a change of the system's time cannot move."""

from __future__ import annotations

import time

__all__ = ["Clock"]


class Clock:
    """Tell epoch seconds, read from the wall once and counted by the monotonic clock since."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return epoch seconds; never runs backwards."""
        return self._offset + time.monotonic()

"""Something that is looked at again and again beside a test."""

from __future__ import annotations

import threading

from airflow_rollout.demo.part import Part

__all__ = ["Watch"]


class Watch(Part):
    """Look again and again, in a thread of its own; a context manager.

    :param every_seconds: between two looks.
    """

    def __init__(self, *, every_seconds: float) -> None:
        self._every_seconds = every_seconds
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def come_up(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Watch no more; raises what a look ended with: whoever sees nothing finds nothing."""
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def look(self) -> None:
        """Look once."""
        raise NotImplementedError

    def _watch(self) -> None:
        while not self._over.wait(self._every_seconds):
            try:
                self.look()
            except Exception as error:
                self._error = error
                return

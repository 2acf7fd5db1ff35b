"""Watch the router's file of one service for what must never be written."""

from __future__ import annotations

import time
from pathlib import Path

from watching import Watch

from airflow_rollout.release import ReleaseState, TrafficSplit
from airflow_rollout.traffic.records import decode_record

__all__ = ["RecordWatch"]

_EVERY_SECONDS = 0.01


class RecordWatch(Watch):
    """Read the record again and again; a context manager.

    What must not be seen: an epoch that was sealed and then is open, raised or released.

    :param owner: whose seal `sealed_at` tells of; the record may still be an earlier release's.
    """

    def __init__(self, file: Path, *, owner: str) -> None:
        super().__init__(every_seconds=_EVERY_SECONDS)
        self.violations: list[str] = []
        self.sealed_at: float | None = None
        self._file = file
        self._owner = owner
        self._sealed: set[str] = set()

    def look(self) -> None:
        """Take in what the record says, if there is one."""
        split = _read(self._file)
        if split is not None:
            self._take(split)

    def _take(self, split: TrafficSplit) -> None:
        epoch = split.token.epoch
        if split.state is ReleaseState.SEALED and split.weight == 0:
            if epoch not in self._sealed:
                self._sealed.add(epoch)
                if split.token.owner == self._owner:
                    self.sealed_at = time.time()
        elif epoch in self._sealed:
            self.violations.append(f"sealed, then {split.weight} % and {split.state}")


def _read(file: Path) -> TrafficSplit | None:
    """Return the record in the head of the file, None while there is no file."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        return None
    return decode_record(text[text.index("{") :].splitlines()[0], system="watch")

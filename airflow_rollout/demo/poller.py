"""Ask Airflow about a release beside the drawing, so that a slow answer does not freeze it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import Line, ReleaseWatch
from airflow_rollout.record import ReleaseRecord

__all__ = ["ReleasePoller", "Seen"]

_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What Airflow has said of a release until now."""

    run: DagRun | None = None
    record: ReleaseRecord | None = None
    lines: tuple[Line, ...] = field(default=())

    @property
    def has_ended(self) -> bool:
        """Tell whether the run has ended; its record is complete then."""
        return self.run is not None and self.run.has_ended


class ReleasePoller:
    """Poll a release in a thread of its own until it ends or somebody stops it."""

    def __init__(self, watch: ReleaseWatch, poll_seconds: float = _POLL_SECONDS) -> None:
        self._watch = watch
        self._poll_seconds = poll_seconds
        self._seen = Seen()
        self._error: Exception | None = None
        self._stopped = threading.Event()
        # A daemon: whoever presses Ctrl-C does not wait for an answer that may never come.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; an answer that is still on its way is dropped."""
        self._stopped.set()

    def seen(self) -> Seen:
        """Return what is known now; raises what the asking ended with."""
        if self._error is not None:
            raise self._error
        return self._seen

    def _run(self) -> None:
        while not self._stopped.is_set() and not self._seen.has_ended:
            try:
                run, lines = self._watch.poll()
            except Exception as error:  # noqa: BLE001 - raised again where somebody looks
                self._error = error
                return
            # One assignment: a reader sees the old moment or the new one, never half of each.
            self._seen = Seen(
                run=run, record=self._watch.record, lines=(*self._seen.lines, *lines)
            )  # fmt: skip
            self._stopped.wait(self._poll_seconds)

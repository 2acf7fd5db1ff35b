"""Tell people how a release ended, once traffic is safe; nobody who listens can hold it up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.bases.notifier import BaseNotifier

from airflow_rollout.release import Outcome

__all__ = ["News", "OnEvent", "check_on_event"]

OnEvent = Mapping[str, Sequence[BaseNotifier]]
"""Outcome -> notifiers, for example ``{"rolled_back": [SlackNotifier(...)]}``."""

# A receiver that accepts and never answers is given up after this time; all are told at once.
_TIMEOUT_SECONDS = 10.0


def check_on_event(on_event: OnEvent | None) -> dict[str, tuple[BaseNotifier, ...]]:
    """Return what is told when.

    :raises ValueError: an outcome that no release has, or something that is no notifier.
    """
    allowed = [outcome.value for outcome in Outcome]
    told: dict[str, tuple[BaseNotifier, ...]] = {}
    for event, notifiers in (on_event or {}).items():
        if event not in allowed:
            raise ValueError(f"on_event: no release ends as {event!r}; allowed: {allowed}")
        for notifier in notifiers:
            if not isinstance(notifier, BaseNotifier):
                raise ValueError(  # noqa: TRY004 - one kind of error for a wrong argument
                    f"on_event[{event!r}]: {notifier!r} is no Airflow notifier"
                )
        told[event] = tuple(notifiers)
    return told


class News:
    """Send one release's end to its notifiers.

    :param tell: where a line of the release's record goes.
    """

    def __init__(
        self, on_event: Mapping[str, Sequence[BaseNotifier]], tell: Callable[[str], None]
    ) -> None:
        self._on_event = on_event
        self._tell = tell

    def send(self, context: Context, outcome: Outcome, reason: str, facts: dict[str, str]) -> None:
        """Tell everybody at once and wait a bounded time; a failure is a line in the record.

        Templates of a notifier may use `release.outcome`, `release.reason` and what `facts` holds.
        """
        notifiers = self._on_event.get(outcome.value, ())
        release = {"outcome": outcome.value, "reason": reason, **facts}
        calls = [_Call(notifier, context, release) for notifier in notifiers]
        for call in calls:
            call.start()
        for call in calls:
            call.join(_TIMEOUT_SECONDS)
        for call in calls:
            self._tell(f"news {outcome.value} by {call.receiver}: {call.result()}")


class _Call(threading.Thread):
    """One notifier at work; a daemon, so that a hanging one ends with the task."""

    def __init__(self, notifier: BaseNotifier, context: Context, release: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.receiver = type(notifier).__name__
        self._notifier = notifier
        # A copy: notifiers add their own fields to it, and several run at once.
        self._context: Any = {**context, "release": release}
        self._fault = ""

    def run(self) -> None:
        """Render and send; `notify` itself, since calling a notifier hides its failure."""
        try:
            self._notifier.render_template_fields(self._context)
            self._notifier.notify(self._context)
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, it is only news
            self._fault = f"{type(error).__name__}: {error}"[:300]

    def result(self) -> str:
        """Return what came of it, for a person."""
        if self.is_alive():
            return f"FAILED, no answer within {_TIMEOUT_SECONDS:.0f} s"
        return f"FAILED, {self._fault}" if self._fault else "sent"

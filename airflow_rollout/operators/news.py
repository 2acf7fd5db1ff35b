"""Tell people how a release ended, once traffic is safe; nobody who listens can hold it up."""

from __future__ import annotations

import asyncio
import copy
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.bases.notifier import BaseNotifier

from airflow_rollout.release import Outcome

__all__ = ["TIMEOUT_SECONDS", "OnEvent", "check_on_event", "send"]

OnEvent = Mapping[str, BaseNotifier | Sequence[BaseNotifier]]
"""Outcome -> notifiers, for example ``{"rolled_back": [SlackNotifier(...)]}``."""

# A receiver that accepts and never answers is given up after this time; all are told at once.
TIMEOUT_SECONDS = 10.0

_log = logging.getLogger(__name__)


def check_on_event(on_event: OnEvent | None) -> dict[str, tuple[BaseNotifier, ...]]:
    """Return what is told when; called while the DAG file is parsed.

    :raises ValueError: an outcome that no release has, or something that is no notifier.
    """
    allowed = [outcome.value for outcome in Outcome]
    told: dict[str, tuple[BaseNotifier, ...]] = {}
    if not isinstance(on_event or {}, Mapping):
        raise ValueError(  # noqa: TRY004 - one kind of error for a wrong argument
            f"on_event: {on_event!r} does not say who is told when; allowed: "
            "a mapping of outcomes to Airflow notifiers"
        )
    for event, notifiers in (on_event or {}).items():
        if event not in allowed:
            raise ValueError(f"on_event: no release ends as {event!r}; allowed: {allowed}")
        several = notifiers if isinstance(notifiers, (list, tuple)) else (notifiers,)
        for notifier in several:
            if not isinstance(notifier, BaseNotifier):
                raise ValueError(  # noqa: TRY004 - one kind of error for a wrong argument
                    f"on_event[{event!r}]: {notifier!r} is no Airflow notifier"
                )
        told[event] = tuple(several)
    return told


def send(
    notifiers: Sequence[BaseNotifier],
    context: Context,
    release: Mapping[str, str],
    *,
    timeout_seconds: float,
) -> list[str]:
    """Tell everybody at once and return a line for each: what came of it.

    What a receiver's failure says in words goes to the task's log, which Airflow masks: an address
    with a token in it must not get into a record that everybody may read.

    :param release: what templates find as ``release``: outcome, reason ...
    :param timeout_seconds: for all of them together; who has not answered by then is given up.
    """
    calls = [_Call(notifier, context, release) for notifier in notifiers]
    for call in calls:
        call.start()
    end = time.monotonic() + timeout_seconds
    for call in calls:
        call.join(max(0.0, end - time.monotonic()))
    late = f"FAILED, no answer within {timeout_seconds:g} s"
    results = [late if call.is_alive() else call.result for call in calls]
    return [
        f"news {release['outcome']} by {name}: {result}"
        for name, result in zip(_names(notifiers), results, strict=True)
    ]


def _names(notifiers: Sequence[BaseNotifier]) -> list[str]:
    """Return the notifiers' names, with a number where several have the same."""
    names = [type(notifier).__name__ for notifier in notifiers]
    return [
        f"{name} {names[: index + 1].count(name)}" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


class _Call(threading.Thread):
    """One notifier at work; a daemon, so that a hanging one ends with its process."""

    def __init__(
        self, notifier: BaseNotifier, context: Context, release: Mapping[str, str]
    ) -> None:
        name = type(notifier).__name__
        super().__init__(daemon=True, name=f"news by {name}")
        # Rendering replaces the templates in a notifier, and there may be another release of the
        # same process to tell about.
        self._notifier = copy.copy(notifier)
        fields = {field: getattr(notifier, field) for field in notifier.template_fields}
        # The fields as Airflow's own call of a notifier adds them. A copy: several run at once.
        self._context: Any = {**context, **fields, "release": dict(release)}
        self.result = "FAILED, it ended itself"

    def run(self) -> None:
        """Render and send; a failure is a result."""
        try:
            self._notifier.render_template_fields(self._context)
            self._notify()
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, it is only news
            self.result = f"FAILED, {type(error).__name__}; the log of this task has its words"
            _log.exception("%s failed", self.name)
        else:
            self.result = "sent"

    def _notify(self) -> None:
        # Not by calling the notifier: some versions of Airflow log its failure and go on.
        if type(self._notifier).notify is not BaseNotifier.notify:
            self._notifier.notify(self._context)
            return
        # One made for the triggerer alone.
        self._notifier.context = self._context
        asyncio.run(self._notifier.async_notify(self._context))

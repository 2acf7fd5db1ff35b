"""What every metric system's adapter offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Reading
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.wire import Send

__all__ = [
    "KeepsSamples",
    "MetricProvider",
    "MetricQuery",
    "Window",
    "refuse_template",
    "written_query",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The span a read is about, in seconds of the epoch.

    :param start: what lies before it has been read already.
    :param earliest: the release's opening: a source that answers late, or in long buckets, may look
        back to it and never further. None: to `start` only.
    """

    start: float
    end: float
    earliest: float | None = None

    def since(self, seconds: float) -> float:
        """Return the start of a read that needs `seconds` more than the window has."""
        earliest = self.start if self.earliest is None else self.earliest
        return min(self.start, max(earliest, self.start - seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricQuery:
    """One question, for both arms at once.

    `router`, `service` and `namespace` choose the built-in query set; `expression` overrides it.

    :param route: the router's own name for the way to the service, the service's where it is empty.
    :param boundary_seconds: the limit a latency is held against; a source that counts by limits
        counts by this one too.
    """

    name: str
    question: Question
    router: str
    service: str
    namespace: str
    quantile: float | None = None
    expression: str | None = None
    boundary_seconds: float | None = None
    route: str = ""


class MetricProvider(Protocol):
    """Ask one metric system; never sleeps, never retries.

    `read` raises `TransientAdapterError` or `PermanentAdapterError`; silence is `NoData`.
    """

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return what the system knows about both arms within the window."""
        ...


@runtime_checkable
class KeepsSamples(Protocol):
    """A provider whose system still has the samples of the time before a release."""

    keeps_samples: bool


def written_query(query: MetricQuery, *, system: str) -> str:
    """Return the query of a metric for a system that has no question of its own.

    :raises PermanentAdapterError: there is none, or it still holds `{{`.
    """
    if query.expression is None:
        raise PermanentAdapterError(f"metric {query.name!r} has no query", system=system)
    return refuse_template(query.expression, system=system)


def refuse_template(expression: str, *, system: str) -> str:
    """Return a query that is one, not a template that nobody has filled in.

    :raises PermanentAdapterError: it still holds `{{`.
    """
    if "{{" in expression:
        raise PermanentAdapterError(
            f"the query still holds a template: {shorten(expression)}", system=system
        )
    return expression

"""What every metric system's adapter offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Reading
from airflow_rollout.wire import Send

__all__ = ["MetricProvider", "MetricQuery", "Window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The span a read may look at: never before `start` (this release's first write)."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricQuery:
    """One question, for both arms at once.

    `router`, `service` and `namespace` choose the built-in query set; `expression` overrides it.
    """

    name: str
    question: Question
    router: str
    service: str
    namespace: str
    quantile: float | None = None
    expression: str | None = None


class MetricProvider(Protocol):
    """Ask one metric system; never sleeps, never retries.

    `read` raises `TransientAdapterError` or `PermanentAdapterError`; silence is `NoData`.
    """

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return what the system knows about both arms within the window."""
        ...

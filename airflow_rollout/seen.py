"""What a release was going to do and what its gates saw: for whoever looks at it, decides nothing.

Pieces of the record as in `record`, which only the pages read.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_rollout.plan import PlannedStep

__all__ = ["Answer", "Exchange", "Outline", "OutlinedMetric", "SeriesPiece"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPiece:
    """A part of what a gate saw, oldest first.

    A row is the seconds since `start` (epoch seconds), the evidence of the release, and for each
    of `metrics` the canary's and the stable version's value as the check looks at them and the
    metric's own evidence; None where there is none.
    """

    epoch: str
    step_id: str
    start: float
    metrics: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request as it went to a metric system, without headers, and a piece of its answer.

    The excerpt is empty where no answer came.
    """

    asked: str
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a gate was last told about a metric, and of which window (epoch seconds)."""

    metric: str
    start: float
    end: float
    text: str
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedMetric:
    """What is asked, and within which limits it is good, in `unit`, empty where that is unknown.

    `asked` are the requests as they went to the metric system, without credentials.
    """

    name: str
    question: str
    minimum: float | None = None
    maximum: float | None = None
    compared: bool = True
    observed_only: bool = False
    unit: str = ""
    asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a release is going to do, as it was when it was opened."""

    epoch: str
    service: str
    namespace: str
    steps: tuple[PlannedStep, ...]
    metrics: tuple[OutlinedMetric, ...]
    min_requests: int
    provider: str
    observes: bool = False

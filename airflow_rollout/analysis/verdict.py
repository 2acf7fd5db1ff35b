"""Verdicts: values with their reason and their numbers, never exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Judgement", "MetricFinding", "Verdict"]


class Verdict(IntEnum):
    """What a gate knows, worst last: the worst of several metrics is their maximum."""

    PASS = 0
    INCONCLUSIVE = 1
    NO_DATA = 2
    ERROR = 3
    FAIL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFinding:
    """What one metric says now.

    Rates are shares 0..1 since this step's weight was written; `canary_value` and `stable_value`
    are what the check looks at (success percent, milliseconds, share, seconds: see `unit`).
    `evidence` is the metric's own E (1 = none), `None` where nothing is compared. `odds_low` and
    `odds_high` bound the odds ratio at all times with chance 1 - alpha, `None` where no bound is
    known yet.
    """

    name: str
    verdict: Verdict
    sentence: str
    canary_requests: int = 0
    canary_bad: int = 0
    stable_requests: int = 0
    stable_bad: int = 0
    canary_value: float | None = None
    stable_value: float | None = None
    unit: str = ""
    evidence: float | None = None
    odds_ratio: float | None = None
    odds_low: float | None = None
    odds_high: float | None = None
    observed_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the gate says now.

    `ends` is true when the gate is over: PASS lets the next step begin, anything else stops the
    release. While it is false the verdict says what is missing for a PASS.
    `evidence` is the weighted mean over the metrics, `limit` what it must reach to stop (1/alpha).
    """

    at: float
    verdict: Verdict
    ends: bool
    reason: str
    metrics: tuple[MetricFinding, ...] = ()
    evidence: float = 1.0
    limit: float = 100.0
    failed_checks: int = 0
    failure_limit: int = 0
    checks_done: int = 0
    dispersion: float = 1.0
    intervals_used: int = 0
    intervals_skipped: int = 0

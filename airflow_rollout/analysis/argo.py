"""Argo Rollouts' counters: what one measurement is, and what many make of a metric.

Source of the rules: the analysis of Argo Rollouts as its code decides it. Failed and inconclusive
measurements are counted over the whole run and never forgiven; errors only in a row, and they are
no measurements. A limit is what is tolerated: one more ends the metric.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from airflow_rollout.analysis.parameters import ArgoLimits, Threshold

__all__ = [
    "ERROR_RETRY_SECONDS",
    "ArgoCounters",
    "ArgoStatus",
    "Measured",
    "measure",
    "meets",
    "worst",
]

# A measurement that ended in an error is repeated after this time, whatever the interval is.
ERROR_RETRY_SECONDS = 10.0


class Measured(StrEnum):
    """What one measurement is."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class ArgoStatus(IntEnum):
    """What a metric is, worst last: a run is its worst metric."""

    SUCCESSFUL = 0
    RUNNING = 1
    INCONCLUSIVE = 2
    ERROR = 3
    FAILED = 4


def measure(success: bool | None, failure: bool | None) -> Measured:
    """Return what a value is, from whether it meets each condition; None is no condition.

    A number that is none (NaN) meets no condition: Failed where success is asked for, Successful
    where only failure is, Inconclusive where both are.
    """
    if failure:
        return Measured.FAILED
    if success is None or success:
        return Measured.SUCCESSFUL
    return Measured.FAILED if failure is None else Measured.INCONCLUSIVE


def meets(value: float, threshold: Threshold) -> bool:
    """Say whether a value lies within the limits; NaN lies nowhere."""
    low, high = threshold.minimum, threshold.maximum
    is_number = value == value  # noqa: PLR0124 - NaN is not equal to itself
    return is_number and (low is None or value >= low) and (high is None or value <= high)


@dataclass(slots=True)
class ArgoCounters:
    """What one metric was measured as, since the release began."""

    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0
    consecutive_error: int = 0
    consecutive_success: int = 0

    def take(self, measured: Measured) -> None:
        """Count one measurement."""
        is_success, is_error = measured is Measured.SUCCESSFUL, measured is Measured.ERROR
        self.successful += is_success
        self.failed += measured is Measured.FAILED
        self.inconclusive += measured is Measured.INCONCLUSIVE
        self.error += is_error
        self.consecutive_error = self.consecutive_error + 1 if is_error else 0
        self.consecutive_success = self.consecutive_success + 1 if is_success else 0

    @property
    def count(self) -> int:
        """Return how many measurements there were; errors are none."""
        return self.successful + self.failed + self.inconclusive

    def status(self, limits: ArgoLimits) -> ArgoStatus:
        """Return what the metric is now; of several exceeded limits the later one names it."""
        if self.consecutive_error > limits.consecutive_error_limit:
            return ArgoStatus.ERROR
        if self.inconclusive > limits.inconclusive_limit:
            return ArgoStatus.INCONCLUSIVE
        if 0 <= limits.failure_limit < self.failed:
            return ArgoStatus.FAILED
        if 0 < limits.consecutive_success_limit <= self.consecutive_success:
            return ArgoStatus.SUCCESSFUL
        if 0 < limits.count <= self.count:
            return self._at_count(limits)
        return ArgoStatus.RUNNING

    @staticmethod
    def _at_count(limits: ArgoLimits) -> ArgoStatus:
        if limits.consecutive_success_limit <= 0:
            return ArgoStatus.SUCCESSFUL
        return ArgoStatus.FAILED if limits.failure_limit < 0 else ArgoStatus.INCONCLUSIVE

    def exceeded(self, limits: ArgoLimits) -> str:
        """Say which limit was exceeded, in words; empty when none was."""
        status = self.status(limits)
        if status is ArgoStatus.ERROR:
            return (
                f"{self.consecutive_error} errors in a row "
                f"(consecutive error limit {limits.consecutive_error_limit})"
            )
        if status is ArgoStatus.INCONCLUSIVE and self.inconclusive > limits.inconclusive_limit:
            return (
                f"{self.inconclusive} inconclusive (inconclusive limit {limits.inconclusive_limit})"
            )
        if status is ArgoStatus.FAILED and 0 <= limits.failure_limit < self.failed:
            return f"{self.failed} failed (failure limit {limits.failure_limit})"
        if status in (ArgoStatus.INCONCLUSIVE, ArgoStatus.FAILED):
            return (
                f"{self.count} measured and never {limits.consecutive_success_limit} "
                "successful in a row"
            )
        return ""


def worst(statuses: Iterable[ArgoStatus]) -> ArgoStatus:
    """Return the status of a run: the worst of its metrics, Successful without any."""
    return max(statuses, default=ArgoStatus.SUCCESSFUL)

"""Evidence that the canary is not worse than a margin: the question that promotes early.

Formula C with the null reversed ("canary >= multiplier x stable + absolute"): a likelihood ratio
between an alternative made from past stable data and its projection on the margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from airflow_rollout.analysis.readings import ArmCounts

__all__ = ["Margin", "NonInferiority"]

# What the canary may be under the alternative, as a factor of the stable share, half and half.
ALTERNATIVES = (1.0, 0.6)

# The stable share before anything is seen: half a bad request in a hundred.
PRIOR_BAD = 0.5
PRIOR_REQUESTS = 100

# Halves the interval to below 1e-15, the precision of the numbers themselves.
_BISECTIONS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What still counts as not worse: canary share < multiplier x stable share + absolute."""

    multiplier: float
    absolute: float


class NonInferiority:
    """Evidence for one metric and one step; promote when it reaches 1/beta."""

    __slots__ = ("_bad", "_logs", "_margin", "_requests")

    def __init__(self, margin: Margin) -> None:
        self._margin = margin
        self._bad = 0
        self._requests = 0
        self._logs = [0.0] * len(ALTERNATIVES)

    @property
    def log_value(self) -> float:
        """Return the logarithm of the evidence; 0 is none."""
        top = max(self._logs)
        return top + math.log(
            math.fsum(math.exp(one - top) for one in self._logs) / len(self._logs)
        )

    def update(self, canary: ArmCounts, stable: ArmCounts) -> None:
        """Take in one closed interval of both arms (the first boundary counts)."""
        share = (self._bad + PRIOR_BAD) / (self._requests + PRIOR_REQUESTS)
        for i, factor in enumerate(ALTERNATIVES):
            self._logs[i] += self._log_ratio(canary, stable, factor * share, share)
        self._bad += stable.bad[0]
        self._requests += stable.requests

    def _log_ratio(
        self, canary: ArmCounts, stable: ArmCounts, canary_share: float, stable_share: float
    ) -> float:
        margin = self._margin
        if canary_share >= margin.multiplier * stable_share + margin.absolute:
            return 0.0
        null = _project(margin, canary.requests, canary_share, stable.requests, stable_share)
        if null is None:
            return 0.0
        canary_null, stable_null = null
        return _log_odds(canary, canary_share, canary_null) + _log_odds(
            stable, stable_share, stable_null
        )


def _project(
    margin: Margin, canary: int, canary_share: float, stable: int, stable_share: float
) -> tuple[float, float] | None:
    """Return the point on the margin that is hardest to tell from the alternative."""
    low, high = 0.0, min(1.0, (1.0 - margin.absolute) / margin.multiplier)
    if canary + stable == 0 or high <= 0.0:
        return None
    for _ in range(_BISECTIONS):
        q = (low + high) / 2.0
        p = margin.multiplier * q + margin.absolute
        slope = canary * margin.multiplier * (p - canary_share) / (p * (1.0 - p))
        slope += stable * (q - stable_share) / (q * (1.0 - q))
        low, high = (low, q) if slope > 0.0 else (q, high)
    q = (low + high) / 2.0
    return margin.multiplier * q + margin.absolute, q


def _log_odds(counts: ArmCounts, share: float, null: float) -> float:
    bad = counts.bad[0]
    return bad * math.log(share / null) + (counts.requests - bad) * math.log(
        (1.0 - share) / (1.0 - null)
    )

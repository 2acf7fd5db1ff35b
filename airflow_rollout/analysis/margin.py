"""The comparison against a margin in percentage points: rare errors may differ by many times.

Formula C: an e-value against every pair of shares with canary <= multiplier x stable + absolute. It
does not cancel stable's share as the comparison of odds does, so it bets on what stable did before.
"""

from __future__ import annotations

from airflow_rollout.analysis.bound import odds_times
from airflow_rollout.analysis.evidence import RATIOS
from airflow_rollout.analysis.non_inferiority import PRIOR_BAD, PRIOR_REQUESTS, log_odds, project
from airflow_rollout.analysis.parameters import Margin
from airflow_rollout.analysis.readings import ArmCounts

__all__ = ["PastStable", "margin_ratios"]


class PastStable:
    """What the stable arm did in the intervals before, for one boundary."""

    __slots__ = ("bad", "requests")

    def __init__(self, bad: int = 0, requests: int = 0) -> None:
        self.bad = bad
        self.requests = requests

    @property
    def share(self) -> float:
        """Return the share of bad requests to expect; half a one in a hundred before any."""
        return (self.bad + PRIOR_BAD) / (self.requests + PRIOR_REQUESTS)

    def learn(self, stable: ArmCounts, boundary: int) -> None:
        """Take in an interval, after what it says was worked out."""
        self.bad += stable.bad[boundary]
        self.requests += stable.requests


def margin_ratios(
    canary: ArmCounts, stable: ArmCounts, boundary: int, *, past: PastStable, margin: Margin
) -> list[float] | None:
    """Return the log likelihood ratio of each effect size, None when the interval says nothing.

    An effect multiplies the odds of stable's share before the interval; one that lies within the
    margin bets nothing.
    """
    if canary.requests == 0 or stable.requests == 0:
        return None
    share = past.share
    found = []
    for ratio in RATIOS:
        worse = odds_times(share, ratio * margin.multiplier)
        null = None
        if worse > margin.multiplier * share + margin.absolute:
            null = project(margin, canary.requests, worse, stable.requests, share)
        if null is None:
            found.append(0.0)
            continue
        found.append(
            log_odds(canary.requests, canary.bad[boundary], worse, null[0])
            + log_odds(stable.requests, stable.bad[boundary], share, null[1])
        )
    return found

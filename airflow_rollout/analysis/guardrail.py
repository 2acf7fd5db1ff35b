"""One arm against a limit: evidence that the canary's share of bad requests is above it.

It is not robust to incidents that hurt both arms, and is not meant to be: a canary that breaks
what both arms depend on shows nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from airflow_rollout.analysis.evidence import RATIOS, Growth, Mixture

__all__ = ["GuardrailProcess", "guardrail_ratios"]


class GuardrailProcess:
    """Evidence that the share of bad requests is above `limit` (0..1).

    The corrections of the comparison hold here too: late starts, since a limit may be crossed at
    any time; the growth cap, since one scrape must not decide; dispersion, since errors that
    arrive in clusters of phi are one event and not phi. There is no tolerance: the limit is one.
    """

    __slots__ = ("_growth", "_mixture", "limit")

    def __init__(self, limit: float, growth: Growth) -> None:
        self.limit = limit
        self._growth = growth
        self._mixture = Mixture()

    @property
    def value(self) -> float:
        """Return the evidence now; 1 is none."""
        return self._mixture.value

    def update(self, requests: int, bad: float) -> None:
        """Take in one closed interval; `bad` may be interpolated."""
        self._mixture.update(guardrail_ratios(requests, bad, self.limit), self._growth)

    def state(self) -> list[float]:
        """Return the process as plain numbers."""
        return self._mixture.state()

    def restore(self, state: Sequence[float]) -> None:
        """Continue from `state`."""
        self._mixture = Mixture.restore(state)


def guardrail_ratios(requests: int, bad: float, limit: float) -> list[float] | None:
    """Return the log likelihood ratio of each share above the limit, None without requests.

    Binomial: (p1/p0)^bad ((1-p1)/(1-p0))^good, p1 the limit's odds times each ratio of the grid.
    A limit of 1 cannot be crossed; at a limit of 0 only bad requests say anything.
    """
    if requests == 0 or limit >= 1.0:
        return None
    bad = min(max(bad, 0.0), float(requests))
    # p1/p0 = ratio/z and (1-p1)/(1-p0) = 1/z with z = 1 - p0 + p0 ratio, p0 the limit.
    return [
        bad * math.log(ratio) - requests * math.log1p(limit * (ratio - 1.0)) for ratio in RATIOS
    ]

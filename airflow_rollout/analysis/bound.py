"""How long it takes at least to notice: no test with the same guarantee can be faster.

Wald's bound for a test that is wrong with chance alpha whatever rate both arms share:
E[time] >= log(1/alpha) / D, D the information a second that separates the arms from their pooled
rate. The tests here need about 1.5 to 2 times as long, and one or two intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["bound_seconds", "odds_times"]


def bound_seconds(
    *, canary_rate: float, stable_rate: float, canary_share: float, stable_share: float,
    alpha: float,
) -> float:  # fmt: skip
    """Return the seconds that pass on average, infinity where the arms do not differ.

    :param canary_rate: requests a second of the canary; `stable_rate` of stable.
    :param canary_share: share of its requests that are bad, 0..1; `stable_share` of stable's.
    """
    total = canary_rate + stable_rate
    if canary_rate <= 0.0 or stable_rate <= 0.0:
        return math.inf
    canary, stable = (canary_share, 1.0 - canary_share), (stable_share, 1.0 - stable_share)
    # Both shares are pooled: what is left of a pooled share that was rounded to 1 would be 0.
    pooled = [
        (canary_rate * a + stable_rate * b) / total for a, b in zip(canary, stable, strict=True)
    ]
    information = canary_rate * _divergence(canary, pooled)
    information += stable_rate * _divergence(stable, pooled)
    return math.inf if information <= 0.0 else -math.log(alpha) / information


def odds_times(share: float, factor: float) -> float:
    """Return the share whose odds are `factor` times those of `share`."""
    if share >= 1.0:
        return 1.0
    odds = factor * share / (1.0 - share)
    return odds / (1.0 + odds)


def _divergence(shares: Sequence[float], of: Sequence[float]) -> float:
    """Return the Kullback-Leibler divergence of two coins, in nats."""
    return sum(a * math.log(a / b) for a, b in zip(shares, of, strict=True) if a > 0.0)

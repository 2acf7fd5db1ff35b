"""Evidence that the canary is not worse than a margin: the question that promotes early.

Formula C with the null reversed ("canary >= multiplier x stable + absolute"): a likelihood ratio
between an alternative made from past stable data and its projection on the margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from airflow_rollout.analysis.parameters import Margin
from airflow_rollout.analysis.readings import ArmCounts

__all__ = ["PRIOR_BAD", "PRIOR_REQUESTS", "NonInferiority", "log_odds", "project"]

# What the canary may be under the alternative, as a factor of the stable share, half and half.
ALTERNATIVES = (1.0, 0.6)

# The stable share before anything is seen: half a bad request in a hundred.
PRIOR_BAD = 0.5
PRIOR_REQUESTS = 100

# A share of exactly 1 under the null would make one good request infinite evidence, and no request
# at all a division by zero.
_SURELY_LESS_THAN_ONE = 1.0 - 1e-12

# Halves the interval to below 1e-15, the precision of the numbers themselves.
_BISECTIONS = 60


class NonInferiority:
    """Evidence for one share and one step; promote when it reaches 1/beta.

    :param dispersion: phi >= 1; a power of at most 1 of an e-value is one (formula F).
    """

    __slots__ = ("_bad", "_dispersion", "_logs", "_margin", "_requests")

    def __init__(self, margin: Margin, *, dispersion: float = 1.0) -> None:
        self._margin = margin
        self._dispersion = dispersion
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

    def update(self, canary: ArmCounts, stable: ArmCounts, boundary: int = 0) -> None:
        """Take in one closed interval of both arms; `boundary` chooses which bad requests count."""
        share = (self._bad + PRIOR_BAD) / (self._requests + PRIOR_REQUESTS)
        arms = (canary.requests, canary.bad[boundary], stable.requests, stable.bad[boundary])
        for i, factor in enumerate(ALTERNATIVES):
            self._logs[i] += self._log_ratio(arms, factor * share, share) / self._dispersion
        self.learn(stable, boundary)

    def learn(self, stable: ArmCounts, boundary: int = 0) -> None:
        """Take in the stable arm for the estimate alone, without a bet on the interval."""
        self._bad += stable.bad[boundary]
        self._requests += stable.requests

    def state(self) -> list[float]:
        """Return the process as plain numbers; `restore` reads them back."""
        return [self._bad, self._requests, *self._logs]

    def restore(self, state: Sequence[float]) -> None:
        """Continue from `state`; a foreign length is a `ValueError`."""
        if len(state) != 2 + len(ALTERNATIVES):
            raise ValueError(f"{len(state)} numbers instead of {2 + len(ALTERNATIVES)}")
        self._bad, self._requests = int(state[0]), int(state[1])
        self._logs = [float(one) for one in state[2:]]

    def _log_ratio(
        self, arms: tuple[int, int, int, int], canary_share: float, stable_share: float
    ) -> float:
        margin = self._margin
        canary, canary_bad, stable, stable_bad = arms
        if canary_share >= margin.multiplier * stable_share + margin.absolute:
            return 0.0
        null = project(margin, canary, canary_share, stable, stable_share)
        if null is None:
            return 0.0
        canary_null, stable_null = null
        return log_odds(canary, canary_bad, canary_share, canary_null) + log_odds(
            stable, stable_bad, stable_share, stable_null
        )


def project(
    margin: Margin, canary: int, canary_share: float, stable: int, stable_share: float
) -> tuple[float, float] | None:
    """Return the point on the margin that is hardest to tell from the alternative.

    It minimises canary kl(canary_share, p) + stable kl(stable_share, q) over
    p = multiplier q + absolute; None when the margin leaves no such point.
    """
    low, high = 0.0, min(1.0, (1.0 - margin.absolute) / margin.multiplier)
    if canary + stable == 0 or high <= 0.0:
        return None
    for _ in range(_BISECTIONS):
        q = (low + high) / 2.0
        p = margin.multiplier * q + margin.absolute
        if p >= 1.0 or q >= 1.0:
            high = q
            continue
        slope = canary * margin.multiplier * (p - canary_share) / (p * (1.0 - p))
        slope += stable * (q - stable_share) / (q * (1.0 - q))
        low, high = (low, q) if slope > 0.0 else (q, high)
    q = min((low + high) / 2.0, _SURELY_LESS_THAN_ONE)
    return min(margin.multiplier * q + margin.absolute, _SURELY_LESS_THAN_ONE), q


def log_odds(requests: int, bad: int, share: float, null: float) -> float:
    """Return the log likelihood ratio of two shares of bad requests."""
    return bad * math.log(share / null) + (requests - bad) * math.log((1.0 - share) / (1.0 - null))

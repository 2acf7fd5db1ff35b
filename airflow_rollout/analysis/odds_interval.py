"""How much worse the canary is: an interval for the odds ratio that holds at every look.

All odds ratios that two one-sided sequential tests, each with half the chance of error, have not
rejected. A test of one ratio against another needs of an interval only the canary's bad requests
and the log moment generating function at both ratios; so the sums of these over a fixed grid are
all that has to be kept, and every pair of the grid can be tested at any time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from airflow_rollout.analysis.moments import log_mgfs
from airflow_rollout.analysis.readings import ArmCounts

__all__ = ["GRID", "OddsBounds", "OddsInterval"]

# Three points an octave, 1/32 to 1024: bounds are at most a quarter too wide.
_POINTS_AN_OCTAVE = 3
GRID = tuple(2.0 ** (k / _POINTS_AN_OCTAVE) for k in range(-15, 31))
_LOGS = tuple(math.log(ratio) for ratio in GRID)

# How many grid points an alternative lies beyond the tested ratio, and its share of the bet:
# 1.26, 1.6, 2.5, 5, 16 and 100 times.
_REACH = ((1, 0.2), (2, 0.2), (4, 0.2), (7, 0.2), (12, 0.1), (20, 0.1))


@dataclass(frozen=True, slots=True, kw_only=True)
class OddsBounds:
    """An odds ratio with its bounds; 0 and infinity where the grid ends.

    `estimate` is the conditional maximum of the likelihood, None where it lies beyond the grid.
    """

    low: float
    high: float
    estimate: float | None

    @property
    def is_known(self) -> bool:
        """Say whether either side is bounded."""
        return self.low > 0.0 or self.high < math.inf


class OddsInterval:
    """Sums over the intervals of one metric and release.

    :param dispersion: phi >= 1, as in the comparison.
    :param exact_limit: terms above which the closed form replaces the exact one.
    """

    __slots__ = ("_bad", "_dispersion", "_exact_limit", "_sums")

    def __init__(self, *, dispersion: float, exact_limit: int) -> None:
        self._dispersion = dispersion
        self._exact_limit = exact_limit
        self._bad = 0
        self._sums = [0.0] * len(GRID)

    def update(self, canary: ArmCounts, stable: ArmCounts) -> None:
        """Take in one closed interval of both arms (the first boundary counts)."""
        total = canary.bad[0] + stable.bad[0]
        if canary.requests == 0 or stable.requests == 0 or total == 0:
            return
        curve = _curve(canary.requests, stable.requests, total, self._exact_limit)
        self._bad += canary.bad[0]
        self._sums = [kept + new for kept, new in zip(self._sums, curve, strict=True)]

    def bounds(self, alpha: float) -> OddsBounds:
        """Return the interval that covers the odds ratio at all times with chance 1 - alpha."""
        limit = math.log(2.0 / alpha)
        last = len(GRID) - 1
        low, high = -1, last + 1
        # From the ends inwards, so that a bound is wrong only if the first true ratio was rejected.
        while low < last and self._evidence(low + 1, 1) >= limit:
            low += 1
        while high > 0 and self._evidence(high - 1, -1) >= limit:
            high -= 1
        return OddsBounds(
            low=GRID[low] if low >= 0 else 0.0,
            high=GRID[high] if high <= last else math.inf,
            estimate=self._estimate(),
        )

    def _evidence(self, tested: int, direction: int) -> float:
        """Return the log evidence against a ratio of the grid, for ratios in one direction."""
        logs = []
        for reach, share in _REACH:
            other = tested + direction * reach
            if not 0 <= other < len(GRID):
                continue
            gain = (_LOGS[other] - _LOGS[tested]) * self._bad
            gain += self._sums[tested] - self._sums[other]
            logs.append(math.log(share) + gain / self._dispersion)
        if not logs:
            return -math.inf
        top = max(logs)
        return top + math.log(math.fsum(math.exp(one - top) for one in logs))

    def _estimate(self) -> float | None:
        values = [log * self._bad - kept for log, kept in zip(_LOGS, self._sums, strict=True)]
        best = values.index(max(values))
        if not 0 < best < len(GRID) - 1:
            return None
        # The top of the parabola through the three points around the best.
        before, at, after = values[best - 1 : best + 2]
        bend = before - 2.0 * at + after
        shift = 0.0 if bend == 0.0 else 0.5 * (before - after) / bend
        return math.exp(_LOGS[best] + shift * (_LOGS[1] - _LOGS[0]))

    def state(self) -> list[float]:
        """Return the sums as plain numbers."""
        return [self._bad, *self._sums]

    def restore(self, state: Sequence[float]) -> None:
        """Continue from `state`; a foreign length is a `ValueError`."""
        if len(state) != len(GRID) + 1:
            raise ValueError(f"{len(state)} numbers instead of {len(GRID) + 1}")
        self._bad = int(state[0])
        self._sums = [float(one) for one in state[1:]]


# A steady load gives the same few counts again and again.
@lru_cache(maxsize=1024)
def _curve(canary: int, stable: int, bad: int, exact_limit: int) -> tuple[float, ...]:
    return tuple(log_mgfs(canary, stable, bad, GRID, exact_limit))

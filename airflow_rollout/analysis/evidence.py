"""Evidence that grows interval by interval and may be looked at after each of them.

An e-process starts at 1 and, while nothing is wrong, expects never to grow; the chance that it
ever reaches 1/alpha is at most alpha, however often one looks (Ville's inequality).

Source of the formulas: the sequential Fisher test with its corrections. A: likelihood ratio of
Fisher's non-central against the central hypergeometric distribution. B: the closed form that
bounds it. D: late starts. E: growth cap. F: dispersion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from airflow_rollout.analysis.moments import log_mgfs
from airflow_rollout.analysis.parameters import Comparison

__all__ = [
    "RATIOS",
    "UNKNOWN_DISPERSION",
    "WEIGHTS",
    "Growth",
    "Mixture",
    "effective_dispersion",
    "log_ratios",
]

# Odds ratios that are mixed, and how much each is believed before anything is seen: a regression
# of unknown size. Grid and weights are uncritical (a 5-point grid is within 5 % of it).
RATIOS = (1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 25.0, 60.0, 200.0, 1000.0)
_LOG_RATIOS = tuple(math.log(ratio) for ratio in RATIOS)
WEIGHTS = (0.16, 0.16, 0.14, 0.12, 0.10, 0.08, 0.08, 0.06, 0.06, 0.04)

# Without history nobody knows how errors cluster; 4 keeps ordinary retries from looking like proof.
UNKNOWN_DISPERSION = 4.0

# Lets `min_intervals` capped intervals just reach the limit in spite of rounding.
LOG_CAP_SLACK = 1e-6

# Far above any limit and far below the largest float: an observed release goes on after the limit.
_LARGEST = 1e280
_LARGEST_LOG = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How much an interval may add.

    :param log_cap: most that one interval may multiply by, as a logarithm (formula E).
    :param dispersion: phi >= 1, how many bad requests arrive as one event (formula F).
    :param restart_share: share of the budget for late starts, spread over `planned_intervals` (D).
    """

    log_cap: float
    dispersion: float
    restart_share: float
    planned_intervals: int

    @classmethod
    def of(cls, params: Comparison, *, alpha: float, weight: float) -> Growth:
        """Derive the growth rules of a process that holds `weight` of the budget `alpha`.

        The cap grows as the weight falls, so `min_intervals` means the same for every metric.
        With `min_intervals` 1 one interval may decide and nothing is capped.
        """
        log_cap = _LARGEST_LOG
        if params.min_intervals > 1:
            whole = -math.log(alpha * weight * (1.0 - params.restart_share))
            log_cap = whole / params.min_intervals + LOG_CAP_SLACK
        return cls(
            log_cap=min(log_cap, _LARGEST_LOG),
            dispersion=effective_dispersion(params),
            restart_share=params.restart_share,
            planned_intervals=max(1, params.planned_intervals),
        )


def effective_dispersion(params: Comparison) -> float:
    """Return phi: the given one, at least 1; 4 where no history was given."""
    if params.dispersion is None:
        return UNKNOWN_DISPERSION
    return max(1.0, params.dispersion)


class Mixture:
    """One e-process: a mixture over effect sizes and over start times.

    `masses[i]` is what was bet on effect i and what became of it, `reserve` what is not bet yet;
    the value is their weighted sum. All bets sum to at most 1, so the value starts at 1.
    """

    __slots__ = ("masses", "reserve", "started")

    def __init__(self) -> None:
        self.masses = [0.0] * len(RATIOS)
        self.reserve = 1.0
        self.started = False

    @property
    def value(self) -> float:
        """Return the evidence now; 1 is none."""
        return math.fsum(w * m for w, m in zip(WEIGHTS, self.masses, strict=True)) + self.reserve

    def update(self, log_ratios: Sequence[float] | None, growth: Growth) -> None:
        """Take one interval in; None is an interval that says nothing (only the clock moves on)."""
        share = growth.restart_share
        bet = share / growth.planned_intervals if self.started else 1.0 - share
        bet = min(bet, self.reserve)
        self.started = True
        self.reserve -= bet
        if log_ratios is None:
            self.masses = [mass + bet for mass in self.masses]
            return
        phi, cap, exp = growth.dispersion, growth.log_cap, math.exp
        self.masses = [
            min((mass + bet) * exp(min(one / phi, cap)), _LARGEST)
            for mass, one in zip(self.masses, log_ratios, strict=True)
        ]

    def state(self) -> list[float]:
        """Return the process as plain numbers; `restore` reads them back."""
        return [self.reserve if self.started else -1.0, *self.masses]

    @classmethod
    def restore(cls, state: Sequence[float]) -> Mixture:
        """Rebuild a process from `state`; a foreign length is a `ValueError`."""
        if len(state) != len(RATIOS) + 1:
            raise ValueError(f"{len(state)} numbers instead of {len(RATIOS) + 1}")
        mixture = cls()
        mixture.started = state[0] >= 0.0
        mixture.reserve = float(state[0]) if mixture.started else 1.0
        mixture.masses = [float(mass) for mass in state[1:]]
        return mixture


def log_ratios(
    canary: int, canary_bad: int, stable: int, stable_bad: int, params: Comparison
) -> list[float] | None:
    """Return the log likelihood ratio of each effect size, None when the interval says nothing.

    Formula A with a tolerance: effects are measured from the tolerated odds ratio, up to which
    the expected ratio is at most 1.
    """
    total = canary_bad + stable_bad
    if canary == 0 or stable == 0 or total == 0 or total == canary + stable:
        return None
    gains = _gains(canary, stable, total, params.tolerance, params.exact_limit)
    return [canary_bad * log + gain for log, gain in zip(_LOG_RATIOS, gains, strict=True)]


# What an interval would say but for the canary's own bad requests. A steady load gives the same
# few counts again and again.
@lru_cache(maxsize=1024)
def _gains(
    canary: int, stable: int, bad: int, tolerance: float, exact_limit: int
) -> tuple[float, ...]:
    ratios = (tolerance, *(ratio * tolerance for ratio in RATIOS))
    base, *others = log_mgfs(canary, stable, bad, ratios, exact_limit)
    return tuple(base - other for other in others)

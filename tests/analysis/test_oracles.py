"""Formulas against an independent oracle: 10,000 random cases each, all of them seeded.

The oracle shares no code with the product: scipy's distributions, and plain searches over arrays.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from airflow_rollout.analysis.moments import log_mgf, log_mgfs
from airflow_rollout.analysis.non_inferiority import project
from airflow_rollout.analysis.odds_interval import GRID, OddsInterval
from airflow_rollout.analysis.parameters import Margin
from airflow_rollout.analysis.readings import ArmCounts

CASES = 10_000
EXACT = 10**9


def arms(draw: np.random.Generator, largest: int) -> tuple[int, int, int]:
    """Sizes of both arms over three orders of magnitude, and the bad requests of both."""
    canary, stable = (int(10 ** draw.uniform(0, math.log10(largest))) for _ in range(2))
    total = canary + stable
    # Few bad requests most of the time, as in traffic, and any number of them at times.
    bad = draw.integers(0, total + 1) if draw.random() < 0.2 else min(total, draw.poisson(4))
    return canary, stable, int(bad)


def log_choose(n: int, k):
    return -special.betaln(1 + n - k, 1 + k) - math.log(n + 1)


def oracle_log_mgf(canary: int, stable: int, bad: int, ratios: np.ndarray) -> np.ndarray:
    found = np.arange(max(0, bad - stable), min(bad, canary) + 1)
    logs = log_choose(canary, found) + log_choose(stable, bad - found)
    logs = logs - log_choose(canary + stable, bad)
    return special.logsumexp(logs[None, :] + np.log(ratios)[:, None] * found, axis=1)


def test_the_moment_generating_function_is_that_of_scipys_distribution():
    draw = np.random.default_rng(1)
    for _ in range(CASES):
        canary, stable, bad = arms(draw, 400)
        ratio = float(np.exp(draw.uniform(math.log(1 / 32), math.log(1250))))
        support = np.arange(max(0, bad - stable), min(bad, canary) + 1)
        logs = stats.hypergeom.logpmf(support, canary + stable, canary, bad)
        expected = special.logsumexp(logs + math.log(ratio) * support)
        walked = log_mgf(canary, stable, bad, ratio, EXACT)
        assert walked == pytest.approx(expected, abs=2e-7, rel=1e-9), (canary, stable, bad, ratio)
        (found,) = log_mgfs(canary, stable, bad, [ratio], EXACT)
        assert found == pytest.approx(expected, abs=2e-7, rel=1e-9), (canary, stable, bad, ratio)


def oracle_bounds(intervals: list[tuple[int, int, int, int]], alpha: float, phi: float):
    """Test every ratio of the grid against larger and smaller ones, interval by interval."""
    grid = np.array(GRID)
    reach = np.array([1, 2, 4, 7, 12, 20])
    share = np.array([0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    logs = np.zeros((2, len(grid), len(reach)))
    for canary, bad, stable, stable_bad in intervals:
        curve = oracle_log_mgf(canary, stable, bad + stable_bad, grid)
        for side, sign in enumerate((1, -1)):
            other = np.arange(len(grid))[:, None] + sign * reach[None, :]
            inside = (other >= 0) & (other < len(grid))
            other = np.clip(other, 0, len(grid) - 1)
            gain = np.log(grid[other] / grid[:, None]) * bad + curve[:, None] - curve[other]
            logs[side] = np.where(inside, logs[side] + gain / phi, -np.inf)
    evidence = special.logsumexp(logs + np.log(share), axis=2)
    rejected = evidence >= math.log(2 / alpha)
    below = int(np.argmin(np.append(rejected[0][:-1], False)))
    above = int(np.argmin(np.append(rejected[1][::-1][:-1], False)))
    low = float(grid[below - 1]) if below else 0.0
    high = float(grid[len(grid) - above]) if above else math.inf
    margin = np.abs(evidence - math.log(2 / alpha)).min()
    return low, high, float(margin)


def test_the_interval_of_the_odds_ratio_is_what_tests_of_every_ratio_leave():
    draw, decided = np.random.default_rng(2), 0
    for _ in range(CASES):
        phi = float(draw.choice([1.0, 1.0, 2.5]))
        interval = OddsInterval(dispersion=phi, exact_limit=EXACT)
        share, odds = 10 ** draw.uniform(-3, -0.3), 10 ** draw.uniform(-1, 2)
        canary_share = share * odds / (1 - share + share * odds)
        intervals = []
        for _ in range(int(draw.integers(1, 3))):
            canary, stable = int(draw.integers(1, 300)), int(draw.integers(1, 900))
            bad, stable_bad = draw.binomial(canary, canary_share), draw.binomial(stable, share)
            intervals.append((canary, int(bad), stable, int(stable_bad)))
            interval.update(
                ArmCounts(requests=canary, bad=(int(bad),)),
                ArmCounts(requests=stable, bad=(int(stable_bad),)),
            )
        bounds = interval.bounds(0.01)
        low, high, margin = oracle_bounds(intervals, 0.01, phi)
        if margin > 1e-6:  # nearer to the limit, rounding decides
            assert (bounds.low, bounds.high) == (low, high), intervals
        decided += bounds.is_known
    assert decided > CASES / 4


def kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return special.rel_entr(p, q) + special.rel_entr(1 - p, 1 - q)


def test_the_projection_is_the_nearest_point_of_the_margin():
    draw = np.random.default_rng(3)
    canary = np.exp(draw.uniform(0, 9, CASES)).astype(int) + 1
    stable = np.exp(draw.uniform(0, 11, CASES)).astype(int) + 1
    share = 10 ** draw.uniform(-4, -0.2, CASES)
    wanted = share * draw.uniform(0.3, 1.0, CASES)
    multiplier, absolute = draw.uniform(1.0, 2.0, CASES), draw.choice([0.0, 0.005, 0.05], CASES)
    cases = zip(multiplier, absolute, canary, wanted, stable, share, strict=True)
    found = np.array([
        project(Margin(multiplier=m, absolute=a), int(c), w, int(s), b)
        for m, a, c, w, s, b in cases
    ])  # fmt: skip
    cost = canary * kl(wanted, found[:, 0]) + stable * kl(share, found[:, 1])
    # On the margin, as far as a float tells.
    assert np.allclose(found[:, 0], np.minimum(multiplier * found[:, 1] + absolute, 1.0))
    # The cost is convex in q: a search on ever finer grids finds its lowest point.
    low, high = np.full(CASES, 1e-12), np.minimum(1.0, (1.0 - absolute) / multiplier) - 1e-12
    best = np.full(CASES, np.inf)
    for _ in range(6):
        q = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 101)[None, :]
        p = np.minimum(multiplier[:, None] * q + absolute[:, None], 1 - 1e-13)
        costs = canary[:, None] * kl(wanted[:, None], p) + stable[:, None] * kl(share[:, None], q)
        at = costs.argmin(axis=1)
        best = np.minimum(best, costs.min(axis=1))
        rows = np.arange(CASES)
        low = q[rows, np.maximum(at - 1, 0)]
        high = q[rows, np.minimum(at + 1, 100)]
    assert np.all(cost <= best * (1 + 1e-6) + 1e-6)
    assert np.all(cost >= best * (1 - 1e-6) - 1e-6)

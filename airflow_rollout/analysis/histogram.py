"""Counts against several boundaries: the comparison of both arms, and what a histogram says.

An error metric is a histogram with one boundary ("bad"), so one process serves both questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airflow_rollout.analysis.counts import ByPod
from airflow_rollout.analysis.evidence import Growth, Mixture, log_ratios
from airflow_rollout.analysis.margin import PastStable, margin_ratios
from airflow_rollout.analysis.parameters import Comparison, Margin, Unit
from airflow_rollout.analysis.pods import are_enough, tolerated_pod_ratios
from airflow_rollout.analysis.readings import ArmCounts

__all__ = ["ComparisonProcess", "boundary_at", "quantile", "slower_than"]


class ComparisonProcess:
    """Evidence that the canary is worse than the stable arm: the mean over the boundaries.

    Formula G: a mean of e-processes is one; it follows the informative boundary by itself, at a
    cost of at most log(number of boundaries).
    """

    __slots__ = ("_growth", "_margin", "_mixtures", "_params", "_past", "_pod_growth", "pods")

    def __init__(self, params: Comparison, growth: Growth) -> None:
        self._params = params
        self._growth = growth
        # Clusters are counted as one already.
        self._pod_growth = replace(growth, dispersion=1.0)
        self._mixtures: list[Mixture] = []
        self._margin = Margin(multiplier=params.tolerance, absolute=params.absolute)
        self._past: list[PastStable] = []
        self.pods = 0

    @property
    def value(self) -> float:
        """Return the evidence now; 1 is none."""
        if not self._mixtures:
            return 1.0
        return math.fsum(m.value for m in self._mixtures) / len(self._mixtures)

    @property
    def leading(self) -> int | None:
        """Return the index of the boundary that carries the evidence, None before any interval."""
        if not self._mixtures:
            return None
        values = [m.value for m in self._mixtures]
        return values.index(max(values))

    def update(self, canary: ArmCounts, stable: ArmCounts, pods: ByPod = ((), ())) -> None:
        """Take in one closed interval of both arms.

        :param pods: the counts of each pod; they are compared where that is wanted and possible,
            and `pods` is how many the last interval had.
        """
        if not self._mixtures:
            self._mixtures = [Mixture() for _ in canary.bad]
        sizes = (len(pods[0]), len(pods[1]))
        is_by_pod = self._params.unit is Unit.PODS and are_enough(*sizes, len(canary.bad))
        self.pods = sum(sizes) if is_by_pod else 0
        if is_by_pod:
            self._compare_pods(pods)
        elif self._margin.absolute > 0.0:
            self._compare_shares(canary, stable)
        else:
            self._compare_odds(canary, stable)

    def _compare_odds(self, canary: ArmCounts, stable: ArmCounts) -> None:
        for mixture, bad, stable_bad in zip(self._mixtures, canary.bad, stable.bad, strict=True):
            ratios = log_ratios(canary.requests, bad, stable.requests, stable_bad, self._params)
            mixture.update(ratios, self._growth)

    def _compare_shares(self, canary: ArmCounts, stable: ArmCounts) -> None:
        if not self._past:
            self._past = [PastStable() for _ in self._mixtures]
        for boundary, (mixture, past) in enumerate(zip(self._mixtures, self._past, strict=True)):
            ratios = margin_ratios(canary, stable, boundary, past=past, margin=self._margin)
            mixture.update(ratios, self._growth)
            # Without a request of the canary's stable's counts come again with its next one.
            if ratios is not None:
                past.learn(stable, boundary)

    def _compare_pods(self, pods: ByPod) -> None:
        phi = self._growth.dispersion
        for boundary, mixture in enumerate(self._mixtures):
            canary, stable = ([one.bad[boundary] / phi for one in arm] for arm in pods)
            ratios = tolerated_pod_ratios(canary, stable, self._params.tolerance)
            mixture.update(ratios, self._pod_growth)

    def state(self) -> list[list[float]]:
        """Return the process as plain numbers."""
        states = [mixture.state() for mixture in self._mixtures]
        for state, past in zip(states, self._past, strict=False):
            state += [past.bad, past.requests]
        return states

    def restore(self, state: Sequence[Any]) -> None:
        """Continue from `state`."""
        size = len(Mixture().state())
        self._mixtures = [Mixture.restore(one[:size]) for one in state]
        self._past = [PastStable(*map(int, one[size:])) for one in state if len(one) > size]


def boundary_at(boundaries: Sequence[float], limit: float | None) -> int:
    """Return the index of the first boundary from `limit` on; the last one if all lie below."""
    if limit is None:
        return 0
    at = (k for k, edge in enumerate(boundaries) if edge >= limit * (1.0 - 1e-9))
    return next(at, len(boundaries) - 1)


def quantile(boundaries: Sequence[float], counts: ArmCounts, q: float) -> float | None:
    """Return the q-quantile in the boundaries' unit, None without requests.

    Prometheus' `histogram_quantile`: linear inside the bucket, the first one from 0; a quantile
    beyond the last finite boundary is that boundary.
    """
    if counts.requests == 0 or not boundaries:
        return None
    rank = q * counts.requests
    below, lower = 0, 0.0
    for upper, slower in zip(boundaries, counts.bad, strict=True):
        reached = counts.requests - slower
        if reached >= rank and reached > below:
            if below == 0 and upper <= 0.0:
                return upper
            return lower + (upper - lower) * (rank - below) / (reached - below)
        below, lower = max(below, reached), upper
    return boundaries[-1]


def slower_than(boundaries: Sequence[float], counts: ArmCounts, limit: float) -> float | None:
    """Return how many requests were slower than `limit`, linear inside the bucket.

    Exact where a boundary lies at the limit. None when the limit is above the last boundary:
    nothing is known there.
    """
    lower, above = 0.0, counts.requests
    for upper, slower in zip(boundaries, counts.bad, strict=True):
        if math.isclose(upper, limit, rel_tol=1e-9):
            return float(slower)
        if limit < upper:
            share = (upper - limit) / (upper - lower) if upper > lower else 0.0
            return slower + (above - slower) * min(1.0, share)
        lower, above = upper, slower
    return None

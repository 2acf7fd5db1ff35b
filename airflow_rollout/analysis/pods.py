"""The comparison with pods as what is exchangeable, for errors that cluster heavily.

Formula H: which of all pods are the canary's is a draw that says nothing about their errors, if
the canary is no worse. However errors cluster inside a pod, that stays true; so no dispersion is
needed. It wants equal traffic a pod, and enough pods: of 20 with 2 canaries there are 190 choices,
of 4 with 1 only 4, which can never be evidence of more than 4:1 an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from airflow_rollout.analysis.evidence import RATIOS

__all__ = ["log_choices", "pod_log_ratios"]


def log_choices(canary_pods: int, stable_pods: int) -> float:
    """Return the log of how many choices of canaries there are: the most one interval can add."""
    return (
        math.lgamma(canary_pods + stable_pods + 1)
        - math.lgamma(canary_pods + 1)
        - math.lgamma(stable_pods + 1)
    )


def pod_log_ratios(
    canary_bad: Sequence[int], stable_bad: Sequence[int], ratios: Sequence[float] = RATIOS
) -> list[float] | None:
    """Return the log likelihood ratio of each effect size; None when the interval says nothing.

    :param canary_bad: bad requests of each canary pod in the interval.
    :param stable_bad: bad requests of each stable pod.
    :param ratios: by how much each bad request speaks for a pod to be a canary.

    With one request a pod it is the comparison of requests.
    """
    counts = [*canary_bad, *stable_bad]
    if not canary_bad or not stable_bad or len(set(counts)) == 1:
        return None
    choices = log_choices(len(canary_bad), len(stable_bad))
    found = sum(canary_bad)
    result = []
    for ratio in ratios:
        delta = math.log(ratio)
        weights = [delta * count for count in counts]
        result.append(choices + delta * found - _log_symmetric(weights, len(canary_bad)))
    return result


def _log_symmetric(logs: Sequence[float], size: int) -> float:
    """Return the log of the elementary symmetric polynomial: the sum over all choices of `size`.

    The usual recursion, in logarithms: the weights span hundreds of orders of magnitude.
    """
    sums = [0.0] + [-math.inf] * size
    for count, one in enumerate(logs, start=1):
        for k in range(min(size, count), 0, -1):
            sums[k] = _log_add(sums[k], sums[k - 1] + one)
    return sums[size]


def _log_add(a: float, b: float) -> float:
    top, other = (a, b) if a >= b else (b, a)
    if other == -math.inf:
        return top
    return top + math.log1p(math.exp(other - top))

"""The comparison with pods as what is exchangeable, for errors that cluster heavily.

Formula H: which of all pods are the canary's is a draw that says nothing about their errors, if
the canary is no worse. However errors cluster inside a pod, that stays true, so the guarantee needs
no dispersion. To find anything clusters are counted and not errors: a tolerated ratio for each of
ten errors that come as one would be its tenth power. It wants equal traffic a pod, and enough pods:
of 20 with 2 canaries there are 190 choices, of 4 with 1 only 4, which can never be evidence of more
than 4:1 an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from airflow_rollout.analysis.evidence import RATIOS

__all__ = ["are_enough", "log_choices", "pod_log_ratios", "tolerated_pod_ratios"]

# Fewer choices than e squared can hardly be evidence of anything.
_FEWEST_LOG_CHOICES = 2.0

# The recursion takes pods times canaries steps for each boundary and ratio; beyond that many an
# update would take longer than a gate may think.
_MOST_STEPS = 1000


def are_enough(canary_pods: int, stable_pods: int, boundaries: int = 1) -> bool:
    """Say whether pods can be compared: enough of them to tell, few enough to count."""
    if not canary_pods or not stable_pods:
        return False
    steps = (canary_pods + stable_pods) * canary_pods * boundaries
    return steps <= _MOST_STEPS and log_choices(canary_pods, stable_pods) > _FEWEST_LOG_CHOICES


def log_choices(canary_pods: int, stable_pods: int) -> float:
    """Return the log of how many choices of canaries there are: the most one interval can add."""
    return (
        math.lgamma(canary_pods + stable_pods + 1)
        - math.lgamma(canary_pods + 1)
        - math.lgamma(stable_pods + 1)
    )


def pod_log_ratios(
    canary_bad: Sequence[float], stable_bad: Sequence[float], ratios: Sequence[float] = RATIOS
) -> list[float] | None:
    """Return the log likelihood ratio of each effect size; None when the interval says nothing.

    :param canary_bad: bad requests, or clusters of them, of each canary pod in the interval.
    :param stable_bad: bad requests of each stable pod.
    :param ratios: by how much each bad request speaks for a pod to be a canary.

    With one request a pod it is the comparison of requests.
    """
    counts = [*canary_bad, *stable_bad]
    if not canary_bad or not stable_bad or len(set(counts)) == 1:
        return None
    choices = log_choices(len(canary_bad), len(stable_bad))
    found = math.fsum(canary_bad)
    result = []
    for ratio in ratios:
        delta = math.log(ratio)
        weights = [delta * count for count in counts]
        result.append(choices + delta * found - _log_symmetric(weights, len(canary_bad)))
    return result


def tolerated_pod_ratios(
    canary_bad: Sequence[float], stable_bad: Sequence[float], tolerance: float
) -> list[float] | None:
    """Return `pod_log_ratios` measured from the tolerated odds ratio, as requests' are."""
    ratios = (tolerance, *(ratio * tolerance for ratio in RATIOS))
    found = pod_log_ratios(canary_bad, stable_bad, ratios)
    return None if found is None else [one - found[0] for one in found[1:]]


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

"""How errors cluster, measured on the stable version: phi, how many bad requests come as one.

Formula F's phi, from blocks of 15 s. Between pods where counts a pod are known: a shock that all
pods share cancels. Else over time, where a shared shock counts as clustering: too large, which is
slower and safe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "BLOCK_SECONDS",
    "FEWEST_BLOCKS",
    "Basis",
    "Block",
    "Dispersion",
    "dispersion_between_pods",
    "dispersion_over_time",
    "measure_dispersion",
]

BLOCK_SECONDS = 15.0

# A quarter of an hour of blocks with traffic; the estimate from fewer is worth less than a guess.
FEWEST_BLOCKS = 60

# requests and bad requests
Block = tuple[int, int]


class Basis(StrEnum):
    """What phi was measured on."""

    PODS = "pods"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersion:
    """A measured phi, at least 1: from how many blocks, and how."""

    phi: float
    blocks: int
    basis: Basis


def measure_dispersion(pods: Sequence[Sequence[Block]]) -> Dispersion | None:
    """Return phi between pods, else over time; None when there is too little history.

    :param pods: for each block the counts of each pod; one pod is a whole service.
    """
    between = dispersion_between_pods(pods)
    if between is not None:
        return between
    return dispersion_over_time([_sum(block) for block in pods])


def dispersion_between_pods(blocks: Sequence[Sequence[Block]]) -> Dispersion | None:
    """Return the ratio of sums of squared differences and their variance, over all blocks.

    A mean of ratios a block would be ruled by blocks with next to no errors. None when fewer than
    60 blocks have errors of at least two pods to tell apart.
    """
    squares, variances, used = [], [], 0
    for block in blocks:
        pods = [(n, x) for n, x in block if n > 0]
        requests, bad = _sum(pods)
        if len(pods) < 2 or not 0 < bad < requests:
            continue
        share = bad / requests
        used += 1
        squares.append(math.fsum((x - n * share) ** 2 for n, x in pods))
        variances.append(
            math.fsum(n * share * (1.0 - share) * (1.0 - n / requests) for n, _ in pods)
        )
    return _ratio(squares, variances, used, Basis.PODS)


def dispersion_over_time(blocks: Sequence[Block]) -> Dispersion | None:
    """Return the Fano factor of the bad requests around the mean share, over all blocks."""
    served = [(n, x) for n, x in blocks if n > 0]
    requests, bad = _sum(served)
    if not 0 < bad < requests:
        return None
    share = bad / requests
    squares = [(x - n * share) ** 2 for n, x in served]
    variances = [n * share * (1.0 - share) * (1.0 - n / requests) for n, _ in served]
    return _ratio(squares, variances, len(served), Basis.TIME)


def _ratio(
    squares: Sequence[float], variances: Sequence[float], blocks: int, basis: Basis
) -> Dispersion | None:
    total = math.fsum(variances)
    if blocks < FEWEST_BLOCKS or total <= 0.0:
        return None
    # Below 1 there is nothing to correct: errors that come more evenly than by chance are luck.
    return Dispersion(phi=max(1.0, math.fsum(squares) / total), blocks=blocks, basis=basis)


def _sum(pods: Sequence[Block]) -> Block:
    return sum(n for n, _ in pods), sum(x for _, x in pods)

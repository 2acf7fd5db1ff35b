"""How many pods a canary has for a weight. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["Size", "first_pods", "pods_for", "real_shares"]


class Size(StrEnum):
    """`full`: as many pods as stable from the start, so that each weight finds room.

    `by_weight`: as many as a weight needs of what all traffic needs. `by_share`: so many that the
    canary's share of all pods is the weight, where pods are what a weight is made of.
    """

    FULL = "full"
    BY_WEIGHT = "by_weight"
    BY_SHARE = "by_share"


def first_pods(size: Size, stable: int) -> int:
    """Return how many pods a canary starts with; one shows whether its version starts at all."""
    return max(1, stable) if size is Size.FULL else 1


def pods_for(size: Size, weight: int, stable: int) -> int:
    """Return how many pods a canary needs for a weight, beside so many of stable's.

    `by_share` rounds n * w / (100 - w) to the nearest number, half up. It stops at n, which is room
    for all traffic: 90 % beside 10 pods would be another 90.
    """
    most = max(1, stable)
    if size is Size.FULL or weight >= 100:
        return most
    if size is Size.BY_WEIGHT:
        return max(1, -(-stable * weight // 100))
    rest = 100 - weight
    return min(most, max(1, (2 * stable * weight + rest) // (2 * rest)))


def real_shares(weights: Iterable[int], stable: int) -> list[str]:
    """Return, in words, which weights are another share of the pods."""
    told = []
    for weight in sorted(set(weights)):
        pods = pods_for(Size.BY_SHARE, weight, stable)
        total = pods + max(1, stable)
        share = round(100 * pods / total)
        if 0 < weight < 100 and share != weight:
            told.append(f"step of {weight} % will be {share} %: {pods} of {total} pods")
    return told

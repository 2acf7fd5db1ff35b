"""Whether traffic moved as it was written: the canary's share of the requests that were counted.

A write, and a router that shows it, say what should happen. Requests say what did. Once so many of
them were counted that the canary should have had thirty, its share has to fit the weight.

The interval is Chernoff's bound for a binomial count, which holds for any number of requests: a
share is out of it where `requests * KL(share, edge)` is above `-ln(chance)`. Its edges lie a factor
of the odds away from the weight, because routers may send a client again where it was before, and
because a retry is counted twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from airflow_rollout.analysis.sentences import percent

__all__ = ["EXPECTED_REQUESTS", "Effect"]

# So many requests the canary should have had before its share says anything.
EXPECTED_REQUESTS = 30

# How often a share of a router that works is called wrong: it is looked at every few seconds.
_CHANCE = 1e-6

# How far the odds of the share may lie from those of the weight before chance has to explain it.
_TOLERANCE = 1.5

# All of the traffic still leaves a few requests to stable that were on their way.
_ALL = 0.99


@dataclass(slots=True, kw_only=True)
class Effect:
    """The requests of one step so far, held against its weight (percent, above 0).

    Counting starts at `canary` and `stable`, and anew after each share that did not fit: a router
    may take a while to follow, and a source that shows the canary for the first time does not say
    how many requests it had before.

    :param misfits: how often in a row the share did not fit.
    """

    weight: int
    canary: int = 0
    stable: int = 0
    misfits: int = 0
    _found: str = ""
    _expected: float = 0.0

    def look(self, canary: int, stable: int) -> None:
        """Take in what both arms were counted to have had in this step."""
        ours, theirs = canary - self.canary, stable - self.stable
        requests = ours + theirs
        weight = min(self.weight / 100.0, _ALL)
        self._expected = requests * weight
        if self._expected < EXPECTED_REQUESTS:
            return
        self._found = f"{percent(ours / requests)} of the requests ({ours}/{requests})"
        if _fits(ours / requests, requests, weight):
            self.misfits = 0
            return
        self.misfits += 1
        self.canary, self.stable = canary, stable

    @property
    def words(self) -> str:
        """Return what a verdict says of it."""
        if self.misfits:
            return f"{self._found} went to the canary, {self.weight} % is written"
        if self._found:
            return f"split observed: {self._found}"
        few = f"{self._expected:.0f} of {EXPECTED_REQUESTS} canary requests expected"
        return f"split not yet observed: {few}"


def _fits(share: float, requests: int, weight: float) -> bool:
    """Say whether a share may be chance at odds within the tolerance of the weight's."""
    odds = weight / (1.0 - weight)
    low, high = (x / (1.0 + x) for x in (odds / _TOLERANCE, odds * _TOLERANCE))
    if low <= share <= high or (share > high and weight == _ALL):
        return True
    edge = low if share < low else high
    return requests * _divergence(share, edge) <= -math.log(_CHANCE)


def _divergence(share: float, edge: float) -> float:
    """Return the Kullback-Leibler divergence of two coins, in nats; `edge` is inside 0..1."""
    parts = ((share, edge), (1.0 - share, 1.0 - edge))
    return math.fsum(a * math.log(a / b) for a, b in parts if a > 0.0)

"""What lets a step end before its hold is over: proof that the canary is not worse.

Begins anew at each weight: a fault that needs load must not pass on proof gathered at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from airflow_rollout.analysis.non_inferiority import NonInferiority
from airflow_rollout.analysis.parameters import Margin
from airflow_rollout.analysis.readings import ArmCounts

__all__ = ["PromotionProcess", "as_odds"]


class PromotionProcess:
    """Proof for one metric: the canary is not worse at any boundary.

    All boundaries have to be shown, so each may use the whole chance of error and the weakest
    counts. A histogram's first interval only teaches what the shares are: a bet on the shares of
    an error rate would be lost at every boundary in the middle.
    """

    __slots__ = ("_dispersion", "_margin", "_processes", "_teaches")

    def __init__(self, margin: Margin, *, dispersion: float, is_histogram: bool) -> None:
        self._margin = margin
        self._dispersion = dispersion
        self._teaches = is_histogram
        self._processes: list[NonInferiority] = []

    @property
    def log_value(self) -> float:
        """Return the logarithm of the evidence; 0 is none."""
        return min((one.log_value for one in self._processes), default=0.0)

    def update(self, canary: ArmCounts, stable: ArmCounts) -> None:
        """Take in one closed interval of both arms."""
        is_first = not self._processes
        if is_first:
            self._processes = [self._new() for _ in canary.bad]
        for boundary, process in enumerate(self._processes):
            if is_first and self._teaches:
                process.learn(stable, boundary)
            else:
                process.update(canary, stable, boundary)

    def start_anew(self) -> None:
        """Forget everything."""
        self._processes = []

    def state(self) -> list[list[float]]:
        """Return the process as plain numbers."""
        return [one.state() for one in self._processes]

    def restore(self, state: Sequence[Any]) -> None:
        """Continue from `state`."""
        self._processes = [self._new() for _ in state]
        for process, saved in zip(self._processes, state, strict=True):
            process.restore(saved)

    def _new(self) -> NonInferiority:
        return NonInferiority(self._margin, dispersion=self._dispersion)


def as_odds(log_value: float) -> float:
    """Return evidence from its logarithm, bounded so that it can be shown."""
    return math.exp(min(log_value, 600.0))

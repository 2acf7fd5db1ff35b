"""A step whose hold is over and that shows nothing either way: what its evidence still leaves open.

Native rules only. Its limits are kept and its sample is complete; whether it may pass all the same
is a policy (`on_inconclusive`), and so is what becomes of one that cannot be measured (`on_error`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from airflow_rollout.analysis.parameters import (
    JudgeParams,
    Mode,
    OnError,
    OnInconclusive,
    Semantics,
)
from airflow_rollout.analysis.promotion import as_odds
from airflow_rollout.analysis.sentences import odds
from airflow_rollout.analysis.standing import Schedule
from airflow_rollout.analysis.track import Track

__all__ = ["ASKING", "left_open", "promotion_evidence", "unreadable"]

_FULL = 100
ASKING = "a person decides: mark this gate success to go on, failed to roll back"


def promotion_evidence(acting: Sequence[Track]) -> float:
    """Return the weakest metric's logarithmic evidence: all of them have to be shown."""
    shown = [t.promotion.log_value for t in acting if t.promotion is not None]
    return min(shown, default=0.0)


def left_open(
    params: JudgeParams,
    acting: Sequence[Track],
    *,
    weight: int,
    evidence: float,
    at: float,
    schedule: Schedule,
) -> str:
    """Say why a step that keeps its limits may not pass yet; empty when it may.

    :param weight: at 100 % there is nothing to be compared with, so nothing more can be shown.
    :param evidence: against the canary.
    """
    is_compared = weight < _FULL and any(t.comparison is not None for t in acting)
    is_free = params.policies.on_inconclusive is OnInconclusive.PROMOTE
    if is_free or not is_compared or params.mode is Mode.OBSERVE:
        return ""
    against = odds(evidence, 1.0 / params.alpha)
    if not params.policies.needs_proof:
        # The last check before the deadline: evidence that stops nothing must not end a release.
        is_last = at >= schedule.deadline - schedule.interval
        return "" if evidence <= 1.0 or is_last else f"something speaks against it, {against}"
    beta, shown = params.promotion.beta, promotion_evidence(acting)
    if shown >= -math.log(beta) and evidence <= 1.0:
        return ""
    return f"not shown to be no worse than stable: {odds(as_odds(shown), 1.0 / beta)}"


def unreadable(params: JudgeParams, acting: Sequence[Track]) -> str:
    """Say which metric could not be read more often in a row than is tolerated, empty if none."""
    if params.semantics is not Semantics.NATIVE or params.policies.on_error is OnError.HOLD:
        return ""
    limit = params.policies.consecutive_error_limit
    for track in acting:
        if track.errors_in_a_row > limit:
            return (
                f"{track.metric.name}: {track.errors_in_a_row} readings in a row failed "
                f"(consecutive error limit {limit}), the last: {track.reason}"
            )
    return ""

"""How long a step that holds would still take, at the traffic it has had so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from airflow_rollout.analysis.bound import bound_seconds, odds_times
from airflow_rollout.analysis.parameters import JudgeParams, Question
from airflow_rollout.analysis.sentences import duration
from airflow_rollout.analysis.track import Track

__all__ = ["outlook"]

# A tenth of a minute of counts says nothing about the traffic yet.
_SHORTEST_SECONDS = 5.0
# What a person wants to know: could a doubling be seen at all?
_FACTOR = 2.0


def outlook(tracks: Sequence[Track], params: JudgeParams, *, elapsed_seconds: float) -> str:
    """Say when the sample is complete, and when twice the errors would show; empty if unknown.

    :param elapsed_seconds: since the step's write.
    """
    if elapsed_seconds < _SHORTEST_SECONDS:
        return ""
    parts = []
    sample = max((_sample_seconds(t, params, elapsed_seconds) for t in tracks), default=0.0)
    if 0.0 < sample < math.inf:
        parts.append(f"enough requests in about {duration(sample)}")
    doubled = max((_doubled_seconds(t, params, elapsed_seconds) for t in tracks), default=0.0)
    if 0.0 < doubled < math.inf:
        parts.append(f"at this traffic twice the errors would take about {duration(doubled)}")
    return "; ".join(parts)


def _sample_seconds(track: Track, params: JudgeParams, elapsed: float) -> float:
    """Return the time until the minimum of requests, infinity without any."""
    requests = track.step_canary.requests
    missing = params.min_requests - requests
    if missing <= 0:
        return 0.0
    return missing * elapsed / requests if requests else math.inf


def _doubled_seconds(track: Track, params: JudgeParams, elapsed: float) -> float:
    """Return Wald's bound for twice the odds; clusters of phi errors make it phi times as long."""
    canary, stable = track.step_canary, track.step_stable
    is_compared = track.comparison is not None and track.metric.question is Question.ERRORS
    if not is_compared or not canary.requests or not stable.requests or not stable.bad:
        return 0.0
    share = stable.bad[0] / stable.requests
    if not 0.0 < share < 1.0:
        return 0.0
    seconds = bound_seconds(
        canary_rate=canary.requests / elapsed,
        stable_rate=stable.requests / elapsed,
        canary_share=odds_times(share, _FACTOR),
        stable_share=share,
        alpha=params.alpha,
    )
    return seconds * track.dispersion

"""What one metric says now: its numbers and its sentence."""

from __future__ import annotations

import math
from dataclasses import replace

from airflow_rollout.analysis.checks import (
    CheckResult,
    quantile_name,
    quantile_of,
    share_limit,
)
from airflow_rollout.analysis.dispersion import Basis
from airflow_rollout.analysis.histogram import quantile, slower_than
from airflow_rollout.analysis.latency import latency_limit
from airflow_rollout.analysis.odds_interval import OddsBounds
from airflow_rollout.analysis.parameters import JudgeParams, Question, Semantics
from airflow_rollout.analysis.readings import ArmCounts
from airflow_rollout.analysis.sentences import (
    amount,
    duration,
    odds,
    percent,
    plural,
    rate,
    ratio_between,
)
from airflow_rollout.analysis.track import Track
from airflow_rollout.analysis.verdict import MetricFinding, Verdict

__all__ = ["finding", "leading_sentence", "said_dispersion"]


def finding(
    track: Track,
    result: CheckResult,
    params: JudgeParams,
    *,
    elapsed_seconds: float,
    stopped: bool,
) -> MetricFinding:
    """Return the metric's numbers since the step's write, its check and its evidence.

    :param stopped: whether this metric's evidence has stopped the release.
    """
    evidence, limit = track.evidence, 1.0 / params.alpha
    proven = not track.acting and evidence is not None and evidence >= limit
    verdict = Verdict.FAIL if stopped or proven else result.verdict
    bounds = _bounds(track, params)
    parts = [leading_sentence(track, params, bounds), f"check: {result.text}"]
    if evidence is not None:
        parts.append(odds(evidence, limit))
        parts.append(said_dispersion(track))
    parts.append(f"{plural(track.used, 'interval')} used, {track.skipped} skipped")
    if not track.acting:
        parts.append("observed only: it stops nothing")
    sentence = (
        f"{verdict.name} {track.metric.name} after {duration(elapsed_seconds)}: "
        f"{', '.join(part for part in parts if part)}"
    )
    base = MetricFinding(
        name=track.metric.name,
        verdict=verdict,
        sentence=sentence,
        canary_value=result.canary,
        stable_value=result.stable,
        unit=result.unit,
        evidence=evidence,
        odds_ratio=bounds.estimate if bounds else None,
        odds_low=bounds.low or None if bounds else None,
        odds_high=bounds.high if bounds and bounds.high < math.inf else None,
        observed_only=not track.acting,
    )
    return _with_counts(base, track, params)


def leading_sentence(track: Track, params: JudgeParams, bounds: OddsBounds | None = None) -> str:
    """Say both arms' rates since the step's write, the odds ratio, and the limit if there is one.

    :param bounds: of the odds ratio; worked out here when they are not known.
    """
    if track.ledger.boundaries is None:
        return ""
    if track.metric.question is not Question.LATENCY:
        canary, stable, span = _arms(track)
        text = f"canary {_rate(canary)}, stable {_rate(stable)}{span}"
        bounds = bounds or _bounds(track, params)
        if bounds is not None:
            high = None if bounds.high == math.inf else bounds.high
            shown = ratio_between(bounds.low or None, high, bounds.estimate, 1.0 - params.alpha)
            text = f"{text}, {shown}"
        limit = track.metric.guardrail
        return text if limit is None else f"{text}, limit {percent(limit)}"
    return _latency_sentence(track, params)


def said_dispersion(track: Track) -> str:
    """Say phi, and on what it was measured: `dispersion 1.3 (measured between pods)`."""
    said = f"dispersion {track.dispersion:.3g}"
    if track.measured is not None:
        how = "between pods" if track.measured.basis is Basis.PODS else "over time"
        said += f" (measured {how})"
    pods = 0 if track.comparison is None else track.comparison.pods
    return f"{said}, {pods} pods compared" if pods else said


def _bounds(track: Track, params: JudgeParams) -> OddsBounds | None:
    """Return the interval of the odds ratio over the release, None while nothing bounds it."""
    if track.odds is None:
        return None
    bounds = track.odds.bounds(params.alpha)
    return bounds if bounds.is_known else None


def _arms(track: Track) -> tuple[ArmCounts, ArmCounts, str]:
    """Return what was counted since the step's write; before there is any, the look-back window.

    Evidence may stop a release in the interval that was open while the weight was written.
    """
    if track.step_canary.requests:
        return track.step_canary, track.step_stable, ""
    canary, stable = track.in_window()
    if not canary.requests:
        return track.step_canary, track.step_stable, ""
    return canary, stable, f" in the last {duration(track.metric.window_seconds)}"


def _latency_sentence(track: Track, params: JudgeParams) -> str:
    metric, q = track.metric, quantile_of(track.metric)
    canary, stable, span = _arms(track)
    arms = (("canary", canary), ("stable", stable))
    name = quantile_name(metric)
    parts = []
    for arm, counts in arms:
        value = quantile(track.boundaries, counts, q)
        shown = "no requests" if value is None else f"{name} {amount(1000.0 * value, 'ms')}"
        parts.append(f"{arm} {shown}")
    boundary = _carrying_boundary(track)
    if boundary is not None:
        shares = [f"{arm} {_slower(track, counts, boundary)}" for arm, counts in arms]
        parts.append(f"slower than {amount(1000.0 * boundary, 'ms')}: {' and '.join(shares)}{span}")
    parts.append(_limit_note(track, params))
    return ", ".join(part for part in parts if part)


def _carrying_boundary(track: Track) -> float | None:
    """Return the boundary the evidence rests on: the strongest of the comparison's."""
    if track.comparison is None or track.comparison.leading is None:
        return None
    at = track.compared_from + track.comparison.leading
    return track.boundaries[at] if track.boundaries else None


def _limit_note(track: Track, params: JudgeParams) -> str:
    """Say the latency limit, and how exactly the histogram can measure it."""
    limit = latency_limit(track.metric, params.semantics)
    if limit is None or not track.boundaries:
        return ""
    shown = f"limit {quantile_name(track.metric)} <= {amount(1000.0 * limit, 'ms')}"
    if params.semantics is Semantics.FLAGGER and track.metric.boundary_seconds is None:
        return shown
    shown += f" ({percent(share_limit(track.metric))} may be slower)"
    if any(abs(b - limit) <= 1e-9 * limit for b in track.boundaries):
        return shown
    if limit > track.boundaries[-1]:
        last = amount(1000.0 * track.boundaries[-1], "ms")
        return f"{shown}, not measurable: the last bucket boundary is {last}"
    return f"{shown}, interpolated: no bucket boundary lies at the limit"


def _slower(track: Track, counts: ArmCounts, boundary: float) -> str:
    return _rate(counts, slower_than(track.boundaries, counts, boundary))


def _rate(counts: ArmCounts, bad: float | None = None) -> str:
    return rate(counts, bad) if counts.requests else "no requests"


def _with_counts(base: MetricFinding, track: Track, params: JudgeParams) -> MetricFinding:
    canary, stable = track.step_canary, track.step_stable
    return replace(
        base,
        canary_requests=canary.requests,
        canary_bad=_bad(track, params, canary),
        stable_requests=stable.requests,
        stable_bad=_bad(track, params, stable),
    )


def _bad(track: Track, params: JudgeParams, counts: ArmCounts) -> int:
    """Return the bad requests; for latency those slower than the limit."""
    if not counts.bad:
        return 0
    if track.metric.question is not Question.LATENCY:
        return counts.bad[0]
    limit = latency_limit(track.metric, params.semantics)
    if limit is None:
        limit = _carrying_boundary(track)
    slower = None if limit is None else slower_than(track.boundaries, counts, limit)
    return 0 if slower is None else round(slower)

"""What a counted check says about one metric: Flagger's rules, Argo's, and the native ones.

A check looks at numbers that are there; it keeps no counter of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from airflow_rollout.analysis.argo import Measured, measure, meets
from airflow_rollout.analysis.histogram import quantile, slower_than
from airflow_rollout.analysis.latency import latency_limit
from airflow_rollout.analysis.parameters import JudgeParams, Metric, Question, Semantics, Threshold
from airflow_rollout.analysis.readings import ArmCounts
from airflow_rollout.analysis.sentences import (
    amount,
    duration,
    percent,
    plural,
    rate,
    show_beside,
)
from airflow_rollout.analysis.track import Answer, Track
from airflow_rollout.analysis.verdict import Verdict

__all__ = [
    "CheckResult",
    "look",
    "quantile_name",
    "quantile_of",
    "share_limit",
    "unanswered",
    "unit_of",
]

_DEFAULT_QUANTILE = 0.99

# So many requests stay away by chance once in a billion times. Whoever tells of the canary tells
# no more, or it answers nobody: what it did before does not say how it is now.
_SILENT_REQUESTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The answer of one metric to one check, with its sentence and the values it looked at.

    `measured` is what it is under Argo's rules.
    """

    verdict: Verdict
    text: str
    canary: float | None = None
    stable: float | None = None
    unit: str = ""
    measured: Measured | None = None


def look(track: Track, params: JudgeParams, *, oldest: float) -> CheckResult:
    """Judge one metric now.

    :param oldest: how old a single value may be (counts have a window of their own).

    PASS and FAIL are measured; NO_DATA and ERROR say that nothing was; INCONCLUSIVE that too
    little was.
    """
    if track.answer is Answer.ERROR:
        return _none(track, Verdict.ERROR, f"could not be read: {track.reason}")
    if track.answer is not Answer.DATA:
        return _none(track, Verdict.NO_DATA, track.reason)
    if track.value is not None and track.ledger.boundaries is None:
        return _look_at_value(track, params, oldest)
    if track.metric.question is Question.VALUE:
        return _none(track, Verdict.NO_DATA, "the source gave counts, not a value")
    if params.semantics is Semantics.FLAGGER:
        return _look_as_flagger(track)
    if params.semantics is Semantics.ARGO:
        return _look_as_argo(track)
    return _look_at_step(track, params)


def unanswered(track: Track) -> CheckResult:
    """Return what a check says about a metric nobody has fed since the check before."""
    return _none(track, Verdict.NO_DATA, "no answer since the last check")


def share_limit(metric: Metric) -> float:
    """Return the share of requests that may be slower than the limit: "P99" allows 1 %."""
    if metric.guardrail is not None:
        return metric.guardrail
    # Rounded, since 1 - 0.99 is a little more than 0.01 and 1 in 100 must pass either way.
    return round(1.0 - quantile_of(metric), 12)


def quantile_of(metric: Metric) -> float:
    """Return the quantile a latency metric asks for."""
    return _DEFAULT_QUANTILE if metric.quantile is None else metric.quantile


def quantile_name(metric: Metric) -> str:
    """Return the quantile's usual name: `P99`, `P99.9`."""
    return f"P{100.0 * quantile_of(metric):g}"


# --- Flagger ---


def _look_as_flagger(track: Track) -> CheckResult:
    canary, stable = track.in_window()
    metric = track.metric
    if canary.requests == 0:
        window = duration(metric.window_seconds)
        return _none(track, Verdict.NO_DATA, f"no canary request in the last {window}")
    if metric.question is Question.ERRORS:
        return _flagger_success_rate(metric, canary, stable)
    return _flagger_duration(track, canary, stable)


def _flagger_success_rate(metric: Metric, canary: ArmCounts, stable: ArmCounts) -> CheckResult:
    value = _success(canary)
    good = canary.requests - canary.bad[0]
    counts = f"canary {good} of {canary.requests}"
    stable_value = _success(stable) if stable.requests else None
    return _against(metric, value, "%", counts, stable=stable_value)


def _success(counts: ArmCounts) -> float:
    return 100.0 * (counts.requests - counts.bad[0]) / counts.requests


def _flagger_duration(track: Track, canary: ArmCounts, stable: ArmCounts) -> CheckResult:
    metric, q = track.metric, quantile_of(track.metric)
    value = _whole_ms(quantile(track.boundaries, canary, q))
    if value is None:
        return _none(track, Verdict.NO_DATA, "the histogram has no buckets")
    return _against(
        metric,
        value,
        "ms",
        f"canary {plural(canary.requests, 'request')}",
        stable=_whole_ms(quantile(track.boundaries, stable, q)),
        what=f"{metric.name} {quantile_name(metric)}",
    )


def _whole_ms(seconds: float | None) -> float | None:
    # Flagger compares whole milliseconds: 500.9 ms is not above a limit of 500 ms.
    return None if seconds is None else float(int(seconds * 1000.0))


# --- Argo Rollouts ---


def _look_as_argo(track: Track) -> CheckResult:
    """Look at the window; without a request in it the value is 0/0, as a query would give it."""
    canary, stable = track.in_window()
    metric = track.metric
    if metric.question is Question.ERRORS:
        counts = f"canary {canary.bad[0]} of {canary.requests}" if canary.requests else ""
        value = canary.bad[0] / canary.requests if canary.requests else math.nan
        other = stable.bad[0] / stable.requests if stable.requests else None
        return _as_argo(metric, value, "share", counts, other)
    q = quantile_of(metric)
    latency = quantile(track.boundaries, canary, q)
    counts = f"canary {plural(canary.requests, 'request')}" if canary.requests else ""
    value = math.nan if latency is None else latency
    return _as_argo(metric, value, "s", counts, quantile(track.boundaries, stable, q))


def _as_argo(
    metric: Metric, value: float, unit: str, counts: str, stable: float | None
) -> CheckResult:
    success = None if metric.threshold is None else meets(value, metric.threshold)
    failure = None
    if metric.failure is not None:
        failure = not math.isnan(value) and not meets(value, metric.failure)
    measured = measure(success, failure)
    verdicts = {Measured.SUCCESSFUL: Verdict.PASS, Measured.FAILED: Verdict.FAIL}
    verdict = verdicts.get(measured, Verdict.INCONCLUSIVE)
    if math.isnan(value):
        text = f"{metric.name}: no number (no canary request in the window): {measured}"
        # Nothing unknown counts as success, whatever the conditions say about it.
        verdict = Verdict.NO_DATA if verdict is Verdict.PASS else verdict
        return CheckResult(verdict=verdict, text=text, stable=stable, unit=unit, measured=measured)
    limits = metric.threshold if measured is not Measured.FAILED or success is False else None
    shown = replace(metric, threshold=limits if limits is not None else metric.failure)
    result = _against(shown, value, unit, counts, stable=stable)
    return replace(result, verdict=verdict, measured=measured)


# --- native ---


def _look_at_step(track: Track, params: JudgeParams) -> CheckResult:
    canary, stable = track.step_canary, track.step_stable
    if canary.requests == 0:
        return _none(track, Verdict.NO_DATA, "no canary request since the step's write")
    if track.missed >= _SILENT_REQUESTS:
        return _none(
            track,
            Verdict.NO_DATA,
            f"no canary request any more, where {track.missed:.0f} were to be expected",
        )
    missing = params.min_requests - canary.requests
    if missing > 0:
        return _none(
            track,
            Verdict.INCONCLUSIVE,
            f"{plural(missing, 'more canary request')} needed "
            f"({canary.requests} of {params.min_requests})",
        )
    if track.metric.question is Question.ERRORS:
        return _against(
            track.metric,
            canary.bad[0] / canary.requests,
            "share",
            f"canary {canary.bad[0]} of {canary.requests}",
            stable=stable.bad[0] / stable.requests if stable.requests else None,
        )
    return _native_latency(track, canary, stable)


def _native_latency(track: Track, canary: ArmCounts, stable: ArmCounts) -> CheckResult:
    metric, q = track.metric, quantile_of(track.metric)
    value = quantile(track.boundaries, canary, q)
    if value is None:
        return _none(track, Verdict.NO_DATA, "the histogram has no buckets")
    stable_value = quantile(track.boundaries, stable, q)
    shown = f"{metric.name} {quantile_name(metric)} {amount(value, 's')}"
    limit = latency_limit(metric, Semantics.NATIVE)
    verdict = Verdict.PASS
    if metric.threshold is not None and limit is not None:
        allowed = share_limit(metric)
        slower = slower_than(track.boundaries, canary, limit)
        if slower is None:
            # Above the last boundary only "slower than that" is known: too many, to be safe.
            slower = float(canary.bad[-1])
        verdict = Verdict.FAIL if slower / canary.requests > allowed else Verdict.PASS
        sign = ">" if verdict is Verdict.FAIL else "<="
        shown += (
            f", slower than {amount(limit, 's')}: {rate(canary, slower)} {sign} {percent(allowed)}"
        )
    return CheckResult(verdict=verdict, text=shown, canary=value, stable=stable_value, unit="s")


# --- values ---


def _look_at_value(track: Track, params: JudgeParams, oldest: float) -> CheckResult:
    value, metric = track.value, track.metric
    if value is not None and value.canary is None and params.semantics is Semantics.ARGO:
        return _as_argo(metric, math.nan, "", "", value.stable)
    if value is None or value.canary is None:
        return _none(track, Verdict.NO_DATA, "the answer holds no number for the canary")
    if value.at < oldest:
        window = duration(metric.window_seconds)
        return _none(track, Verdict.NO_DATA, f"no value in the last {window}")
    if value.requests is not None and value.requests <= 0:
        return _none(track, Verdict.NO_DATA, "the value rests on no request")
    if params.semantics is Semantics.NATIVE and value.requests is not None:
        missing = params.min_requests - value.requests
        if missing > 0:
            text = f"{plural(missing, 'more canary request')} needed"
            return _none(track, Verdict.INCONCLUSIVE, text)
    if params.semantics is Semantics.ARGO:
        return _as_argo(metric, value.canary, unit_of(metric, params), "", value.stable)
    return _against(
        metric, _checked(metric, params, value.canary), unit_of(metric, params), "",
        stable=value.stable,
    )  # fmt: skip


def _checked(metric: Metric, params: JudgeParams, value: float) -> float:
    is_duration = metric.question is Question.LATENCY and params.semantics is Semantics.FLAGGER
    return float(int(value)) if is_duration else value


def unit_of(metric: Metric, params: JudgeParams) -> str:
    """Return the unit in which a metric's values and limits are shown, empty where it has none."""
    if metric.question is Question.VALUE:
        return ""
    is_flagger = params.semantics is Semantics.FLAGGER
    if metric.question is Question.ERRORS:
        return "%" if is_flagger else "share"
    return "ms" if is_flagger else "s"


# --- both ---


def _against(
    metric: Metric,
    value: float,
    unit: str,
    counts: str,
    *,
    stable: float | None = None,
    what: str = "",
) -> CheckResult:
    """Hold a value against the threshold; equality passes."""
    threshold = metric.threshold or Threshold()
    low, high = _limits(threshold, unit)
    shown, verdict = amount(value, unit), Verdict.PASS
    if low is not None and value < low:
        verdict = Verdict.FAIL
        shown = f"{show_beside(value, low, unit)} < {_limit(low, unit)}"
    elif high is not None and value > high:
        verdict = Verdict.FAIL
        shown = f"{show_beside(value, high, unit)} > {_limit(high, unit)}"
    text = f"{what or metric.name} {shown}" + (f" ({counts})" if counts else "")
    return CheckResult(verdict=verdict, text=text, canary=value, stable=stable, unit=unit)


def _limits(threshold: Threshold, unit: str) -> tuple[float | None, float | None]:
    low, high = threshold.minimum, threshold.maximum
    if unit == "ms":
        low = None if low is None else float(int(low))
        high = None if high is None else float(int(high))
    return low, high


def _limit(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100.0 * value:g} %"
    return f"{value:g} {unit}".rstrip()


def _none(track: Track, verdict: Verdict, why: str) -> CheckResult:
    return CheckResult(verdict=verdict, text=f"{track.metric.name}: {why}")

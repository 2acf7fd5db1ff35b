"""The `analysis` of our own dialect: where metrics come from and how strictly they are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airflow_rollout.analysis.budget import is_compared
from airflow_rollout.analysis.parameters import (
    DEFAULT_MIN_REQUESTS,
    ArgoLimits,
    Comparison,
    JudgeParams,
    Mode,
    OnError,
    OnInconclusive,
    Policies,
    Semantics,
    Unit,
    usual_min_intervals,
)
from airflow_rollout.spec.bindings import SHORTEST_EVERY_SECONDS
from airflow_rollout.spec.context import Context
from airflow_rollout.spec.durations import NATIVE_DURATION, native_seconds, say_duration
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.model import (
    LARGEST_DISPERSION,
    SHORTEST_INTERVAL_SECONDS,
    MetricSource,
)
from airflow_rollout.spec.names import option_texts
from airflow_rollout.spec.native_metrics import as_checked_by, read_metrics
from airflow_rollout.spec.native_promotion import PROMOTION, read_promotion
from airflow_rollout.spec.query_args import read_args
from airflow_rollout.spec.shares import SHARE, parse_share

__all__ = ["read_judge", "read_source"]

# A check needs several answers of the source to look at; ten are enough to tell a blip.
_ANSWERS_A_CHECK = 10
_USUAL_INTERVAL_SECONDS = 10.0
_DEFAULT_FAILURE_LIMIT = 3
_DEFAULT_ALPHA = 0.01

_ANALYSIS = (
    "source", "interval", "failure_limit", "alpha", "min_requests", "warmup", "dispersion",
    "comparison", "mode", "args", "metrics", *PROMOTION,
    "semantics", "on_inconclusive", "on_error", "consecutive_error_limit",
)  # fmt: skip
_COMPARISON = (
    "enabled", "tolerance", "absolute", "min_intervals", "restart_share", "planned_intervals",
    "unit",
)  # fmt: skip


def read_source(analysis: Field, context: Context) -> MetricSource:
    """Return where metrics come from; what the file leaves out, the call may say."""
    place = analysis.entries(_ANALYSIS).get("source")
    fields = place.entries() if place else {}
    bindings = context.bindings
    provider = context.said(fields.get("provider"), bindings.provider)
    conn_id = context.said(fields.get("conn_id"), bindings.provider_conn_id)
    every = _every(fields["every"]) if "every" in fields else bindings.every_seconds
    needed = (("provider", "provider", provider), ("conn_id", "provider_conn_id", conn_id),
              ("every", "every", every))  # fmt: skip
    for name, binding, value in needed:
        if value is None:
            raise (place or analysis).missing(
                name if place else f"source.{name}",
                f"a value here, or `{binding}` as an argument of rollout_dag(...) "
                "or in the [rollout] section of airflow.cfg",
            )
    return MetricSource(
        provider=context.check_known("provider", provider or "", fields.get("provider")),
        conn_id=conn_id or "",
        every_seconds=every or 0.0,
        options=option_texts(fields, ("provider", "conn_id", "every")) or bindings.provider_options,
    )


def read_judge(
    analysis: Field,
    every: float,
    shortest_hold: float,
    known: Mapping[str, str],
    context: Context,
) -> JudgeParams:
    """Return how a release is judged.

    :param every: the source's resolution in seconds.
    :param shortest_hold: seconds; no check can be due later than that.
    :param known: what the `fieldPath` of an argument can name.
    """
    fields = analysis.entries(_ANALYSIS)
    if "metrics" not in fields:
        raise analysis.missing("metrics", "a list such as [{name: http_500_rate, max: 1%}]")
    interval = _interval(fields.get("interval"), every, shortest_hold)
    mode = fields["mode"].choice(Mode) if "mode" in fields else None
    semantics = fields["semantics"].choice(Semantics) if "semantics" in fields else Semantics.NATIVE
    policies = _policies(fields, semantics)
    limits = _argo_limits(fields, semantics, policies.consecutive_error_limit)
    metrics = read_metrics(fields["metrics"], every, read_args(fields.get("args"), known), context)
    comparison = _comparison(fields, every, context)
    judge = JudgeParams(
        semantics=semantics,
        metrics=tuple(as_checked_by(semantics, metric, limits) for metric in metrics),
        interval_seconds=interval,
        failure_limit=_failure_limit(fields.get("failure_limit"), semantics),
        alpha=_alpha(fields.get("alpha")),
        min_requests=_whole(fields.get("min_requests"), DEFAULT_MIN_REQUESTS),
        warmup_seconds=_warmup(fields.get("warmup"), context),
        comparison=comparison,
        promotion=read_promotion(fields, comparison, context),
        policies=policies,
        mode=mode or context.bindings.mode or Mode.ACT,
    )
    if policies.needs_proof and not any(is_compared(metric, judge) for metric in judge.metrics):
        raise fields["on_inconclusive"].error(
            "wants proof, and nothing is compared", allowed="promote, or a compared metric"
        )
    return judge


def _policies(fields: dict[str, Field], semantics: Semantics) -> Policies:
    """Return what becomes of a step that shows nothing or cannot be measured."""
    for name in ("on_inconclusive", "on_error"):
        if name in fields and semantics is not Semantics.NATIVE:
            raise fields[name].error(
                f"counts only under native rules; {semantics}'s have their own",
                allowed=f"{name} or semantics: {semantics}, not both",
            )
    plain, errors = Policies(), fields.get("consecutive_error_limit")
    policies = Policies(
        on_inconclusive=fields["on_inconclusive"].choice(OnInconclusive)
        if "on_inconclusive" in fields
        else plain.on_inconclusive,
        on_error=fields["on_error"].choice(OnError) if "on_error" in fields else plain.on_error,
        consecutive_error_limit=_whole(errors, plain.consecutive_error_limit, least=0),
    )
    holds = semantics is not Semantics.ARGO and policies.on_error is OnError.HOLD
    if errors is not None and holds:
        raise errors.error(
            "limits nothing here", allowed="on_error: rollback or ask, or semantics: argo, with it"
        )
    return policies


def _failure_limit(place: Field | None, semantics: Semantics) -> int:
    """Return how many failed checks end a release: Argo tolerates so many, the others do not."""
    if semantics is Semantics.ARGO:
        # One more than is tolerated; only the deadline of a gate is made from it.
        return _whole(place, 0, least=0) + 1
    return _whole(place, _DEFAULT_FAILURE_LIMIT)


def _argo_limits(
    fields: dict[str, Field], semantics: Semantics, consecutive_errors: int
) -> ArgoLimits:
    if semantics is not Semantics.ARGO:
        return ArgoLimits()
    return ArgoLimits(
        failure_limit=_whole(fields.get("failure_limit"), 0, least=0),
        consecutive_error_limit=consecutive_errors,
    )


def _every(place: Field) -> float:
    seconds = place.parsed(native_seconds, NATIVE_DURATION)
    if seconds < SHORTEST_EVERY_SECONDS:
        raise place.error("is too short", found=place.node.raw, allowed="at least 100ms")
    return seconds


def _interval(place: Field | None, every: float, shortest_hold: float) -> float:
    """Return the time between counted checks.

    Default: ten answers of the source, at least 10 s, but never beyond the shortest hold.
    """
    if place is None:
        usual = max(_ANSWERS_A_CHECK * every, _USUAL_INTERVAL_SECONDS)
        return max(min(usual, shortest_hold), every, SHORTEST_INTERVAL_SECONDS)
    seconds = place.parsed(native_seconds, NATIVE_DURATION)
    least = max(every, SHORTEST_INTERVAL_SECONDS)
    if not least <= seconds <= shortest_hold:
        raise place.error(
            "does not fit between the source's resolution and the shortest hold",
            found=place.node.raw,
            allowed=f"{say_duration(least)} to {say_duration(shortest_hold)}",
        )
    return seconds


def _whole(place: Field | None, default: int, *, least: int = 1) -> int:
    if place is None:
        return default
    value = place.integer()
    if value < least:
        raise place.error("is too small", found=value, allowed=f"at least {least}")
    return value


def _alpha(place: Field | None) -> float:
    if place is None:
        return _DEFAULT_ALPHA
    share = place.parsed(parse_share, SHARE)
    # Beyond a half the test would rather toss a coin; at zero nothing could ever be stopped.
    if not 0 < share <= 0.5:
        raise place.error("is no false-alarm budget", found=place.node.raw, allowed="up to 50%")
    return share


def _warmup(place: Field | None, context: Context) -> float:
    if place is not None:
        return place.parsed(native_seconds, NATIVE_DURATION)
    return context.bindings.warmup_seconds or 0.0


def _comparison(fields: dict[str, Field], every: float, context: Context) -> Comparison:
    place = fields.get("comparison")
    dispersion = context.bindings.dispersion
    if "dispersion" in fields:
        dispersion = _within(fields["dispersion"], 1.0, LARGEST_DISPERSION)
    plain = Comparison(
        enabled=context.bindings.comparison is not False,
        min_intervals=usual_min_intervals(every),
        dispersion=dispersion,
    )
    if place is None:
        return plain
    if not place.is_mapping:
        # `comparison: off` is how people say it.
        return replace(plain, enabled=place.boolean())
    given = place.entries(_COMPARISON)
    comparison = Comparison(
        enabled=given["enabled"].boolean() if "enabled" in given else True,
        tolerance=_within(given["tolerance"], 1.0, 100.0)
        if "tolerance" in given
        else plain.tolerance,
        absolute=_below_one(given.get("absolute"), plain.absolute, "tolerates everything"),
        min_intervals=_whole(given.get("min_intervals"), plain.min_intervals),
        restart_share=_below_one(
            given.get("restart_share"), plain.restart_share, "leaves nothing for the start"
        ),
        planned_intervals=_whole(given.get("planned_intervals"), plain.planned_intervals),
        dispersion=dispersion,
        unit=given["unit"].choice(Unit) if "unit" in given else plain.unit,
    )
    if comparison.unit is Unit.PODS and comparison.absolute:
        raise given["absolute"].error("does not fit unit: pods", allowed="one of the two")
    return comparison


def _below_one(place: Field | None, default: float, message: str) -> float:
    if place is None:
        return default
    share = place.parsed(parse_share, SHARE)
    if share >= 1:
        raise place.error(message, found=place.node.raw, allowed="below 100%")
    return share


def _within(place: Field, least: float, most: float) -> float:
    value = place.number()
    if not least <= value <= most:
        raise place.error("is out of range", found=value, allowed=f"{least:g} to {most:g}")
    return value

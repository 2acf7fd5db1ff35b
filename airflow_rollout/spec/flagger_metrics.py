"""Flagger's metrics: the two built-in questions and inline queries, with their limits."""

from __future__ import annotations

from airflow_rollout.analysis.parameters import Metric, Mode, Question, Threshold
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.budget import share_budget
from airflow_rollout.spec.context import Context
from airflow_rollout.spec.durations import FLAGGER_DURATION, flagger_seconds
from airflow_rollout.spec.fields import Field

__all__ = ["read_metrics"]

_SUCCESS = "request-success-rate"
_DURATION = "request-duration"
# Flagger's window where a metric names none.
_DEFAULT_WINDOW_SECONDS = 60.0
# What Flagger's own queries ask for.
_QUANTILE = 0.99


def read_metrics(analysis: Field, context: Context) -> tuple[Metric, ...]:
    """Return the metrics that are executed; those with only a templateRef are not."""
    place = analysis.entries().get("metrics")
    if place is None or place.is_null:
        return ()
    modes = dict(context.bindings.metric_modes)
    metrics: list[Metric] = []
    names: set[str] = set()
    for item in place.items():
        name = _name(item)
        if name in names:
            raise item.error(f"the metric {name!r} stands twice", allowed="each name once")
        names.add(name)
        metric = _metric(item, name)
        if metric is not None:
            metrics.append(metric)
    _check_modes(modes, names, context)
    return share_budget([(metric, 1.0, modes.get(metric.name, Mode.ACT)) for metric in metrics])


def _name(item: Field) -> str:
    place = item.entries().get("name")
    if place is None or place.is_null or not place.text():
        raise item.missing("name", "a metric name")
    return place.text()


def _metric(item: Field, name: str) -> Metric | None:
    """Return what a metric asks, None for one that only its template could say."""
    fields = {key: field for key, field in item.entries().items() if not field.is_null}
    window = _window(fields.get("interval"))
    limits = _limits(item, fields, name)
    if name == _SUCCESS:
        return Metric(name=name, question=Question.ERRORS, threshold=limits, window_seconds=window)
    if name == _DURATION:
        return Metric(
            name=name, question=Question.LATENCY, quantile=_QUANTILE,
            threshold=limits, window_seconds=window,
        )  # fmt: skip
    if "query" in fields and fields["query"].text():
        return Metric(
            name=name, question=Question.VALUE, threshold=limits, compare=False,
            window_seconds=window, query=fields["query"].text(),
        )  # fmt: skip
    if "templateRef" in fields:
        return None
    raise fields["name"].error(
        "is not a built-in metric, and no query says what it is",
        found=name,
        allowed=f"{_SUCCESS}, {_DURATION}, or any name with a query",
    )


def _window(place: Field | None) -> float:
    if place is None or not place.text():
        return _DEFAULT_WINDOW_SECONDS
    seconds = place.parsed(flagger_seconds, FLAGGER_DURATION)
    if seconds < 1:
        raise place.error("is too short", found=place.node.raw, allowed="at least 1s")
    return seconds


def _limits(item: Field, fields: dict[str, Field], name: str) -> Threshold | None:
    """Return the limits; the deprecated `threshold` is a minimum for the success rate only."""
    limits = {"min": None, "max": None} | _range(fields)
    if limits["min"] is None and limits["max"] is None:
        if name != _SUCCESS:
            raise item.error(
                "has no limit, so Flagger fails its every check",
                allowed="thresholdRange with min or max",
            )
        return None
    minimum, maximum = _number(limits["min"]), _number(limits["max"])
    if minimum is not None and maximum is not None and minimum > maximum:
        raise fields["thresholdRange"].error(
            "no value lies within it", found=f"min {minimum:g}, max {maximum:g}",
            allowed="min at most max",
        )  # fmt: skip
    if name == _SUCCESS:
        _check_percent(limits["min"], limits["max"])
    return Threshold(minimum=minimum, maximum=maximum)


def _range(fields: dict[str, Field]) -> dict[str, Field | None]:
    if "thresholdRange" in fields:
        return {
            name: None if field.is_null else field
            for name, field in fields["thresholdRange"].entries().items()
        }
    if "threshold" in fields:
        side = "min" if fields["name"].text() == _SUCCESS else "max"
        return {side: fields["threshold"]}
    return {}


def _number(place: Field | None) -> float | None:
    return None if place is None else place.number()


def _check_percent(*places: Field | None) -> None:
    for place in places:
        if place is not None and not 0 <= place.number() <= 100:
            raise place.error(
                "is no percentage", found=place.node.raw, allowed="0 to 100 (percent)"
            )


def _check_modes(modes: dict[str, Mode], names: set[str], context: Context) -> None:
    for name in modes:
        if name not in names:
            raise SpecError(
                "there is no metric of this name", file=context.file, path="metric_modes",
                found=name, allowed=", ".join(sorted(names)),
            )  # fmt: skip

"""Flagger's metrics: the two built-in questions and inline queries, with their limits."""

from __future__ import annotations

from airflow_rollout.analysis.parameters import Metric, Mode, Question, Threshold
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.budget import share_budget
from airflow_rollout.spec.context import Context
from airflow_rollout.spec.durations import FLAGGER_DURATION, flagger_seconds
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.flagger_queries import Variables

__all__ = ["read_metrics", "unread_queries"]

_SUCCESS = "request-success-rate"
_DURATION = "request-duration"
# Flagger's window where a metric names none.
_DEFAULT_WINDOW = "1m"
# What Flagger's own queries ask for.
_QUANTILE = 0.99


def unread_queries(analysis: Field, variables: Variables) -> list[str]:
    """Return the paths of queries that are not executed.

    Of a built-in name Flagger asks both its own query and the one given; here it is asked once.
    """
    paths = []
    for item in _items(analysis):
        fields = _present(item)
        query = fields.get("query")
        if query is None or not query.text():
            continue
        built_in = "name" in fields and fields["name"].text() in (_SUCCESS, _DURATION)
        if built_in or variables.render(query.text(), _window(fields), _own(fields)) is None:
            paths.append(query.path)
    return paths


def read_metrics(analysis: Field, variables: Variables, context: Context) -> tuple[Metric, ...]:
    """Return the metrics that are executed; those that only a template could ask are not."""
    modes = dict(context.bindings.metric_modes)
    metrics: list[Metric] = []
    names: set[str] = set()
    for item in _items(analysis):
        name = _name(item)
        if name in names:
            raise item.error(f"the metric {name!r} stands twice", allowed="each name once")
        names.add(name)
        metric = _metric(item, name, variables)
        if metric is not None:
            metrics.append(metric)
    _check_modes(modes, names, context)
    return share_budget([(metric, None, modes.get(metric.name, Mode.ACT)) for metric in metrics])


def _items(analysis: Field) -> list[Field]:
    place = _present(analysis).get("metrics")
    return [] if place is None else place.items()


def _present(place: Field) -> dict[str, Field]:
    return {name: field for name, field in place.entries().items() if not field.is_null}


def _name(item: Field) -> str:
    place = _present(item).get("name")
    if place is None or not place.text():
        raise item.missing("name", "a metric name")
    return place.text()


def _metric(item: Field, name: str, variables: Variables) -> Metric | None:
    """Return what a metric asks, None for one that only a template could say."""
    fields = _present(item)
    limits = _limits(item, fields, name)
    seconds = _window_seconds(fields)
    if name == _SUCCESS:
        return Metric(name=name, question=Question.ERRORS, threshold=limits, window_seconds=seconds)
    if name == _DURATION:
        return Metric(
            name=name, question=Question.LATENCY, quantile=_QUANTILE,
            threshold=limits, window_seconds=seconds,
        )  # fmt: skip
    if "query" in fields and fields["query"].text():
        query = variables.render(fields["query"].text(), _window(fields), _own(fields))
        if query is None:
            return None
        return Metric(
            name=name, question=Question.VALUE, threshold=limits, compare=False,
            window_seconds=seconds, query=query,
        )  # fmt: skip
    if "templateRef" in fields:
        return None
    raise fields["name"].error(
        "is not a built-in metric, and no query says what it is",
        found=name,
        allowed=f"{_SUCCESS}, {_DURATION}, or any name with a query",
    )


def _window(fields: dict[str, Field]) -> str:
    """Return the window as it is written: queries contain it."""
    return ("interval" in fields and fields["interval"].text()) or _DEFAULT_WINDOW


def _own(fields: dict[str, Field]) -> dict[str, str]:
    """Return what the metric's own variables stand for."""
    place = fields.get("templateVariables")
    return {} if place is None else {name: one.text() for name, one in place.entries().items()}


def _window_seconds(fields: dict[str, Field]) -> float:
    if _window(fields) == _DEFAULT_WINDOW:
        return flagger_seconds(_DEFAULT_WINDOW)
    seconds = fields["interval"].parsed(flagger_seconds, FLAGGER_DURATION)
    if seconds < 1:
        raise fields["interval"].error(
            "is too short", found=fields["interval"].node.raw, allowed="at least 1s"
        )
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

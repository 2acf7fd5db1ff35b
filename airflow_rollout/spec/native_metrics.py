"""The questions of our own dialect: names that say what is asked, with limits in their units.

| name | asks | limit |
| --- | --- | --- |
| http_500_rate, http_5xx_rate | which share of answers is a server error (5xx)? | max: 1% |
| success_rate | which share is not? | min: 99.5% |
| p50, p90, p95, p99 + _latency | what is that quantile of the latency? | max: 400ms |
| any name with quantile: 0.999 | the same for a quantile of one's own | max: 2s |
| any name with query: ... | one number of the metric system | max: 5, min: 1 |

A limit on a rate or a latency is asked twice: as a counted check at the end of each hold, and all
the time as a guardrail ("surely above the limit"), which can stop a release earlier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum

from airflow_rollout.analysis.parameters import (
    ArgoLimits,
    Metric,
    Mode,
    Question,
    Semantics,
    Threshold,
)
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.budget import share_budget
from airflow_rollout.spec.context import Context
from airflow_rollout.spec.durations import NATIVE_DURATION, native_seconds
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.query_args import fill_args
from airflow_rollout.spec.query_template import TEMPLATE_NAMES, unknown_names
from airflow_rollout.spec.shares import SHARE, complement, parse_share

__all__ = ["METRIC_NAMES", "as_checked_by", "read_metrics"]

_ERROR_RATES = ("http_500_rate", "http_5xx_rate")
_SUCCESS_RATE = "success_rate"
_QUANTILES = {
    "p50_latency": "0.5", "p90_latency": "0.9", "p95_latency": "0.95", "p99_latency": "0.99",
}  # fmt: skip
METRIC_NAMES = (*_ERROR_RATES, _SUCCESS_RATE, *_QUANTILES)

_FIELDS = ("name", "max", "min", "compare", "mode", "weight", "quantile", "query")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_A_NUMBER = "a plain number in the query's own unit"
_LATENCY_LIMIT = f"max: {NATIVE_DURATION}"
# A check of a single number looks at answers of the last minute, or of three polls if that is more.
_WINDOW_SECONDS = 60.0
_WINDOW_POLLS = 3


class _Compare(StrEnum):
    """With what the canary is compared."""

    STABLE = "stable"
    NONE = "none"


def read_metrics(
    place: Field, every: float, args: Mapping[str, str], context: Context
) -> tuple[Metric, ...]:
    """Return the questions in the file's order; at least one has to act or observe.

    :param args: what `{{ args.x }}` stands for in queries.
    """
    modes = dict(context.bindings.metric_modes)
    entries: list[tuple[Metric, float | None, Mode]] = []
    asked: dict[tuple[object, ...], str] = {}
    for item in place.items():
        fields = item.entries(_FIELDS)
        metric = replace(
            _metric(item, fields, args), window_seconds=max(_WINDOW_SECONDS, _WINDOW_POLLS * every)
        )
        _refuse_twice(item, metric, asked)
        mode = fields["mode"].choice(Mode) if "mode" in fields else modes.get(metric.name, Mode.ACT)
        entries.append((metric, _weight(fields.get("weight")), mode))
    if not entries:
        raise place.error("is empty, so nothing could stop a bad release", allowed="a question")
    _check_modes(modes, [metric.name for metric, _, _ in entries], context)
    return share_budget(entries)


def as_checked_by(semantics: Semantics, metric: Metric, limits: ArgoLimits) -> Metric:
    """Return a metric in the units of the rules that check it.

    Flagger checks the share of good answers in percent, and milliseconds.
    """
    if semantics is Semantics.ARGO:
        return replace(metric, argo=limits)
    threshold = metric.threshold
    if semantics is not Semantics.FLAGGER or threshold is None or threshold.maximum is None:
        return metric
    if metric.question is Question.ERRORS:
        # Rounded: 100 x (1 - 0.01) must be the 99 that somebody would write.
        good = round(100.0 * (1.0 - threshold.maximum), 10)
        return replace(metric, threshold=Threshold(minimum=good))
    if metric.question is Question.LATENCY:
        return replace(metric, threshold=Threshold(maximum=1000.0 * threshold.maximum))
    return metric


def _metric(item: Field, fields: dict[str, Field], args: Mapping[str, str]) -> Metric:
    if "name" not in fields:
        raise item.missing("name", f"{', '.join(METRIC_NAMES)}, or any name with a query")
    name = fields["name"].text()
    if not _NAME.fullmatch(name):
        raise fields["name"].error(
            "is not a usable name", found=name, allowed="letters, digits, -, _ and ."
        )
    if "query" in fields:
        return _query(item, name, fields, args)
    if "quantile" in fields or name in _QUANTILES:
        return _latency(item, name, fields)
    if name in _ERROR_RATES or name == _SUCCESS_RATE:
        return _rate(item, name, fields)
    raise fields["name"].error(
        "is not a built-in question, and no query says what it is",
        found=name,
        allowed=f"{', '.join(METRIC_NAMES)}, or any name with a query",
    )


def _rate(item: Field, name: str, fields: dict[str, Field]) -> Metric:
    """Read a share of answers; the success rate is the same question asked the other way round."""
    wanted, other, parse = ("max", "min", parse_share)
    if name == _SUCCESS_RATE:
        wanted, other, parse = ("min", "max", complement)
    if other in fields:
        raise fields[other].error(f"does not fit {name}", allowed=f"{wanted}: {SHARE}")
    compare = _compare(fields, default=True)
    if wanted not in fields:
        _need_comparison(item, compare, f"{wanted}: {SHARE}")
        return Metric(name=name, question=Question.ERRORS, compare=compare)
    limit = fields[wanted].parsed(parse, SHARE)
    return Metric(
        name=name,
        question=Question.ERRORS,
        threshold=Threshold(maximum=limit),
        # A limit of 100 % stops nothing, and no share can surely lie above it.
        guardrail=limit if limit < 1 else None,
        compare=compare,
    )


def _latency(item: Field, name: str, fields: dict[str, Field]) -> Metric:
    """Read "P99 <= X" as "at most 1 % slower than X"."""
    quantile = _quantile(name, fields.get("quantile"))
    if "min" in fields:
        raise fields["min"].error("does not fit a latency", allowed=_LATENCY_LIMIT)
    compare = _compare(fields, default=True)
    if "max" not in fields:
        _need_comparison(item, compare, _LATENCY_LIMIT)
        return Metric(
            name=name, question=Question.LATENCY, quantile=float(quantile), compare=compare
        )
    seconds = fields["max"].parsed(native_seconds, NATIVE_DURATION)
    if seconds <= 0:
        raise fields["max"].error("no answer takes no time", allowed=_LATENCY_LIMIT)
    return Metric(
        name=name,
        question=Question.LATENCY,
        quantile=float(quantile),
        threshold=Threshold(maximum=seconds),
        guardrail=float(1 - quantile),
        boundary_seconds=seconds,
        compare=compare,
    )


def _quantile(name: str, place: Field | None) -> Decimal:
    if place is None:
        return Decimal(_QUANTILES[name])
    value = place.number("a number between 0 and 1")
    if name in METRIC_NAMES:
        raise place.error(f"{name} says itself what it asks", allowed="a name of your own with it")
    if not 0 < value < 1:
        raise place.error("is no quantile", found=value, allowed="between 0 and 1, such as 0.999")
    return Decimal(place.node.raw)


def _query(item: Field, name: str, fields: dict[str, Field], args: Mapping[str, str]) -> Metric:
    """Read one number of the metric system; it can be held against limits, not compared."""
    if name in METRIC_NAMES:
        raise fields["query"].error(
            f"{name} is asked without a query", allowed="a name of your own for a query"
        )
    if "quantile" in fields:
        raise fields["quantile"].error("does not fit a query", allowed="one of the two")
    query = fill_args(fields["query"], args).strip()
    if not query:
        raise fields["query"].error("is empty", allowed="a query of the metric system")
    unknown = unknown_names(query)
    if unknown:
        raise fields["query"].error(
            "holds a name that nobody fills in", found=unknown[0],
            allowed=", ".join(f"{{{{ {name} }}}}" for name in (*TEMPLATE_NAMES, "args.x")),
        )  # fmt: skip
    if _compare(fields, default=False):
        raise fields["compare"].error(
            "a query gives one number, and a comparison needs counts", allowed="none"
        )
    limits = {
        side: fields[side].number(_A_NUMBER) if side in fields else None for side in ("min", "max")
    }
    if limits["min"] is None and limits["max"] is None:
        raise item.missing("max", f"max or min: {_A_NUMBER}")
    if limits["min"] is not None and limits["max"] is not None and limits["min"] > limits["max"]:
        raise fields["min"].error("is above max", found=limits["min"], allowed="at most max")
    return Metric(
        name=name,
        question=Question.VALUE,
        threshold=Threshold(minimum=limits["min"], maximum=limits["max"]),
        compare=False,
        query=query,
    )


def _compare(fields: dict[str, Field], *, default: bool) -> bool:
    if "compare" not in fields:
        return default
    return fields["compare"].choice(_Compare) is _Compare.STABLE


def _need_comparison(item: Field, compare: bool, limit: str) -> None:
    if not compare:
        raise item.error("asks nothing", allowed=f"{limit}, or compare: stable")


def _weight(place: Field | None) -> float | None:
    if place is None:
        return None
    value = place.number()
    if not 0.01 <= value <= 100:
        raise place.error("is out of range", found=value, allowed="0.01 to 100")
    return value


def _refuse_twice(item: Field, metric: Metric, asked: dict[tuple[object, ...], str]) -> None:
    """Refuse a second metric that asks what another asks: it would spend the budget twice."""
    kinds: list[tuple[object, ...]] = [("name", metric.name)]
    if metric.question is not Question.VALUE:
        kinds.append((metric.question, metric.quantile))
    for kind in kinds:
        if kind in asked:
            raise item.error(
                f"asks the same as {asked[kind]}", found=metric.name, allowed="each question once"
            )
        asked[kind] = metric.name


def _check_modes(modes: dict[str, Mode], names: list[str], context: Context) -> None:
    for name in modes:
        if name not in names:
            raise SpecError(
                "there is no metric of this name", file=context.file, path="metric_modes",
                found=name, allowed=", ".join(names),
            )  # fmt: skip

"""Ask the metrics of a rollout as its gates would, before a release, and say what came of it.

`airflow-rollout check --live` and a release's first task do the same here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_rollout.analysis.checks import quantile_of
from airflow_rollout.analysis.counts import Ledger
from airflow_rollout.analysis.histogram import quantile
from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.analysis.readings import (
    ArmCounts,
    Cumulative,
    Increments,
    NoData,
    ReadFailure,
    Reading,
    Value,
)
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.measured import Measurement
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.metrics.base import Window
from airflow_rollout.wire import Request, Response

__all__ = ["Finding", "look", "not_sent"]

# Counts need two looks where a source shows only how they stand now.
_SHORTEST_PAUSE_SECONDS = 1.0

_NO_REQUEST = "no data: the stable version had no request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one metric gave.

    :param asked: the requests as they were sent, without headers.
    :param ok: whether the stable version, or the query, has a number.
    :param transient: None for what could be read; else whether asking again may help.
    :param text: the number with what is behind it, or what is wrong.
    :param value: the number, in the metric's own unit: a share, seconds, or the query's.
    """

    metric: str
    asked: tuple[str, ...]
    ok: bool
    text: str
    value: float | None = None
    requests: int | None = None
    transient: bool | None = None


async def not_sent(request: Request) -> Response:
    """Send nothing, for whoever only wants to know what would be asked."""
    raise TransientAdapterError(f"not asked: {request}", system="check")


async def look(
    systems: Systems, metrics: Sequence[Metric], *, seconds: float, pause_seconds: float | None
) -> list[Finding]:
    """Return a finding for each metric, in their order.

    :param seconds: how far back is looked.
    :param pause_seconds: between two looks at counters that know no past; None: one look, and
        that the stable version has ever had a request is enough.
    """
    return [await _look_at(systems, metric, seconds, pause_seconds) for metric in metrics]


async def _look_at(
    systems: Systems, metric: Metric, seconds: float, pause_seconds: float | None
) -> Finding:
    start = time.time() - seconds
    ledger = Ledger()
    measured = await _measure(systems, metric, start)
    counts = _stable(ledger, measured.reading)
    if isinstance(measured.reading, Cumulative) and counts is None:
        if pause_seconds is None:
            return replace(_so_far(metric, measured.reading), asked=_asked(measured))
        await asyncio.sleep(max(_SHORTEST_PAUSE_SECONDS, pause_seconds))
        measured = await _measure(systems, metric, start)
        counts = _stable(ledger, measured.reading)
    return replace(_finding(metric, measured.reading, counts, ledger), asked=_asked(measured))


async def _measure(systems: Systems, metric: Metric, start: float) -> Measurement:
    window = Window(start=start, end=time.time(), earliest=start)
    (measured,) = await systems.measure([metric], window)
    return measured


def _asked(measured: Measurement) -> tuple[str, ...]:
    return tuple(dict.fromkeys(exchange.asked for exchange in measured.exchanges))


def _stable(ledger: Ledger, reading: Reading) -> ArmCounts | None:
    if not isinstance(reading, Cumulative | Increments):
        return None
    interval = ledger.feed(reading)
    return None if interval is None else interval.stable


def _finding(metric: Metric, reading: Reading, counts: ArmCounts | None, ledger: Ledger) -> Finding:
    bare = Finding(metric=metric.name, asked=(), ok=False, text="")
    if isinstance(reading, ReadFailure | NoData):
        if isinstance(reading, NoData):
            return replace(bare, text=f"no data: {reading.reason}")
        text = f"cannot be read: {reading.reason}"
        return replace(bare, text=text, transient=reading.transient)
    if isinstance(reading, Value):
        behind = "" if reading.requests is None else f" ({reading.requests} requests behind it)"
        shown = "no number" if reading.canary is None else f"{reading.canary:g}{behind}"
        if reading.stable is not None:
            shown += f"; the stable version {reading.stable:g}"
        return replace(
            bare, ok=reading.canary is not None, text=shown, value=reading.canary,
            requests=reading.requests,
        )  # fmt: skip
    if ledger.problem:
        return replace(bare, text=f"cannot be counted: {ledger.problem}")
    if counts is None or counts.requests == 0:
        return replace(bare, text=_NO_REQUEST, requests=0)
    return replace(bare, ok=True, requests=counts.requests, **_number(metric, counts, ledger))


def _so_far(metric: Metric, reading: Cumulative) -> Finding:
    """Return what a single look at counters tells of the stable version."""
    requests = sum(series.points[-1].requests for series in reading.stable if series.points)
    text = f"{requests} requests of the stable version so far" if requests else _NO_REQUEST
    return Finding(metric=metric.name, asked=(), ok=bool(requests), text=text, requests=requests)


def _number(metric: Metric, counts: ArmCounts, ledger: Ledger) -> dict[str, Any]:
    behind = f"{counts.requests} requests of the stable version"
    if metric.question is Question.ERRORS:
        share = counts.bad[0] / counts.requests
        return {"value": share, "text": f"{100 * share:.3g} % ({counts.bad[0]} of {behind})"}
    level = quantile_of(metric)
    seconds = quantile(ledger.boundaries or (), counts, level)
    shown = "unknown" if seconds is None else f"{1000 * seconds:.3g} ms"
    return {"value": seconds, "text": f"P{100 * level:g} {shown} ({behind})"}

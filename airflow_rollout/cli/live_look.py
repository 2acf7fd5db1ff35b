"""Ask every metric of a rollout once, as its gates would, and say what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.metrics.base import Window
from airflow_rollout.wire import HttpRequest, Request, Response, Send

__all__ = ["Finding", "look", "not_sent"]

# Counts need two looks where a source shows only how they stand now.
_SHORTEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one metric gave.

    :param asked: the requests as they were sent, without headers.
    :param ok: whether the stable version, or the query, has a number.
    :param text: the number with what is behind it, or what is wrong.
    :param value: the number, in the metric's own unit: a share, seconds, or the query's.
    """

    metric: str
    asked: tuple[str, ...]
    ok: bool
    text: str
    value: float | None = None
    requests: int | None = None


async def not_sent(request: Request) -> Response:
    """Send nothing, for whoever only wants to know what would be asked."""
    raise TransientAdapterError(f"not asked: {request}", system="check")


async def look(
    systems: Systems, metrics: Sequence[Metric], *, seconds: float, pause_seconds: float
) -> list[Finding]:
    """Return a finding for each metric, in their order.

    :param seconds: how far back is looked.
    :param pause_seconds: between two looks at counters that know no past.
    """
    return [
        await _look_at(systems, metric, seconds, max(_SHORTEST_PAUSE_SECONDS, pause_seconds))
        for metric in metrics
    ]


async def _look_at(
    systems: Systems, metric: Metric, seconds: float, pause_seconds: float
) -> Finding:
    asked: list[str] = []
    listened = replace(systems, provider_send=_listening(systems.provider_send, asked))
    start = time.time() - seconds
    ledger = Ledger()
    reading = await _read(listened, metric, start)
    counts = _stable(ledger, reading)
    if isinstance(reading, Cumulative) and counts is None:
        await asyncio.sleep(pause_seconds)
        reading = await _read(listened, metric, start)
        counts = _stable(ledger, reading)
    return replace(_finding(metric, reading, counts, ledger), asked=tuple(dict.fromkeys(asked)))


async def _read(systems: Systems, metric: Metric, start: float) -> Reading:
    window = Window(start=start, end=time.time(), earliest=start)
    return (await systems.read_metrics([metric], window))[metric.name]


def _stable(ledger: Ledger, reading: Reading) -> ArmCounts | None:
    if not isinstance(reading, Cumulative | Increments):
        return None
    interval = ledger.feed(reading)
    return None if interval is None else interval.stable


def _finding(metric: Metric, reading: Reading, counts: ArmCounts | None, ledger: Ledger) -> Finding:
    bare = Finding(metric=metric.name, asked=(), ok=False, text="")
    if isinstance(reading, ReadFailure | NoData):
        kind = "no data" if isinstance(reading, NoData) else "cannot be read"
        return replace(bare, text=f"{kind}: {reading.reason}")
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
        return replace(bare, text="no data: the stable version had no request", requests=0)
    return replace(bare, ok=True, requests=counts.requests, **_number(metric, counts, ledger))


def _number(metric: Metric, counts: ArmCounts, ledger: Ledger) -> dict[str, Any]:
    behind = f"{counts.requests} requests of the stable version"
    if metric.question is Question.ERRORS:
        share = counts.bad[0] / counts.requests
        return {"value": share, "text": f"{100 * share:.3g} % ({counts.bad[0]} of {behind})"}
    level = metric.quantile or 0.99
    seconds = quantile(ledger.boundaries or (), counts, level)
    shown = "unknown" if seconds is None else f"{1000 * seconds:.3g} ms"
    return {"value": seconds, "text": f"P{100 * level:g} {shown} ({behind})"}


def _listening(send: Send, asked: list[str]) -> Send:
    async def listening(request: Request) -> Response:
        asked.append(_shown(request))
        return await send(request)

    return listening


def _shown(request: Request) -> str:
    """Return a request as a person reads it; headers, which may hold secrets, are left out."""
    if not isinstance(request, HttpRequest):
        return str(request)
    query = "&".join(f"{name}={value}" for name, value in request.params)
    mark = "&" if "?" in request.url else "?"
    body = " " + request.body.decode(errors="replace") if request.body else ""
    return f"{request.method} {request.url}{mark + query if query else ''}{body}"

"""The first promotion asks what the source still has of stable, and the judge learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from runs import Run

from airflow_rollout.analysis.history import HISTORY_SECONDS
from airflow_rollout.analysis.parameters import Comparison
from airflow_rollout.analysis.readings import CounterPoint, CounterSeries, Cumulative, Reading
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window

NAME = "request-success-rate"


def remembering(run: Run, *, dispersion: float | None = None) -> list[Window]:
    """Let the source remember bursts of six errors; return the windows it is asked for."""
    provider: Any = run.world.provider
    provider.keeps_samples = True
    run.spec = replace(
        run.spec,
        judge=replace(run.spec.judge, comparison=Comparison(dispersion=dispersion)),
    )
    asked: list[Window] = []

    async def answer(query: MetricQuery, window: Window) -> Reading:
        if window.end - window.start < HISTORY_SECONDS:
            return provider.counters(window.end)
        asked.append(window)
        points = tuple(
            CounterPoint(at=window.start + 15 * n, requests=1500 * n, bad=(6 * (n // 3),))
            for n in range(121)
        )
        stable = CounterSeries(key="stable", points=points)
        return Cumulative(at=window.end, boundaries=(), canary=(), stable=(stable,))

    provider.answer = answer
    run.prepare()
    return asked


def learned(run: Run, step_id: str) -> Any:
    return run.xcoms[f"{step_id}.promote"]["step"]["state"]["metrics"][NAME]["measured"]


def test_half_an_hour_before_the_release_is_asked_for_once(run: Run) -> None:
    asked = remembering(run)
    run.promote("step_01")
    opened = run.attempt().opened_at
    assert [(it.start, it.end) for it in asked] == [(opened - HISTORY_SECONDS, opened)]
    assert learned(run, "step_01")["phi"] == pytest.approx(4.0, rel=0.05)
    run.promote("step_02", "step_01.promote")
    assert len(asked) == 1
    assert learned(run, "step_02") == learned(run, "step_01")


def test_nothing_is_asked_where_somebody_said_it(run: Run) -> None:
    asked = remembering(run, dispersion=1.0)
    run.promote("step_01")
    assert asked == []
    assert learned(run, "step_01") is None


def test_a_source_that_does_not_answer_leaves_the_assumption(run: Run) -> None:
    remembering(run)
    answer = run.world.provider.answer

    async def fails(query: MetricQuery, window: Window) -> Reading:
        if window.end - window.start >= HISTORY_SECONDS:
            raise TransientAdapterError("timed out", system="memory")
        assert answer is not None
        return await answer(query, window)

    run.world.provider.answer = fails
    run.promote("step_01")
    assert learned(run, "step_01") is None
    assert run.world.router.split is not None
    assert run.world.router.split.weight == 10

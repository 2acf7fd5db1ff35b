"""Builders for the judge's tests: parameters, readings, and a small world with traffic in it."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_rollout.analysis.judge import Judge, StepContext
from airflow_rollout.analysis.parameters import (
    Comparison,
    JudgeParams,
    Metric,
    Question,
    Semantics,
    Threshold,
)
from airflow_rollout.analysis.readings import (
    ArmCounts,
    CounterPoint,
    CounterSeries,
    Cumulative,
    Increments,
)
from airflow_rollout.analysis.verdict import Judgement

# The caller's clock and the source's differ by an arbitrary amount in every test.
WRITTEN = 1_700_000_000.0
SOURCE = 1_700_000_003.25

BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)

SUCCESS = Metric(
    name="request-success-rate", question=Question.ERRORS, threshold=Threshold(minimum=99.5)
)
DURATION = Metric(
    name="request-duration",
    question=Question.LATENCY,
    quantile=0.99,
    threshold=Threshold(maximum=500.0),
)
HTTP_500 = Metric(
    name="http_500_rate",
    question=Question.ERRORS,
    threshold=Threshold(maximum=0.01),
    guardrail=0.01,
)
P99 = Metric(
    name="p99_latency",
    question=Question.LATENCY,
    quantile=0.99,
    threshold=Threshold(maximum=0.5),
    guardrail=0.01,
    boundary_seconds=0.5,
)


def flagger(*metrics: Metric, **changes: Any) -> JudgeParams:
    base = JudgeParams(
        semantics=Semantics.FLAGGER,
        metrics=metrics or (SUCCESS,),
        interval_seconds=60.0,
        failure_limit=5,
        comparison=Comparison(dispersion=1.0),
    )
    return replace(base, **changes)


def native(*metrics: Metric, **changes: Any) -> JudgeParams:
    base = JudgeParams(
        semantics=Semantics.NATIVE,
        metrics=metrics or (HTTP_500,),
        interval_seconds=10.0,
        failure_limit=3,
        min_requests=500,
        comparison=Comparison(dispersion=1.0),
    )
    return replace(base, **changes)


def step(step_id: str = "step_01", **changes: Any) -> StepContext:
    base = StepContext(
        step_id=step_id,
        weight=10,
        written_at=WRITTEN,
        hold_seconds=60.0,
        deadline_seconds=480.0,
        release_started_at=WRITTEN,
    )
    return replace(base, **changes)


def counts(requests: int, *bad: int) -> ArmCounts:
    return ArmCounts(requests=requests, bad=bad)


def point(at: float, requests: int, *bad: int) -> CounterPoint:
    return CounterPoint(at=at, requests=requests, bad=bad)


def series(*points: CounterPoint, key: str = "one", born_at: float | None = None) -> CounterSeries:
    return CounterSeries(key=key, points=points, born_at=born_at)


def cumulative(
    at: float,
    canary: CounterSeries | tuple[CounterSeries, ...] = (),
    stable: CounterSeries | tuple[CounterSeries, ...] = (),
    boundaries: tuple[float, ...] = (),
) -> Cumulative:
    return Cumulative(
        at=at,
        boundaries=boundaries,
        canary=canary if isinstance(canary, tuple) else (canary,),
        stable=stable if isinstance(stable, tuple) else (stable,),
    )


def increments(second: float, canary: ArmCounts, stable: ArmCounts, length: float = 1.0):
    """The interval that ends `second` seconds after the first reading."""
    end = SOURCE + second
    return Increments(start=end - length, end=end, boundaries=(), canary=canary, stable=stable)


def through_json(judge: Judge) -> dict[str, Any]:
    """The judge's state as another process gets it."""
    return json.loads(json.dumps(judge.state(), allow_nan=False))


def bad_intervals(judge: Judge, first: int, number: int, bad: int = 10) -> Judgement:
    """All requests of the canary fail; the stable arm is healthy."""
    for second in range(first, first + number):
        judge.feed(SUCCESS.name, increments(second, counts(10, bad), counts(90, 0)))
    return judge.assess(WRITTEN + first + number - 1)


@dataclass
class World:
    """Seeded traffic through a router with counters, second by second.

    `bad` and `slow_by` belong to the canary; `base` is both arms' error rate otherwise.
    """

    seed: int
    rps: int = 100
    weight: int = 10
    bad: float = 0.0
    base: float = 0.0
    slow_by: float = 0.0
    second: int = 0
    failed: int = 0
    requests: dict[str, int] = field(default_factory=lambda: {"canary": 0, "stable": 0})
    errors: dict[str, int] = field(default_factory=lambda: {"canary": 0, "stable": 0})
    slower: dict[str, list[int]] = field(
        default_factory=lambda: {"canary": [0] * 12, "stable": [0] * 12}
    )

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def run_one_second(self) -> None:
        self.second += 1
        for _ in range(self.rps):
            arm = "canary" if self.random.random() < self.weight / 100 else "stable"
            rate = max(self.base, self.bad if arm == "canary" else 0.0)
            latency = self.random.lognormvariate(-4.6, 0.6)
            latency += self.slow_by if arm == "canary" else 0.0
            self.requests[arm] += 1
            if self.random.random() < rate:
                self.errors[arm] += 1
                self.failed += 1
            for k in range(bisect_right(BOUNDARIES, latency)):
                self.slower[arm][k] += 1

    @property
    def source_now(self) -> float:
        return SOURCE + self.second

    @property
    def now(self) -> float:
        return WRITTEN + self.second

    def error_reading(self) -> Cumulative:
        canary, stable = (
            series(point(self.source_now, self.requests[arm], self.errors[arm]), key=arm)
            for arm in ("canary", "stable")
        )
        return cumulative(self.source_now, canary, stable)

    def latency_reading(self) -> Cumulative:
        canary, stable = (
            series(point(self.source_now, self.requests[arm], *self.slower[arm]), key=arm)
            for arm in ("canary", "stable")
        )
        return cumulative(self.source_now, canary, stable, BOUNDARIES)

    def feed(self, judge: Judge) -> None:
        judge.feed(SUCCESS.name, self.error_reading())
        judge.feed(DURATION.name, self.latency_reading())

    def release(self, judge: Judge, seconds: int) -> Judgement:
        """Let traffic flow and judge every second until the gate ends or the time is up."""
        self.feed(judge)
        judgement = judge.assess(self.now)
        while not judgement.ends and self.second < seconds:
            self.run_one_second()
            self.feed(judge)
            judgement = judge.assess(self.now)
        return judgement

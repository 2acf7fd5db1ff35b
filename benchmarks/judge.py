"""What one update of the judge costs: both metrics fed, one verdict with its sentences, no I/O."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from itertools import accumulate

from rich.console import Console

from airflow_rollout.analysis.judge import Judge, StepContext
from airflow_rollout.analysis.parameters import (
    Comparison,
    JudgeParams,
    Metric,
    Promote,
    Promotion,
    Question,
    Semantics,
    Threshold,
)
from airflow_rollout.analysis.readings import CounterPoint, CounterSeries, Cumulative
from airflow_rollout.analysis.verdict import Judgement
from benchmarks.report import Figure, Of, PartReport, Wanted

__all__ = ["PART", "Traffic", "run"]

PART = "judge"
RATES = (100, 1_000, 10_000)

# Those of most client libraries and of Traefik's example: twelve.
BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
_ERROR_RATE = 0.001
# Nothing may hold the triggerer's event loop longer.
_MOST_MS = 10.0
_START = 1_700_000_000.0
_CANARY_SHARE = 0.1

# Response times: lognormal, a median of 10 ms, so that 99 % are below 50 ms.
_LOG_MEDIAN, _LOG_SPREAD = math.log(0.010), 0.6


def _cumulated_shares() -> list[float]:
    """Return the share of requests up to each boundary, and 1 for the rest."""
    below = [
        0.5 + 0.5 * math.erf((math.log(boundary) - _LOG_MEDIAN) / (_LOG_SPREAD * math.sqrt(2)))
        for boundary in BOUNDARIES
    ]
    return [*below, 1.0]


class Traffic:
    """Cumulative counters of two healthy arms, second by second, from a seed.

    :param rate: requests a second, of which the canary gets a tenth.
    """

    def __init__(self, *, rate: int, seed: int) -> None:
        self._rate = rate
        self._random = random.Random(seed)
        self._shares = _cumulated_shares()
        self._totals = {arm: [0] * (2 + len(BOUNDARIES)) for arm in ("canary", "stable")}
        self.second = 0

    @property
    def now(self) -> float:
        """Return the time of the counters."""
        return _START + self.second

    def flow(self) -> None:
        """Let one second of requests pass."""
        self.second += 1
        for arm, share in (("canary", _CANARY_SHARE), ("stable", 1 - _CANARY_SHARE)):
            requests = round(self._rate * share)
            for index, count in enumerate(self._counted(requests)):
                self._totals[arm][index] += count

    def errors(self) -> Cumulative:
        """Return requests and failed requests of both arms."""
        return self._reading((), slice(1, 2))

    def latency(self) -> Cumulative:
        """Return requests and the slower ones of both arms, one count a boundary."""
        return self._reading(BOUNDARIES, slice(2, None))

    def _counted(self, requests: int) -> list[int]:
        """Return the second's requests, failed ones, and slower ones by boundary.

        Each request is drawn by itself: counts scaled up from fewer would come in clusters, which
        the judge is right to notice.
        """
        failed = sum(self._random.random() < _ERROR_RATE for _ in range(requests))
        buckets = range(len(self._shares))
        found = Counter(self._random.choices(buckets, cum_weights=self._shares, k=requests))
        slower = list(accumulate(found[bucket] for bucket in reversed(buckets[1:])))[::-1]
        return [requests, failed, *slower]

    def _reading(self, boundaries: tuple[float, ...], part: slice) -> Cumulative:
        arms = {}
        for arm, totals in self._totals.items():
            point = CounterPoint(at=self.now, requests=totals[0], bad=tuple(totals[part]))
            arms[arm] = (CounterSeries(key=arm, points=(point,)),)
        return Cumulative(at=self.now, boundaries=boundaries, **arms)


def run(console: Console, *, runs: int, updates: int) -> PartReport:
    """Measure `runs` releases of `updates` seconds at each rate."""
    figures = []
    faults = []
    for rate in RATES:
        costs: list[float] = []
        ends: list[Judgement] = []
        for seed in range(1, runs + 1):
            with console.status(f"judge: {rate:,} requests/s, release {seed} of {runs}"):
                found, judgement = _release(rate, seed, updates)
            costs += found
            ends.append(judgement)
        figures.append(
            Figure(
                group=f"{rate:,} requests/s",
                name="one update",
                unit="ms",
                values=tuple(costs),
                wanted=Wanted(at_most=_MOST_MS, of=Of.P95),
            )
        )
        # A healthy release that is stopped would measure a judge that no longer judges.
        faults += [f"stopped at {rate} requests/s: {end.reason}" for end in ends if end.ends]
        console.print(f"judge at {rate:,} requests/s: {1000 * sum(costs) / len(costs):.0f} us mean")
    return PartReport(
        part=PART,
        title=f"One update of the judge (errors and P99, {len(BOUNDARIES)} boundaries)",
        figures=tuple(figures),
        faults=tuple(faults),
        notes=(
            "Processor time of two fed metrics and one verdict with its sentences, once a second "
            f"over {updates} s of a healthy release; the canary gets a tenth of the requests.",
        ),
    )


def _release(rate: int, seed: int, updates: int) -> tuple[list[float], Judgement]:
    """Return the milliseconds of each update and the last word."""
    judge = _judge(updates)
    traffic = Traffic(rate=rate, seed=seed)
    judge.feed("errors", traffic.errors())
    judge.feed("latency", traffic.latency())
    costs = []
    judgement = judge.assess(traffic.now)
    for _ in range(updates):
        traffic.flow()
        errors, latency = traffic.errors(), traffic.latency()
        start = time.thread_time_ns()
        judge.feed("errors", errors)
        judge.feed("latency", latency)
        judgement = judge.assess(traffic.now)
        costs.append((time.thread_time_ns() - start) / 1e6)
    return costs, judgement


def _judge(updates: int) -> Judge:
    hold = updates + 1.0
    errors = Metric(
        name="errors", question=Question.ERRORS, threshold=Threshold(minimum=99.0), weight=0.5
    )
    latency = Metric(
        name="latency",
        question=Question.LATENCY,
        quantile=0.99,
        threshold=Threshold(maximum=500.0),
        weight=0.5,
    )
    params = JudgeParams(
        semantics=Semantics.FLAGGER,
        metrics=(errors, latency),
        interval_seconds=hold,
        failure_limit=5,
        comparison=Comparison(dispersion=1.0),
        # Proof for an early promotion is gathered all the time, and never enough to end this.
        promotion=Promotion(when=Promote.ON_EVIDENCE, min_duration_seconds=hold),
    )
    step = StepContext(
        step_id="step_01",
        weight=round(100 * _CANARY_SHARE),
        written_at=_START,
        hold_seconds=hold,
        deadline_seconds=10 * hold,
        release_started_at=_START,
    )
    return Judge(params, step)

"""Walk a recorded release through the judge: what would the gates have said, and when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from airflow_rollout.analysis.judge import Judge, StepContext
from airflow_rollout.analysis.parameters import JudgeParams, Promote, Question
from airflow_rollout.analysis.readings import (
    ArmCounts,
    CounterPoint,
    CounterSeries,
    Cumulative,
    Increments,
    Reading,
)
from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.cli.replay_counts import Tick
from airflow_rollout.plan import PlannedStep

__all__ = ["WHOLE_FILE", "Moment", "StepEnd", "Walk", "Walked"]

# A timeline longer than this is thinned out: every second entry stays.
_LONGEST_TIMELINE = 40

# Without a spec there is one step, which lasts as long as the file.
WHOLE_FILE = PlannedStep(
    id="file", weight=0, previous_weight=0, rises_after_seconds=0.0, hold_seconds=math.inf,
    deadline_seconds=math.inf, backstop_seconds=math.inf,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The evidence at one time, with what the first metric had counted until then."""

    seconds: float
    step: str
    canary_requests: int
    canary_bad: int
    stable_requests: int
    stable_bad: int
    evidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnd:
    """How a step ended, or how it stood when the file did."""

    id: str
    weight: int
    began: float
    judgement: Judgement


@dataclass(slots=True, kw_only=True)
class Walked:
    """What came out: the steps in their order, the last one decides.

    `finished` says that the release ended, `read_all` that the file was read to its end.
    """

    steps: list[StepEnd] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    finished: bool = False
    read_all: bool = True

    @property
    def last(self) -> StepEnd:
        """Return the step that decides."""
        return self.steps[-1]


class Walk:
    """Judge ticks in their order, step by step, until the release ends or the file does.

    :param boundaries: of each latency metric's histogram.
    :param counters: whether the file holds counters that only rise, instead of counts.
    :param first_length: seconds that the first row's counts took.
    """

    def __init__(
        self,
        params: JudgeParams,
        steps: tuple[PlannedStep, ...],
        *,
        boundaries: Mapping[str, tuple[float, ...]],
        counters: bool,
        first_length: float,
    ) -> None:
        self._params = params
        self._steps = steps
        self._boundaries = boundaries
        self._counters = counters
        self._first_length = first_length
        self._questions = {metric.name: metric.question for metric in params.metrics}
        self._fed_until: dict[str, float] = {}
        self._totals = [0, 0, 0, 0]
        self._began = 0.0
        self._released_at = 0.0
        self._walked = Walked()
        self._every = 1

    def run(self, ticks: Iterable[Tick]) -> Walked:
        """Return what the gates say; reads no further than the release goes."""
        walked, number = self._walked, 0
        judge: Judge | None = None
        at = 0.0
        passed: Judgement | None = None
        for count, tick in enumerate(ticks):
            at = tick.seconds
            if judge is None:
                self._began = self._released_at = at if self._counters else at - self._first_length
                judge = self._judge(number, None)
            for name, reading in self._readings(tick):
                judge.feed(name, reading)
            self._note(count, at, number, judge.evidence)
            if not judge.is_due(at) or not (judgement := judge.assess(at)).ends:
                continue
            if judgement.verdict is Verdict.PASS and self._steps[number] is WHOLE_FILE:
                # Nothing rises in this file: the first PASS counts, and the rest may still fail.
                passed = passed or judgement
                self._params = _without_promotion(self._params)
                judge = self._judge(number, judge.state())
                continue
            self._end(number, judgement, at, judge.evidence)
            walked.read_all = False
            if judgement.verdict is not Verdict.PASS or number + 1 == len(self._steps):
                walked.finished = True
                return walked
            number += 1
            self._began = at
            judge = self._judge(number, judge.state())
        if judge is not None:
            walked.read_all = True
            self._end(number, passed or judge.assess(at), at, judge.evidence)
            walked.finished = passed is not None
        return walked

    def _judge(self, number: int, state: dict[str, object] | None) -> Judge:
        step = self._steps[number]
        context = StepContext(
            step_id=step.id,
            weight=step.weight,
            written_at=self._began,
            hold_seconds=step.hold_seconds,
            deadline_seconds=step.deadline_seconds,
            release_started_at=self._released_at,
        )
        return Judge(self._params, context, state)

    def _moment(self, at: float, number: int, evidence: float) -> Moment:
        canary, canary_bad, stable, stable_bad = self._totals
        return Moment(
            seconds=at, step=self._steps[number].id, canary_requests=canary,
            canary_bad=canary_bad, stable_requests=stable, stable_bad=stable_bad,
            evidence=evidence,
        )  # fmt: skip

    def _end(self, number: int, judgement: Judgement, at: float, evidence: float) -> None:
        step, timeline = self._steps[number], self._walked.timeline
        if not timeline or timeline[-1].seconds != at:
            # The last row read must be seen, whatever was thinned out.
            timeline.append(self._moment(at, number, evidence))
        self._walked.steps.append(
            StepEnd(id=step.id, weight=step.weight, began=self._began, judgement=judgement)
        )

    def _readings(self, tick: Tick) -> Iterator[tuple[str, Reading]]:
        for place, (name, (canary, stable)) in enumerate(tick.counts.items()):
            latency = self._questions[name] is Question.LATENCY
            boundaries = self._boundaries.get(name, ()) if latency else ()
            if place == 0:
                self._add(canary, stable)
            if self._counters:
                yield (
                    name,
                    Cumulative(
                        at=tick.seconds,
                        boundaries=boundaries,
                        canary=(_series("canary", tick.seconds, canary),),
                        stable=(_series("stable", tick.seconds, stable),),
                    ),
                )
                continue
            start = self._fed_until.get(name, tick.seconds - self._first_length)
            self._fed_until[name] = tick.seconds
            yield (
                name,
                Increments(
                    start=start,
                    end=tick.seconds,
                    boundaries=boundaries,
                    canary=canary,
                    stable=stable,
                ),
            )

    def _add(self, canary: ArmCounts, stable: ArmCounts) -> None:
        new = [canary.requests, _worst(canary), stable.requests, _worst(stable)]
        kept = [0] * 4 if self._counters else self._totals
        self._totals = [a + b for a, b in zip(kept, new, strict=True)]

    def _note(self, count: int, at: float, number: int, evidence: float) -> None:
        """Keep a timeline of bounded length, however long the file is."""
        timeline = self._walked.timeline
        if count % self._every == 0:
            timeline.append(self._moment(at, number, evidence))
        if len(timeline) > _LONGEST_TIMELINE:
            del timeline[1::2]
            self._every *= 2


def _without_promotion(params: JudgeParams) -> JudgeParams:
    """Return parameters that gather no more proof of what is shown already."""
    return replace(params, promotion=replace(params.promotion, when=Promote.ON_TIME))


def _series(arm: str, at: float, counts: ArmCounts) -> CounterSeries:
    point = CounterPoint(at=at, requests=counts.requests, bad=counts.bad)
    return CounterSeries(key=arm, points=(point,))


def _worst(counts: ArmCounts) -> int:
    """Return the bad requests; of a histogram those slower than the last boundary."""
    return counts.bad[-1] if counts.bad else 0

"""Everything the judge knows about one metric: counts, window, evidence, the last answer."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Any

from airflow_rollout.analysis.budget import is_compared, is_guarded
from airflow_rollout.analysis.counts import ByPod, Interval, Ledger, add_counts
from airflow_rollout.analysis.dispersion import Basis, Dispersion
from airflow_rollout.analysis.evidence import Growth, effective_dispersion
from airflow_rollout.analysis.guardrail import GuardrailProcess
from airflow_rollout.analysis.histogram import ComparisonProcess, slower_than
from airflow_rollout.analysis.idle import IdleStable
from airflow_rollout.analysis.latency import first_compared
from airflow_rollout.analysis.odds_interval import OddsInterval
from airflow_rollout.analysis.parameters import JudgeParams, Metric, Mode, Promote, Question
from airflow_rollout.analysis.promotion import PromotionProcess
from airflow_rollout.analysis.readings import (
    ArmCounts,
    Cumulative,
    Increments,
    NoData,
    ReadFailure,
    Reading,
    Value,
)
from airflow_rollout.analysis.windows import NOTHING, LookBack

__all__ = ["Answer", "Track"]

_LARGEST = 1.7e308


class Answer(StrEnum):
    """What the last answer of the metric system was."""

    NONE = "none"
    DATA = "data"
    NO_DATA = "no_data"
    ERROR = "error"


class Track:
    """One metric through a whole release.

    :param weight: the metric's part of the budget; a metric that is only observed has its own
        budget of 1, outside the release's.
    """

    def __init__(self, metric: Metric, params: JudgeParams, weight: float) -> None:
        self.metric = metric
        self.weight = weight
        self.acting = metric.mode is Mode.ACT
        self.ledger = Ledger()
        self.window = LookBack(metric.window_seconds)
        self.step_canary = NOTHING
        self.step_stable = NOTHING
        self.value: Value | None = None
        self.answer = Answer.NONE
        self.reason = "the source was not asked yet"
        self.asked = False
        self.errors_in_a_row = 0
        self._failed_at: float | None = None
        self.used = 0
        self.skipped = 0
        self._warmup = params.warmup_seconds
        self._straddles = False
        self._stable_alone = 0
        self._idle = IdleStable()
        self._params = params
        self.measured: Dispersion | None = None
        self._begin()

    def _begin(self) -> None:
        self.comparison, self.guardrail = _processes(self.metric, self._params, self.weight)
        self.promotion = _promotion(self.metric, self._params)
        self.odds = _odds(self.metric, self._params)

    @property
    def dispersion(self) -> float:
        """Return phi: what was said, else what was measured, else what is assumed."""
        return effective_dispersion(self._params.comparison)

    def learn(self, measured: Dispersion) -> None:
        """Take in what the stable version's history says; what somebody said stands.

        Valid at any time: phi was measured before the release, so each interval's was known before
        the interval.
        """
        if self._params.comparison.dispersion is not None:
            return
        evidence = self._evidence_state()
        self.measured = measured
        comparison = replace(self._params.comparison, dispersion=measured.phi)
        self._params = replace(self._params, comparison=comparison)
        self._begin()
        self._restore_evidence(evidence)

    @property
    def evidence(self) -> float | None:
        """Return the metric's own evidence, None where nothing is tested sequentially."""
        values = [p.value for p in (self.comparison, self.guardrail) if p is not None]
        return math.fsum(values) / len(values) if values else None

    @property
    def missed(self) -> float:
        """Return how many requests the canary would have had since its last, by stable's."""
        beside = self.step_stable.requests - self._stable_alone
        return self._stable_alone * self.step_canary.requests / beside if beside > 0 else 0.0

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Return the histogram's boundaries, empty while unknown and for errors."""
        return self.ledger.boundaries or ()

    @property
    def compared_from(self) -> int:
        """Return the index of the first boundary that is compared."""
        return first_compared(self.metric, self._params.semantics, self.boundaries)

    def feed(self, reading: Reading) -> None:
        """Take an answer in; one that is older than the newest changes nothing.

        Silence and failures count in the order in which they are fed: their time may be another
        clock's.
        """
        if isinstance(reading, ReadFailure):
            # The same failure told twice is one.
            again = self.answer is Answer.ERROR and reading.at == self._failed_at
            self._failed_at = reading.at
            self._answered(Answer.ERROR, reading.reason, errors=0 if again else 1)
        elif isinstance(reading, NoData):
            self._answered(Answer.NO_DATA, reading.reason)
        elif isinstance(reading, Value):
            self._feed_value(reading)
        else:
            self._feed_counts(reading)

    def _answered(self, answer: Answer, reason: str = "", *, errors: int = 1) -> None:
        self.answer, self.reason, self.asked = answer, reason, True
        self.errors_in_a_row = self.errors_in_a_row + errors if answer is Answer.ERROR else 0

    def start_step(self) -> None:
        """Forget what belongs to the step before.

        If counting has begun, the interval that is open now began before this step's write: it
        stays evidence of the release and is no part of this step's rates.
        """
        self.step_canary = NOTHING
        self.step_stable = NOTHING
        self._straddles = self.ledger.observed_from is not None
        self.asked = False
        self._stable_alone = 0
        self._idle.forget()
        if self.promotion is not None:
            self.promotion.start_anew()

    def in_window(self) -> tuple[ArmCounts, ArmCounts]:
        """Return canary and stable in the look-back window."""
        now = self.ledger.newest
        return (NOTHING, NOTHING) if now is None else self.window.total(now)

    def _feed_value(self, reading: Value) -> None:
        if self.value is not None and reading.at < self.value.at:
            return
        self.value = replace(
            reading, canary=_finite(reading.canary), stable=_finite(reading.stable)
        )
        self._answered(Answer.DATA)

    def _feed_counts(self, reading: Cumulative | Increments) -> None:
        at = reading.end if isinstance(reading, Increments) else reading.at
        late = self.ledger.newest is not None and at < self.ledger.newest
        interval = self.ledger.feed(reading)
        if interval is not None:
            self._count(interval, merges=isinstance(reading, Cumulative))
        if self.ledger.problem:
            self._answered(Answer.ERROR, self.ledger.problem)
        elif late:
            return
        elif isinstance(reading, Cumulative) and not reading.canary:
            self._answered(Answer.NO_DATA, "the canary has no series")
        else:
            self._answered(Answer.DATA)

    def _count(self, interval: Interval, *, merges: bool) -> None:
        """Take a closed interval in.

        :param merges: whether stable's counts wait for the canary's next request. Counts that a
            system closed by itself are taken as they are.
        """
        self.window.add(interval)
        is_of_step, self._straddles = not self._straddles, False
        if is_of_step:
            self.step_canary = add_counts(self.step_canary, interval.canary)
            self.step_stable = add_counts(self.step_stable, interval.stable)
            alone = self._stable_alone + interval.stable.requests
            self._stable_alone = 0 if interval.canary.requests else alone
        began = self.ledger.observed_from
        if began is not None and interval.start < began + self._warmup:
            self.skipped += 1
            return
        if interval.canary.requests == 0:
            self._count_idle(interval, keeps=merges and is_of_step and interval.start != began)
            return
        self.used += 1
        if self.promotion is not None and is_of_step and interval.stable.requests:
            first = self.compared_from
            self.promotion.update(_from(first, interval.canary), _from(first, interval.stable))
        if self.guardrail is not None:
            bad = self._guarded_bad(interval.canary)
            self.guardrail.update(interval.canary.requests, bad)
        stable = self._idle.added_to(interval)
        self._compare(interval.canary, stable, interval.pods)
        if self.odds is not None:
            self.odds.update(interval.canary, stable)

    def _count_idle(self, interval: Interval, *, keeps: bool) -> None:
        """Take an interval without a canary request in.

        :param keeps: false for one that may reach back before the step's write: what stable did
            while nothing could reach the canary says nothing about it.
        """
        self.skipped += 1
        # It says nothing, and yet the clock of late starts moves on.
        self._compare(interval.canary, interval.stable)
        if keeps:
            self._idle.keep(interval)

    def _compare(self, canary: ArmCounts, stable: ArmCounts, pods: ByPod = ((), ())) -> None:
        if self.comparison is None:
            return
        first = self.compared_from
        if first:
            canary, stable = _from(first, canary), _from(first, stable)
            ours, theirs = (tuple(_from(first, one) for one in arm) for arm in pods)
            pods = ours, theirs
        self.comparison.update(canary, stable, pods)

    def _guarded_bad(self, canary: ArmCounts) -> float:
        if self.metric.question is not Question.LATENCY:
            return float(canary.bad[0])
        limit = self.metric.boundary_seconds
        slower = None if limit is None else slower_than(self.boundaries, canary, limit)
        # Nothing is known above the last boundary, and nothing unknown may stop a release.
        return 0.0 if slower is None else slower

    def state(self) -> dict[str, Any]:
        """Return what is known as JSON-ready values."""
        value = self.value
        return {
            "ledger": self.ledger.state(),
            "window": self.window.state(),
            "step": [_numbers(self.step_canary), _numbers(self.step_stable)],
            "straddles": self._straddles,
            "stable_alone": self._stable_alone,
            "idle": self._idle.state(),
            "value": value and [value.at, value.canary, value.stable, value.requests],
            "asked": self.asked,
            "errors": [self.errors_in_a_row, self._failed_at],
            "answer": self.answer.value,
            "reason": self.reason,
            "used": self.used,
            "skipped": self.skipped,
            "measured": self.measured and asdict(self.measured),
            **self._evidence_state(),
        }

    def _evidence_state(self) -> dict[str, Any]:
        return {
            "comparison": None if self.comparison is None else self.comparison.state(),
            "guardrail": None if self.guardrail is None else self.guardrail.state(),
            "promotion": None if self.promotion is None else self.promotion.state(),
            "odds": None if self.odds is None else self.odds.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`; a process that is new to the spec starts at 1."""
        self.ledger.restore(state["ledger"])
        self.window.restore(state["window"])
        self.step_canary, self.step_stable = (_counts(one) for one in state["step"])
        self._straddles = bool(state["straddles"])
        self._stable_alone = int(state["stable_alone"])
        self._idle.restore(state["idle"])
        if state["value"] is not None:
            at, canary, stable, requests = state["value"]
            self.value = Value(at=at, canary=canary, stable=stable, requests=requests)
        self.asked = bool(state["asked"])
        self.errors_in_a_row, self._failed_at = state["errors"]
        self.answer = Answer(state["answer"])
        self.reason = state["reason"]
        self.used, self.skipped = state["used"], state["skipped"]
        if state["measured"] is not None:
            phi, blocks, basis = (state["measured"][name] for name in ("phi", "blocks", "basis"))
            self.learn(Dispersion(phi=phi, blocks=blocks, basis=Basis(basis)))
        self._restore_evidence(state)

    def _restore_evidence(self, state: dict[str, Any]) -> None:
        # Of a release that was begun when all boundaries were compared, what still is goes on.
        kept = -(len(self.boundaries) - self.compared_from) or None
        if self.comparison is not None and state["comparison"] is not None:
            self.comparison.restore(state["comparison"][kept:])
        if self.guardrail is not None and state["guardrail"] is not None:
            self.guardrail.restore(state["guardrail"])
        if self.promotion is not None and state["promotion"] is not None:
            self.promotion.restore(state["promotion"][kept:])
        if self.odds is not None and state["odds"] is not None:
            self.odds.restore(state["odds"])


def _processes(
    metric: Metric, params: JudgeParams, weight: float
) -> tuple[ComparisonProcess | None, GuardrailProcess | None]:
    compared, guarded = is_compared(metric, params), is_guarded(metric)
    # A metric without budget can stop nothing; its evidence grows as if it had one of its own.
    share = (weight or 1.0) / (2.0 if compared and guarded else 1.0)
    growth = Growth.of(params.comparison, alpha=params.alpha, weight=share)
    comparison = ComparisonProcess(params.comparison, growth) if compared else None
    if not guarded or metric.guardrail is None:
        return comparison, None
    return comparison, GuardrailProcess(metric.guardrail, growth)


def _promotion(metric: Metric, params: JudgeParams) -> PromotionProcess | None:
    wanted = params.promotion.when is Promote.ON_EVIDENCE or params.policies.needs_proof
    if not wanted or metric.mode is not Mode.ACT or not is_compared(metric, params):
        return None
    is_histogram = metric.question is Question.LATENCY
    return PromotionProcess(
        params.promotion.latency if is_histogram else params.promotion.errors,
        dispersion=effective_dispersion(params.comparison),
        is_histogram=is_histogram,
    )


def _odds(metric: Metric, params: JudgeParams) -> OddsInterval | None:
    """Return the interval of the odds ratio; of a histogram no single ratio would be the one."""
    if metric.question is not Question.ERRORS or not is_compared(metric, params):
        return None
    return OddsInterval(
        dispersion=effective_dispersion(params.comparison),
        exact_limit=params.comparison.exact_limit,
    )


def _from(first: int, counts: ArmCounts) -> ArmCounts:
    """Return counts without those boundaries below which everything is fast enough."""
    return replace(counts, bad=counts.bad[first:]) if first else counts


def _finite(number: float | None) -> float | None:
    if number is None or math.isnan(number):
        return None
    return max(-_LARGEST, min(_LARGEST, number))


def _numbers(counts: ArmCounts) -> list[int]:
    return [counts.requests, *counts.bad]


def _counts(numbers: list[int]) -> ArmCounts:
    return ArmCounts(requests=numbers[0], bad=tuple(numbers[1:]))

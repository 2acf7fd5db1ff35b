"""The judge: measurements in, a verdict with its reason out. It decides; it does nothing.

One judge a gate. Its state goes on to the next gate, so that the budget of false alarms is one
for the whole release. Time is an argument: `at` and the step's times are the caller's clock,
readings carry the source's; the two are never subtracted to decide what is counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_rollout.analysis.checks import CheckResult, look
from airflow_rollout.analysis.evidence import effective_dispersion
from airflow_rollout.analysis.findings import finding, leading_sentence
from airflow_rollout.analysis.parameters import JudgeParams, Mode, Semantics
from airflow_rollout.analysis.readings import Probe, Reading
from airflow_rollout.analysis.sentences import duration, odds
from airflow_rollout.analysis.state import SCHEMA, StateMismatch, check_schema
from airflow_rollout.analysis.track import Track, is_compared, is_guarded
from airflow_rollout.analysis.verdict import Judgement, Verdict

__all__ = ["Judge", "StateMismatch", "StepContext"]

# One failed probe may be a lost packet; two in a row are a canary that does not answer.
_PROBES_IN_A_ROW = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """The step a gate judges; times in epoch seconds of the caller.

    `hold_seconds` and `deadline_seconds` count from `written_at`, the write of this step's
    weight; `release_started_at` is the release's first write above 0.
    """

    step_id: str
    weight: int
    written_at: float
    hold_seconds: float
    deadline_seconds: float
    release_started_at: float


@dataclass(slots=True)
class _Step:
    """What belongs to this step alone: the next check slot (from 1) and how the gate stands."""

    id: str
    next_check: int = 1
    checks_done: int = 0
    passed: str = ""
    measured_bad: str = ""


@dataclass(slots=True)
class _Release:
    """What belongs to the whole release."""

    failed_checks: int = 0
    last_failed: str = ""
    stopped: str = ""
    stopped_by: str = ""
    probe_at: float | None = None
    probes_failed: int = 0
    probe_fault: str = ""


class Judge:
    """Judge one step of a release.

    :param state: what `state()` of the judge before returned, None at the start of a release.

    Evidence, last counters, look-back window and failed checks go on; the step's own counts start
    anew when `step.step_id` is not the one in the state. Raises `StateMismatch` for a state it
    cannot read and `ValueError` for parameters that make no sense.
    """

    def __init__(
        self, params: JudgeParams, step: StepContext, state: dict[str, Any] | None = None
    ) -> None:
        self._params = params
        self._step_context = step
        self._limit = 1.0 / _checked(params).alpha
        self._failure_limit = max(1, params.failure_limit)
        weights = _budget(params)
        self._tracks = {m.name: Track(m, params, weights[m.name]) for m in params.metrics}
        self._step = _Step(id=step.step_id)
        self._release = _Release()
        if state is not None:
            self._restore(state)

    # --- what comes in ---

    def feed(self, name: str, reading: Reading) -> None:
        """Take in one metric's answer; raises `KeyError` for a metric that is not in the spec."""
        self._tracks[name].feed(reading)

    def feed_probe(self, probe: Probe) -> None:
        """Take in one health probe; one that is not newer than the last is ignored."""
        release = self._release
        if release.probe_at is not None and probe.at <= release.probe_at:
            return
        release.probe_at = probe.at
        if probe.ok:
            release.probes_failed = 0
            return
        release.probes_failed += 1
        detail = probe.detail or "no answer"
        if probe.fatal:
            release.probe_fault = release.probe_fault or f"the canary cannot serve: {detail}"
        elif release.probes_failed >= _PROBES_IN_A_ROW:
            release.probe_fault = release.probe_fault or (
                f"the canary failed {release.probes_failed} health probes in a row, "
                f"the last: {detail}"
            )

    # --- what goes out ---

    def assess(self, at: float) -> Judgement:
        """Return what the gate says at `at`; asked twice it says the same.

        Takes the counted checks that are due by then: one, however late it is asked.
        """
        self._stop_if_proven(at)
        self._check_if_due(at)
        self._stop_if_exhausted(at)
        looks = {name: look(track, self._params) for name, track in self._tracks.items()}
        verdict, ends, reason = self._say(at, looks)
        tracks = self._tracks.values()
        return Judgement(
            at=at,
            verdict=verdict,
            ends=ends,
            reason=reason,
            metrics=tuple(
                finding(
                    track,
                    looks[track.metric.name],
                    self._params,
                    elapsed_seconds=at - self._step_context.written_at,
                    stopped=track.metric.name == self._release.stopped_by,
                )
                for track in tracks
            ),
            evidence=self._evidence(),
            limit=self._limit,
            failed_checks=self._release.failed_checks,
            failure_limit=self._failure_limit,
            checks_done=self._step.checks_done,
            dispersion=effective_dispersion(self._params.comparison),
            intervals_used=max((t.used for t in tracks), default=0),
            intervals_skipped=max((t.skipped for t in tracks), default=0),
        )

    def state(self) -> dict[str, Any]:
        """Return everything the next gate or another process needs, JSON-ready."""
        step, release = self._step, self._release
        return {
            "schema": SCHEMA,
            "step": {name: getattr(step, name) for name in _Step.__slots__},
            "release": {name: getattr(release, name) for name in _Release.__slots__},
            "metrics": {name: track.state() for name, track in self._tracks.items()},
        }

    # --- deciding ---

    def _evidence(self) -> float:
        """Return the weighted mean over the acting metrics, an e-process under any dependence."""
        parts = [(t.weight, t.evidence) for t in self._acting()]
        tested = [weight * value for weight, value in parts if value is not None]
        return math.fsum(tested) if tested else 1.0

    def _acting(self) -> list[Track]:
        return [track for track in self._tracks.values() if track.acting]

    def _stop_if_proven(self, at: float) -> None:
        release = self._release
        if release.stopped:
            return
        if release.probe_fault:
            release.stopped = f"after {self._elapsed(at)}: {release.probe_fault}"
            return
        evidence = self._evidence()
        if evidence >= self._limit:
            worst = max(self._acting(), key=lambda t: t.weight * (t.evidence or 0.0))
            release.stopped_by = worst.metric.name
            sentence = leading_sentence(worst, self._params)
            release.stopped = (
                f"{worst.metric.name} after {self._elapsed(at)}: {sentence}, "
                f"{odds(evidence, self._limit)}, {self._how_sure(worst)}"
            )

    def _stop_if_exhausted(self, at: float) -> None:
        release = self._release
        if not release.stopped and release.failed_checks >= self._failure_limit:
            release.stopped = f"after {self._elapsed(at)}: {self._failed_checks_text()}"

    def _check_if_due(self, at: float) -> None:
        step = self._step
        if step.passed or (self._release.stopped and self._params.mode is Mode.ACT):
            return
        if at < self._slot(step.next_check):
            return
        results = [look(track, self._params) for track in self._acting()]
        if self._params.semantics is Semantics.NATIVE:
            self._native_check(at, results)
        else:
            self._flagger_check(at, results)

    def _flagger_check(self, at: float, results: list[CheckResult]) -> None:
        """First metric that does not pass counts; silence counts as much as a bad value."""
        failing = next((r for r in results if r.verdict is not Verdict.PASS), None)
        if failing is None:
            self._pass(at, results)
        else:
            self._count_failed(failing)
        self._move_on(at)

    def _native_check(self, at: float, results: list[CheckResult]) -> None:
        """Only a measured value counts; while something is missing the step holds on."""
        failing = next((r for r in results if r.verdict is Verdict.FAIL), None)
        if failing is not None:
            self._count_failed(failing)
            self._move_on(at)
        elif all(r.verdict is Verdict.PASS for r in results):
            self._pass(at, results)
            self._move_on(at)

    def _count_failed(self, failing: CheckResult) -> None:
        self._release.failed_checks += 1
        self._release.last_failed = failing.text
        if failing.verdict is Verdict.FAIL:
            self._step.measured_bad = failing.text

    def _pass(self, at: float, results: list[CheckResult]) -> None:
        if at > self._deadline() and self._params.mode is Mode.ACT:
            return
        self._step.passed = "; ".join(r.text for r in results) or "nothing is judged at this step"

    def _move_on(self, at: float) -> None:
        step, interval = self._step, self._params.interval_seconds
        step.checks_done += 1
        step.next_check += max(1, math.floor((at - self._slot(step.next_check)) / interval))
        # The float quotient may be a hair too small; the slot that follows lies after `at`.
        while self._slot(step.next_check) <= at:
            step.next_check += 1

    # --- saying it ---

    def _say(self, at: float, looks: Mapping[str, CheckResult]) -> tuple[Verdict, bool, str]:
        if self._params.mode is Mode.OBSERVE:
            return self._say_observed(at, looks)
        if self._release.stopped:
            return Verdict.FAIL, True, f"FAIL {self._release.stopped}"
        evidence = odds(self._evidence(), self._limit)
        if self._step.passed:
            reason = f"PASS after {self._elapsed(at)}: {self._step.passed}; {evidence}"
            return Verdict.PASS, True, reason
        verdict = self._missing(looks)
        if at < self._deadline():
            return verdict, False, f"{verdict.name} {self._holding(at, looks)}; {evidence}"
        if self._step.measured_bad:
            verdict = Verdict.FAIL
        given = duration(self._step_context.deadline_seconds)
        reason = f"{verdict.name} no check passed within {given}: {self._open_points(looks)}"
        return verdict, True, f"{reason}; {evidence}"

    def _say_observed(
        self, at: float, looks: Mapping[str, CheckResult]
    ) -> tuple[Verdict, bool, str]:
        tail = odds(self._evidence(), self._limit)
        if self._release.stopped:
            tail += f"; would have stopped: FAIL {self._release.stopped}"
        if at >= self._slot(1):
            shown = self._step.passed or self._open_points(looks)
            reason = f"PASS after {self._elapsed(at)}, observed only: {shown}; {tail}"
            return Verdict.PASS, True, reason
        verdict = self._missing(looks)
        return verdict, False, f"{verdict.name} {self._holding(at, looks)}, observed only; {tail}"

    def _missing(self, looks: Mapping[str, CheckResult]) -> Verdict:
        """Return what keeps the step from passing: the worst answer, never FAIL or PASS."""
        found = [looks[t.metric.name].verdict for t in self._acting()]
        open_ones = [v for v in found if v in (Verdict.NO_DATA, Verdict.ERROR)]
        return max(open_ones, default=Verdict.INCONCLUSIVE)

    def _holding(self, at: float, looks: Mapping[str, CheckResult]) -> str:
        wait = self._slot(self._step.next_check) - at
        what = "next check in" if self._step.checks_done else "first check in"
        due = f"{what} {duration(wait)}" if wait > 0 else "the check is due"
        parts = [f"after {self._elapsed(at)}: {due}"]
        if self._release.failed_checks:
            parts.append(self._failed_checks_text())
        missing = self._open_points(looks, only_open=True)
        return "; ".join([*parts, missing] if missing else parts)

    def _open_points(self, looks: Mapping[str, CheckResult], *, only_open: bool = False) -> str:
        shown = [looks[t.metric.name] for t in self._acting()]
        still = [r.text for r in shown if r.verdict is not Verdict.PASS]
        if self._step.measured_bad and not only_open and self._step.measured_bad not in still:
            still.append(f"measured bad: {self._step.measured_bad}")
        if still or only_open:
            return "; ".join(still)
        return "; ".join(r.text for r in shown) or "nothing is judged at this step"

    def _failed_checks_text(self) -> str:
        release = self._release
        return (
            f"{release.failed_checks} of {self._failure_limit} checks failed, "
            f"the last: {release.last_failed}"
        )

    def _how_sure(self, track: Track) -> str:
        phi = effective_dispersion(self._params.comparison)
        return f"dispersion {phi:g}, {track.used} intervals used, {track.skipped} skipped"

    # --- time ---

    def _elapsed(self, at: float) -> str:
        return duration(at - self._step_context.written_at)

    def _slot(self, k: int) -> float:
        """Return when check k is due: Flagger k intervals after the write, native from hold on."""
        step, interval = self._step_context, self._params.interval_seconds
        if self._params.semantics is Semantics.NATIVE:
            return step.written_at + step.hold_seconds + (k - 1) * interval
        return step.written_at + k * interval

    def _deadline(self) -> float:
        return self._step_context.written_at + self._step_context.deadline_seconds

    # --- state ---

    def _restore(self, state: dict[str, Any]) -> None:
        check_schema(state)
        try:
            self._release = _Release(**state["release"])
            saved = _Step(**state["step"])
            for name, track in self._tracks.items():
                if name in state["metrics"]:
                    track.restore(state["metrics"][name])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise StateMismatch(f"the saved state of the judge is damaged: {error!r}") from error
        if saved.id == self._step.id:
            self._step = saved
            return
        for track in self._tracks.values():
            track.start_step()


def _checked(params: JudgeParams) -> JudgeParams:
    """Refuse parameters no release can be judged by; raises `ValueError`."""
    names = [metric.name for metric in params.metrics]
    if len(set(names)) != len(names):
        raise ValueError(f"metric names must be unique, found {names}")
    if not 0.0 < params.alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, found {params.alpha}")
    if params.interval_seconds <= 0.0:
        raise ValueError(f"interval_seconds must be above 0, found {params.interval_seconds}")
    for metric in params.metrics:
        if metric.window_seconds <= 0.0:
            raise ValueError(f"{metric.name}: window_seconds must be above 0")
        if metric.weight < 0.0:
            raise ValueError(f"{metric.name}: weight must not be negative, found {metric.weight}")
    return params


def _budget(params: JudgeParams) -> dict[str, float]:
    """Return each metric's part of the budget.

    Only acting metrics with a sequential test share it. Their weights are normalised rather than
    refused: observing one metric only, or switching a comparison off, must neither waste the
    budget nor need other numbers in the file.
    """
    sharing = [
        m for m in params.metrics
        if m.mode is Mode.ACT and (is_compared(m, params) or is_guarded(m))
    ]  # fmt: skip
    total = math.fsum(m.weight for m in sharing)
    if sharing and total <= 0.0:
        raise ValueError("at least one acting metric needs a weight above 0")
    weights = dict.fromkeys((m.name for m in params.metrics), 1.0)
    weights.update({m.name: m.weight / total for m in sharing})
    return weights

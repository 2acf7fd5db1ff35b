"""The counted checks of a step: when one is due, and what it does to the counters.

Three sets of rules: Flagger's, Argo Rollouts', and the native ones. A check looks at what each
acting metric says (`checks`); here that is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple

from airflow_rollout.analysis.argo import (
    ERROR_RETRY_SECONDS,
    ArgoCounters,
    ArgoStatus,
    Measured,
)
from airflow_rollout.analysis.checks import CheckResult
from airflow_rollout.analysis.parameters import JudgeParams, Metric, Mode, Semantics
from airflow_rollout.analysis.standing import ReleaseStanding, Schedule, StepStanding
from airflow_rollout.analysis.verdict import Verdict

__all__ = ["CountedChecks"]


class CountedChecks:
    """Count a step's checks into the standings of step and release."""

    __slots__ = ("_metrics", "_params", "_release", "_rules", "_schedule", "_step")

    def __init__(
        self,
        params: JudgeParams,
        schedule: Schedule,
        step: StepStanding,
        release: ReleaseStanding,
    ) -> None:
        self._params = params
        self._schedule = schedule
        self._step = step
        self._release = release
        self._metrics: dict[str, Metric] = {m.name: m for m in params.metrics}
        rules: dict[Semantics, Callable[[float, Mapping[str, CheckResult]], bool]] = {
            Semantics.ARGO: self._argo,
            Semantics.FLAGGER: self._flagger,
            Semantics.NATIVE: self._native,
        }
        self._rules = rules[params.semantics]

    @property
    def is_over(self) -> bool:
        """Say whether no further check counts: passed, stopped, or observed and the time is up."""
        if self._step.passed:
            return True
        if self._params.mode is Mode.OBSERVE:
            return self._step.checks_done > 0 and self._params.semantics is not Semantics.ARGO
        return bool(self._release.stopped or self._release.unmeasurable)

    def due_at(self) -> float:
        """Return when the next check is due."""
        if self._params.semantics is not Semantics.ARGO:
            return self._schedule.slot(self._step.next_check)
        # The first measurement is taken at once.
        return self._schedule.written_at if self._step.next_at is None else self._step.next_at

    def take(self, at: float, results: Mapping[str, CheckResult]) -> bool:
        """Count one check of all acting metrics; return whether it is done.

        One that is not (native: something is missing) is taken again with the next answer.
        """
        return self._rules(at, results)

    def pass_step(self, at: float, texts: str) -> None:
        """Let the step pass, unless it is too late for that."""
        if at > self._schedule.deadline and self._params.mode is Mode.ACT:
            return
        self._step.passed = texts or "nothing is judged at this step"

    # --- Flagger ---

    def _flagger(self, at: float, results: Mapping[str, CheckResult]) -> bool:
        """First metric that does not pass counts; silence counts as much as a bad value."""
        failing = next((r for r in results.values() if r.verdict is not Verdict.PASS), None)
        if failing is not None:
            self._count_failed(failing)
        elif self._schedule.slot(self._step.next_check) >= self._schedule.hold_ends:
            # Flagger holds a weight for one interval; a longer hold is the native format's.
            self.pass_step(at, _texts(results))
        self._move_on(at)
        return True

    # --- native ---

    def _native(self, at: float, results: Mapping[str, CheckResult]) -> bool:
        """Only a measured value counts; while something is missing the step holds on."""
        failing = next((r for r in results.values() if r.verdict is Verdict.FAIL), None)
        if failing is not None:
            self._count_failed(failing)
        elif all(r.verdict is Verdict.PASS for r in results.values()):
            self.pass_step(at, _texts(results))
        else:
            return False
        self._move_on(at)
        return True

    # --- Argo Rollouts ---

    def _argo(self, at: float, results: Mapping[str, CheckResult]) -> bool:
        """Measure every metric that is not done; one that exceeds a limit ends the release."""
        is_retry = self._measure(results)
        self._step.checks_done += 1
        wait = ERROR_RETRY_SECONDS if is_retry else self._schedule.interval
        self._step.next_at = at + wait
        for name, status in self._statuses(results).items():
            exceeded = self._counters(name).exceeded(self._metrics[name].argo)
            said = f"{self._schedule.since(at)}: {name}: {exceeded}, the last: {results[name].text}"
            if status is ArgoStatus.FAILED and not self._release.stopped:
                self._release.stopped = said
            elif status is ArgoStatus.ERROR and not self._release.unmeasurable:
                self._release.unmeasurable = said
        return True

    def may_pass(self, at: float) -> bool:
        """Say whether Argo's rules let a step pass now without another measurement."""
        is_argo = self._params.semantics is Semantics.ARGO
        return is_argo and at >= self._schedule.hold_ends and not self.is_over

    def pass_if_good(self, at: float, results: Mapping[str, CheckResult]) -> None:
        """Let a step whose hold is over pass if no metric is bad.

        One thing is repaired: while a metric is silent, or if it was never measured at this step,
        nothing passes, and a number that is none (no traffic) is no measurement for that. Argo
        would go on.
        """
        if any(r.verdict in (Verdict.NO_DATA, Verdict.ERROR) for r in results.values()):
            return
        good = (ArgoStatus.SUCCESSFUL, ArgoStatus.RUNNING)
        is_good = all(status in good for status in self._statuses(results).values())
        if is_good and set(results) <= set(self._step.measured):
            self.pass_step(at, _texts(results))

    def _measure(self, results: Mapping[str, CheckResult]) -> bool:
        """Count what each metric is; return whether any could not be measured."""
        is_retry = False
        for name, result in results.items():
            counters, limits = self._counters(name), self._metrics[name].argo
            if counters.status(limits) is not ArgoStatus.RUNNING:
                self._note_measured(name)
                continue
            measured = result.measured or Measured.ERROR
            counters.take(measured)
            self._release.argo[name] = list(astuple(counters))
            is_retry |= measured is Measured.ERROR
            self._release.failed_checks += measured is Measured.FAILED
            if measured is Measured.FAILED:
                self._release.last_failed = result.text
            if result.canary is not None and measured is not Measured.ERROR:
                self._note_measured(name)
        return is_retry

    def _note_measured(self, name: str) -> None:
        if name not in self._step.measured:
            self._step.measured.append(name)

    def _counters(self, name: str) -> ArgoCounters:
        return ArgoCounters(*self._release.argo.get(name, ()))

    def _statuses(self, results: Mapping[str, CheckResult]) -> dict[str, ArgoStatus]:
        return {name: self._counters(name).status(self._metrics[name].argo) for name in results}

    # --- all ---

    def failed_text(self) -> str:
        """Say how many checks failed, and what the last of them saw; empty when none did."""
        release = self._release
        if not release.failed_checks:
            return ""
        of = f" of {max(1, self._params.failure_limit)}"
        if self._params.semantics is Semantics.ARGO:
            of = ""
        return f"{release.failed_checks}{of} checks failed, the last: {release.last_failed}"

    def _count_failed(self, failing: CheckResult) -> None:
        self._release.failed_checks += 1
        self._release.last_failed = failing.text
        if failing.verdict is Verdict.FAIL:
            self._step.measured_bad = failing.text

    def _move_on(self, at: float) -> None:
        self._step.checks_done += 1
        self._step.next_check = self._schedule.following(self._step.next_check, at)


def _texts(results: Mapping[str, CheckResult]) -> str:
    return "; ".join(result.text for result in results.values())

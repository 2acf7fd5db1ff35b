"""The judge: measurements in, a verdict with its reason out. It decides; it does nothing.

One judge a gate. Its state goes on to the next gate, so that the budget of false alarms is one
for the whole release. Time is an argument: `at` and the step's times are the caller's clock,
readings carry the source's; the two are never subtracted to decide what is counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_rollout.analysis.budget import check_params, split_budget
from airflow_rollout.analysis.checks import CheckResult, look, unanswered
from airflow_rollout.analysis.counted import CountedChecks
from airflow_rollout.analysis.dispersion import Dispersion
from airflow_rollout.analysis.findings import finding, leading_sentence, said_dispersion
from airflow_rollout.analysis.outlook import outlook
from airflow_rollout.analysis.parameters import (
    ASK_SECONDS,
    JudgeParams,
    Mode,
    OnError,
    OnInconclusive,
    Promote,
    Semantics,
)
from airflow_rollout.analysis.promotion import as_odds
from airflow_rollout.analysis.readings import Probe, Reading
from airflow_rollout.analysis.sentences import duration, odds, plural
from airflow_rollout.analysis.standing import (
    ReleaseStanding,
    Schedule,
    StepContext,
    StepStanding,
)
from airflow_rollout.analysis.state import SCHEMA, StateMismatch, check_schema
from airflow_rollout.analysis.track import Track
from airflow_rollout.analysis.undecided import (
    ASKING,
    left_open,
    promotion_evidence,
    unreadable,
)
from airflow_rollout.analysis.verdict import Judgement, Verdict

__all__ = ["Judge", "StateMismatch", "StepContext"]

# How far the clocks of the caller and of a metric system may lie apart. It only widens the window
# of single values, never decides about counts.
CLOCK_SKEW_SECONDS = 5.0


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
        check_params(params)
        self._params = params
        self._context = step
        self._schedule = Schedule(params, step)
        self._limit = 1.0 / params.alpha
        self._failure_limit = max(1, params.failure_limit)
        parts = split_budget(params)
        self._tracks = {m.name: Track(m, params, parts[m.name]) for m in params.metrics}
        self._step = StepStanding(id=step.step_id)
        self._release = ReleaseStanding()
        if state is not None:
            self._restore(state)
        self._checks = CountedChecks(params, self._schedule, self._step, self._release)

    # --- what comes in ---

    def feed(self, name: str, reading: Reading) -> None:
        """Take in one metric's answer; raises `KeyError` for a metric that is not in the spec."""
        self._tracks[name].feed(reading)

    def feed_probe(self, probe: Probe) -> None:
        """Take in one health probe; one that is not newer than the last is ignored."""
        self._release.take_probe(probe)

    def learn(self, name: str, measured: Dispersion) -> None:
        """Take in how one metric's errors cluster, measured on the stable version's history.

        What the spec says stands. Raises `KeyError` as `feed`.
        """
        self._tracks[name].learn(measured)

    # --- what goes out ---

    def requests(self, name: str) -> tuple[int, int]:
        """Return how many requests canary and stable had in this step by one metric's counts."""
        track = self._tracks[name]
        return track.step_canary.requests, track.step_stable.requests

    @property
    def evidence(self) -> float:
        """Return the weighted mean over the acting metrics, an e-process under any dependence."""
        parts = [(t.weight, t.evidence) for t in self._acting()]
        tested = [weight * value for weight, value in parts if value is not None]
        return math.fsum(tested) if tested else 1.0

    def is_due(self, at: float) -> bool:
        """Say whether `assess` at that time may decide anything; holding on is no decision.

        Saves who replays millions of intervals the sentences nobody reads.
        """
        checks = self._checks
        return (
            (not checks.is_over and (at >= checks.due_at() or checks.may_pass(at)))
            or (not self._step.passed and at >= self._schedule.deadline)
            or bool(self._release.probe_fault)
            or self.evidence >= self._limit
            or self._may_promote(at)
        )

    def assess(self, at: float) -> Judgement:
        """Return what the gate says at `at`; asked twice it says the same.

        Takes the counted checks that are due by then: one, however late it is asked.
        """
        self._stop_if_proven(at)
        self._promote_if_shown(at)
        self._check_if_due(at)
        self._stop_if_exhausted(at)
        self._stop_if_unreadable(at)
        looks = {name: self._look(track, at) for name, track in self._tracks.items()}
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
                    elapsed_seconds=self._schedule.elapsed(at),
                    stopped=track.metric.name == self._release.stopped_by,
                )
                for track in tracks
            ),
            evidence=self.evidence,
            limit=self._limit,
            failed_checks=self._release.failed_checks,
            failure_limit=self._failure_limit,
            checks_done=self._step.checks_done,
            dispersion=max((t.dispersion for t in self._acting()), default=1.0),
            intervals_used=max((t.used for t in tracks), default=0),
            intervals_skipped=max((t.skipped for t in tracks), default=0),
        )

    def state(self) -> dict[str, Any]:
        """Return everything the next gate or another process needs, JSON-ready."""
        return {
            "schema": SCHEMA,
            "step": asdict(self._step),
            "release": asdict(self._release),
            "metrics": {name: track.state() for name, track in self._tracks.items()},
        }

    # --- deciding ---

    def _acting(self) -> list[Track]:
        return [track for track in self._tracks.values() if track.acting]

    def _look(self, track: Track, at: float) -> CheckResult:
        return look(track, self._params, oldest=self._oldest(track, at))

    def _oldest(self, track: Track, at: float) -> float:
        """Return the oldest time a single value may have: the window, never before the release."""
        started = self._context.release_started_at
        return max(at - track.metric.window_seconds, started) - CLOCK_SKEW_SECONDS

    def _stop_if_proven(self, at: float) -> None:
        release = self._release
        if release.stopped:
            return
        if release.probe_fault:
            release.stopped = f"{self._schedule.since(at)}: {release.probe_fault}"
            return
        evidence = self.evidence
        if evidence >= self._limit:
            worst = max(self._acting(), key=lambda t: t.weight * (t.evidence or 0.0))
            release.stopped_by = worst.metric.name
            sentence = leading_sentence(worst, self._params)
            release.stopped = (
                f"{worst.metric.name} {self._schedule.since(at)}: {sentence}, "
                f"{odds(evidence, self._limit)}, {_how_sure(worst)}"
            )

    def _stop_if_exhausted(self, at: float) -> None:
        release = self._release
        # Argo's rules limit each metric by itself.
        is_argo = self._params.semantics is Semantics.ARGO
        is_exhausted = release.failed_checks >= self._failure_limit and not is_argo
        if not release.stopped and is_exhausted:
            release.stopped = f"{self._schedule.since(at)}: {self._checks.failed_text()}"

    def _stop_if_unreadable(self, at: float) -> None:
        why = "" if self._step.passed else unreadable(self._params, self._acting())
        if why and self._params.policies.on_error is OnError.ASK:
            self._ask()
        elif why and not self._release.unmeasurable:
            self._release.unmeasurable = f"{self._schedule.since(at)}: {why}"

    def _ask(self) -> None:
        """Leave the end to a person, for as long as one may take."""
        if not self._step.asked:
            self._step.asked = True
            self._schedule.wait(ASK_SECONDS)

    def _promote_if_shown(self, at: float) -> None:
        """Pass before the hold is over: nothing speaks against the canary, all for it."""
        if not self._may_promote(at):
            return
        results = [self._look(track, at) for track in self._acting()]
        if all(r.verdict is Verdict.PASS for r in results):
            self._checks.pass_step(at, "; ".join(r.text for r in results))
            if self._step.passed:
                proof = as_odds(promotion_evidence(self._acting()))
                shown = odds(proof, 1.0 / self._params.promotion.beta)
                self._step.passed += f"; surely no worse than stable, {shown}"

    def _may_promote(self, at: float) -> bool:
        """Say whether the numbers allow it; whether the checks do is for `_look` to say."""
        promotion, acting = self._params.promotion, self._acting()
        if promotion.when is not Promote.ON_EVIDENCE or self._params.mode is Mode.OBSERVE:
            return False
        if self._checks.is_over:
            return False
        if not acting or any(t.promotion is None or not t.asked for t in acting):
            return False
        least = min(promotion.min_duration_seconds, self._context.hold_seconds)
        sample = self._params.min_requests
        return (
            self._schedule.elapsed(at) >= least
            and all(min(t.step_canary.requests, t.step_stable.requests) >= sample for t in acting)
            and promotion_evidence(acting) >= -math.log(promotion.beta)
            and self.evidence <= 1.0
        )

    def _check_if_due(self, at: float) -> None:
        checks, is_due = self._checks, at >= self._checks.due_at()
        if checks.is_over or not (is_due or checks.may_pass(at)):
            return
        results = {
            t.metric.name: self._look(t, at) if t.asked or not is_due else unanswered(t)
            for t in self._acting()
        }
        if is_due and not self._is_left_open(at, results) and checks.take(at, results):
            for track in self._tracks.values():
                track.asked = False
        if checks.may_pass(at):
            checks.pass_if_good(at, results)

    def _is_left_open(self, at: float, results: Mapping[str, CheckResult]) -> bool:
        """Say whether a check that would pass the step must not yet, and do what is wanted."""
        is_good = all(result.verdict is Verdict.PASS for result in results.values())
        why = ""
        if is_good and self._params.semantics is Semantics.NATIVE:
            why = left_open(
                self._params, self._acting(), weight=self._context.weight,
                evidence=self.evidence, at=at, schedule=self._schedule,
            )  # fmt: skip
        self._step.undecided = why
        if why and self._params.policies.on_inconclusive is OnInconclusive.ASK:
            self._ask()
        elif why and self._params.policies.on_inconclusive is OnInconclusive.ROLLBACK:
            self._release.stopped = f"{self._schedule.since(at)}: {why}"
        return bool(why)

    # --- saying it ---

    def _say(self, at: float, looks: Mapping[str, CheckResult]) -> tuple[Verdict, bool, str]:
        if self._params.mode is Mode.OBSERVE:
            return self._say_observed(at, looks)
        if self._release.stopped:
            return Verdict.FAIL, True, f"FAIL {self._release.stopped}"
        if self._release.unmeasurable:
            return Verdict.ERROR, True, f"ERROR {self._release.unmeasurable}"
        evidence = odds(self.evidence, self._limit)
        if self._step.passed:
            reason = f"PASS {self._schedule.since(at)}: {self._step.passed}; {evidence}"
            return Verdict.PASS, True, reason
        verdict = self._missing(looks)
        if at < self._schedule.deadline:
            return verdict, False, f"{verdict.name} {self._holding(at, looks)}; {evidence}"
        if self._step.measured_bad:
            verdict = Verdict.FAIL
        given = duration(self._context.deadline_seconds)
        points = self._open_points(looks)
        if self._step.undecided:
            points = self._step.undecided
        elif all(looks[t.metric.name].verdict is Verdict.PASS for t in self._acting()):
            points = f"what passes now came too late to count: {points}"
        reason = f"{verdict.name} no check passed within {given}: {points}"
        return verdict, True, f"{reason}; {evidence}"

    def _say_observed(
        self, at: float, looks: Mapping[str, CheckResult]
    ) -> tuple[Verdict, bool, str]:
        tail = odds(self.evidence, self._limit)
        if self._release.stopped:
            tail += f"; would have stopped: FAIL {self._release.stopped}"
        if at >= self._schedule.slot(1):
            shown = self._step.passed or self._open_points(looks)
            reason = f"PASS {self._schedule.since(at)}, observed only: {shown}; {tail}"
            return Verdict.PASS, True, reason
        verdict = self._missing(looks)
        return verdict, False, f"{verdict.name} {self._holding(at, looks)}, observed only; {tail}"

    def _missing(self, looks: Mapping[str, CheckResult]) -> Verdict:
        """Return what keeps the step from passing: the worst answer, never FAIL or PASS."""
        found = [looks[t.metric.name].verdict for t in self._acting()]
        open_ones = [v for v in found if v in (Verdict.NO_DATA, Verdict.ERROR)]
        return max(open_ones, default=Verdict.INCONCLUSIVE)

    def _holding(self, at: float, looks: Mapping[str, CheckResult]) -> str:
        wait = self._checks.due_at() - at
        what = "next check in" if self._step.checks_done else "first check in"
        due = f"{what} {duration(wait)}" if wait > 0 else "the check is due"
        parts = [f"{self._schedule.since(at)}: {due}"]
        if self._release.failed_checks:
            parts.append(self._checks.failed_text())
        if self._step.undecided:
            parts.append(self._step.undecided)
        elif any(track.promotion is not None for track in self._acting()):
            limit = 1.0 / self._params.promotion.beta
            proof = as_odds(promotion_evidence(self._acting()))
            parts.append(f"no worse than stable: {odds(proof, limit)}")
        if self._step.asked:
            parts.append(ASKING)
        parts.append(self._open_points(looks, only_open=True))
        elapsed = self._schedule.elapsed(at)
        parts.append(outlook(self._acting(), self._params, elapsed_seconds=elapsed))
        return "; ".join(part for part in parts if part)

    def _open_points(self, looks: Mapping[str, CheckResult], *, only_open: bool = False) -> str:
        shown = [looks[t.metric.name] for t in self._acting()]
        still = [r.text for r in shown if r.verdict is not Verdict.PASS]
        if self._step.measured_bad and not only_open and self._step.measured_bad not in still:
            still.append(f"measured bad: {self._step.measured_bad}")
        if still or only_open:
            return "; ".join(still)
        return "; ".join(r.text for r in shown) or "nothing is judged at this step"

    # --- state ---

    def _restore(self, state: dict[str, Any]) -> None:
        check_schema(state)
        try:
            self._release = ReleaseStanding(**state["release"])
            saved = StepStanding(**state["step"])
            for name, track in self._tracks.items():
                if name in state["metrics"]:
                    track.restore(state["metrics"][name])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise StateMismatch(f"the saved state of the judge is damaged: {error!r}") from error
        if saved.id == self._step.id:
            self._step = saved
            if saved.asked:
                self._schedule.wait(ASK_SECONDS)
            return
        for track in self._tracks.values():
            track.start_step()


def _how_sure(track: Track) -> str:
    used = plural(track.used, "interval")
    return f"{said_dispersion(track)}, {used} used, {track.skipped} skipped"

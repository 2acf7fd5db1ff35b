"""How a gate stands: its step, its schedule, and what the whole release has on its record."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_rollout.analysis.parameters import JudgeParams, Semantics
from airflow_rollout.analysis.readings import Probe
from airflow_rollout.analysis.sentences import duration

__all__ = ["ReleaseStanding", "Schedule", "StepContext", "StepStanding"]

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
class StepStanding:
    """What belongs to this step alone.

    `next_check` is the number of the check slot that is due next, from 1; `passed` is what a
    passing check saw, `measured_bad` what the last failing one measured. `next_at` is when Argo's
    rules measure next, `measured` which metrics they have measured at this weight. `undecided` says
    why a step that keeps its limits does not pass, `asked` that a person is to decide.
    """

    id: str
    next_check: int = 1
    checks_done: int = 0
    passed: str = ""
    measured_bad: str = ""
    next_at: float | None = None
    measured: list[str] = field(default_factory=list)
    undecided: str = ""
    asked: bool = False


@dataclass(slots=True)
class ReleaseStanding:
    """What belongs to the whole release; `stopped` is latched, in words.

    `unmeasurable` is latched too: the limit of errors in a row was exceeded. `argo` holds each
    metric's counters in the order of `ArgoCounters`.
    """

    failed_checks: int = 0
    last_failed: str = ""
    stopped: str = ""
    stopped_by: str = ""
    unmeasurable: str = ""
    argo: dict[str, list[int]] = field(default_factory=dict)
    probe_at: float | None = None
    probes_failed: int = 0
    probe_fault: str = ""

    def take_probe(self, probe: Probe) -> None:
        """Count a failed probe; one that is not newer than the last is ignored."""
        if self.probe_at is not None and probe.at <= self.probe_at:
            return
        self.probe_at = probe.at
        if probe.ok:
            self.probes_failed = 0
            return
        self.probes_failed += 1
        detail = probe.detail or "no answer"
        if self.probe_fault:
            return
        if probe.fatal:
            self.probe_fault = f"the canary cannot serve: {detail}"
        elif self.probes_failed >= _PROBES_IN_A_ROW:
            self.probe_fault = (
                f"the canary failed {self.probes_failed} health probes in a row, the last: {detail}"
            )


class Schedule:
    """When checks are due and when the gate gives up, in the caller's time."""

    __slots__ = ("_first", "_interval", "_written_at", "deadline", "hold_ends")

    def __init__(self, params: JudgeParams, step: StepContext) -> None:
        self._interval = params.interval_seconds
        self._written_at = step.written_at
        # Flagger checks one interval after the write, native rules once the hold is over; when Argo
        # measures depends on how the last measurement ended.
        is_flagger = params.semantics is Semantics.FLAGGER
        self._first = params.interval_seconds if is_flagger else step.hold_seconds
        self.hold_ends = step.written_at + step.hold_seconds
        self.deadline = step.written_at + step.deadline_seconds

    @property
    def interval(self) -> float:
        """Return the seconds between two checks."""
        return self._interval

    @property
    def written_at(self) -> float:
        """Return when the step's weight was written."""
        return self._written_at

    def wait(self, seconds: float) -> None:
        """Give up that much later."""
        self.deadline += seconds

    def slot(self, k: int) -> float:
        """Return when check k is due, k from 1."""
        return self._written_at + (self._first + (k - 1) * self._interval)

    def following(self, k: int, at: float) -> int:
        """Return the first slot after both slot k and `at`: a late check counts once."""
        k += 1
        while self.slot(k) <= at:
            k += 1
        return k

    def elapsed(self, at: float) -> float:
        """Return the seconds since the step's write."""
        return at - self._written_at

    def since(self, at: float) -> str:
        """Say how long ago the step's weight was written: `after 45 s`."""
        return f"after {duration(self.elapsed(at))}"

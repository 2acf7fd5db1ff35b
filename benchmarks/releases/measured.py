"""What one release cost, read off its record and the answers the clients saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.demo.answers import Answer, Exposure, exposure
from airflow_rollout.record import GatePiece, ReleaseRecord, stopping_verdict
from airflow_rollout.release import Outcome
from benchmarks.releases.cases import Case

__all__ = ["SLOW_MS", "Measured", "Played", "StepTime", "is_as_expected", "measure", "step_times"]

# The file's own limit on the 99th percentile: a slower answer is a bad one to a user.
SLOW_MS = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One release as it was played; `since` is the clients' time at which it was started.

    :param run: None when the release could not be started.
    :param trouble: why it did not end by itself, empty when it did.
    :param logs: task id -> the end of its log, for a release that ended as it should not.
    """

    case: Case
    version: str
    since: float
    run: DagRun | None = None
    record: ReleaseRecord | None = None
    trouble: str = ""
    logs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds of one step of a promoted release beyond its hold.

    `verdict_seconds` from the end of the hold to the PASS, `move_seconds` from there to the next
    write: the next step's weight, at the last step the new version as the stable one.
    """

    step_id: str
    verdict_seconds: float
    move_seconds: float

    @property
    def beyond_seconds(self) -> float:
        """Return all of it."""
        return self.verdict_seconds + self.move_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The figures of one release; seconds are None where the release did not get that far."""

    case: str
    version: str
    run_id: str
    run_state: str
    outcome: str
    is_as_expected: bool
    verdict: str
    requests: int
    canary_requests: int
    failed_requests: int
    slow_requests: int
    canary_requests_after_end: int
    exposure_seconds: float | None = None
    detection_seconds: float | None = None
    write_to_verdict_seconds: float | None = None
    verdict_to_written_seconds: float | None = None
    verdict_to_seen_seconds: float | None = None
    verdict_to_safe_seconds: float | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    beyond_holds_seconds: float | None = None
    steps: tuple[StepTime, ...] = ()
    logs: dict[str, str] = field(default_factory=dict)

    def to_builtins(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


def measure(played: Played, answers: Iterable[Answer], *, until: float) -> Measured:
    """Return the figures of a release from the answers to requests sent until the next one."""
    window = [answer for answer in answers if played.since <= answer.sent <= until]
    seen = exposure(window, canary=played.version, slow_ms=SLOW_MS)
    run, record = played.run, played.record
    ended = run.end_date.timestamp() if run and run.end_date else None
    outcome = str(record.outcome) if record and record.outcome else "none"
    stopped_by = stopping_verdict(record.gates) if record else None
    promoted = outcome == Outcome.PROMOTED
    late = 0
    if ended is not None and not promoted:
        late = sum(it.version == played.version for it in window if it.sent > ended)
    return Measured(
        case=played.case.name,
        version=played.version,
        run_id=run.run_id if run else "",
        run_state=run.state if run else "",
        outcome=outcome,
        is_as_expected=is_as_expected(played),
        verdict=played.trouble or (record.reason if record else "no record"),
        requests=seen.requests,
        canary_requests=seen.canary_requests,
        failed_requests=seen.failed_requests,
        slow_requests=seen.slow_requests,
        canary_requests_after_end=late,
        logs=played.logs,
        **(_stop_times(stopped_by, seen) if stopped_by else {}),
        **(_good_times(run, record) if promoted and run and record else {}),
    )


def is_as_expected(played: Played) -> bool:
    """Tell whether a release ended by itself, with the outcome and the colour of its kind."""
    outcome = played.record.outcome if played.record else None
    state = "success" if played.case.outcome is Outcome.PROMOTED else "failed"
    return (
        not played.trouble
        and outcome is played.case.outcome
        and played.run is not None
        and played.run.state == state
    )


def _stop_times(gate: GatePiece, seen: Exposure) -> dict[str, Any]:
    """Return the seconds of a release that a gate stopped.

    A release that was stopped before any request was bad has an exposure of 0 s.
    """
    stop = gate.stop
    decided = stop.decided_at if stop else gate.judgement.at
    written = stop.written_at if stop else None
    looked = stop.seen_at if stop else None
    first_bad, last = seen.first_bad, seen.last_canary
    return {
        "exposure_seconds": seen.exposure_seconds or 0.0,
        "detection_seconds": None if first_bad is None else max(0.0, decided - first_bad),
        "write_to_verdict_seconds": decided - gate.written_at,
        "verdict_to_written_seconds": None if written is None else written - decided,
        "verdict_to_seen_seconds": None if looked is None else looked - decided,
        "verdict_to_safe_seconds": None if last is None else max(0.0, last - decided),
    }


def _good_times(run: DagRun, record: ReleaseRecord) -> dict[str, Any]:
    """Return the seconds of a promoted release that are not the holds its file asks for."""
    steps = step_times(record)
    began = run.queued_at or run.start_date
    if not steps or began is None or run.end_date is None or record.ended_at is None:
        return {"steps": steps}
    whole = run.end_date.timestamp() - began.timestamp()
    return {
        "steps": steps,
        "start_seconds": record.gates[0].written_at - began.timestamp(),
        "end_seconds": run.end_date.timestamp() - record.ended_at,
        "beyond_holds_seconds": whole - sum(gate.hold_seconds for gate in record.gates),
    }


def step_times(record: ReleaseRecord) -> tuple[StepTime, ...]:
    """Return what each step of a promoted release took beyond its hold."""
    if record.ended_at is None:
        return ()
    writes = [gate.written_at for gate in record.gates[1:]] + [record.ended_at]
    times = []
    for gate, following in zip(record.gates, writes, strict=True):
        passed = gate.judgement.at
        held = gate.written_at + gate.hold_seconds
        times.append(
            StepTime(
                step_id=gate.step_id,
                verdict_seconds=passed - held,
                move_seconds=following - passed,
            )
        )
    return tuple(times)

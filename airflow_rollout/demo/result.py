"""What came of the releases: one result each, the report's JSON, and whether all went well."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.demo.answers import Answer, Exposure, exposure
from airflow_rollout.demo.example import DemoVersion, FileRules
from airflow_rollout.demo.processes import LabError
from airflow_rollout.record import ReleaseRecord, stopping_verdict
from airflow_rollout.release import Outcome

__all__ = ["ReleaseResult", "Report", "result_of", "unreleased", "write_report"]

# A run's colour belongs to its outcome: what was not promoted must be red in Airflow.
_RUN_STATES = {Outcome.PROMOTED: "success", Outcome.ROLLED_BACK: "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResult:
    """How one release ended and what its users bore.

    `outcome` is None when it did not end or never began; `verdict` is the sentence with the
    reason. `exposure_seconds` is the time from the first bad request to the last one that reached
    the canary, None when no request was bad or the canary was promoted.
    `verdict_to_safe_seconds` is the time from the verdict to the last request that reached the
    canary, 0 when none did after it.
    """

    version: str
    fault: str
    expected: Outcome
    outcome: Outcome | None
    verdict: str
    run_id: str = ""
    run_state: str = ""
    url: str = ""
    took_seconds: float | None = None
    exposure_seconds: float | None = None
    verdict_to_safe_seconds: float | None = None
    requests: int = 0
    canary_requests: int = 0
    failed_requests: int = 0
    slow_requests: int = 0
    interval_alone_seconds: float | None = None

    @property
    def problem(self) -> str:
        """Return what is not as it should be, empty if nothing is."""
        if self.outcome is None:
            return f"{self.version} did not end: {self.verdict}"
        if self.outcome is not self.expected:
            return (
                f"{self.version} was {_words(self.outcome)} and should have been "
                f"{_words(self.expected)}: {self.verdict}"
            )
        if self.run_state != _RUN_STATES[self.expected]:
            return f"{self.version} was {_words(self.outcome)}, but its run is {self.run_state}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything the demo can say about itself.

    :param first: the release of the first version, which is set-up, None while it has not ended.
    :param problem: what ended the demo early, empty if nothing did.
    """

    releases: Sequence[ReleaseResult]
    first: ReleaseResult | None = None
    rate: float = 100.0
    seed: int = 0
    ready_seconds: float | None = None
    total_seconds: float | None = None
    problem: str = ""

    @property
    def problems(self) -> list[str]:
        """Return every reason why this demo did not go as it should."""
        found = [self.problem] if self.problem else []
        ended = [self.first] if self.first else []
        return found + [it.problem for it in (*ended, *self.releases) if it.problem]

    @property
    def exit_code(self) -> int:
        """Return 0 if every version ended as it should."""
        return 1 if self.problems else 0

    def to_builtins(self) -> dict[str, Any]:
        """Return the report's JSON; the releases come first."""
        return {
            "releases": [asdict(release) for release in self.releases],
            "first_release": asdict(self.first) if self.first else None,
            "as_expected": not self.problems,
            "problems": self.problems,
            "requests_per_second": self.rate,
            "seed": self.seed,
            "ready_seconds": self.ready_seconds,
            "total_seconds": self.total_seconds,
        }


def write_report(report: Report, path: Path) -> None:
    """Write the report as JSON; `LabError` when the file cannot be written."""
    try:
        path.write_text(json.dumps(report.to_builtins(), indent=2) + "\n")
    except OSError as error:
        raise LabError(f"the report cannot be written: {error}") from error


def unreleased(version: DemoVersion, reason: str) -> ReleaseResult:
    """Return the result of a version that has not been released, or not to an end."""
    return ReleaseResult(
        version=version.name,
        fault=version.fault,
        expected=version.expected,
        outcome=None,
        verdict=reason,
    )


def result_of(
    version: DemoVersion,
    run: DagRun,
    record: ReleaseRecord | None,
    answers: Iterable[Answer],
    *,
    since: float,
    url: str,
    rules: FileRules,
) -> ReleaseResult:
    """Sum up a release that has ended, from its run, its record and its users' answers.

    :param since: when it was started, in epoch seconds.
    :param url: the page of its record.
    """
    seen = exposure(answers, canary=version.name, since=since, slow_ms=rules.slow_ms)
    result = replace(
        unreleased(version, "its run left no record: nothing was released"),
        run_id=run.run_id,
        run_state=run.state,
        url=url,
        took_seconds=_rounded(run.end_date.timestamp() - since if run.end_date else None),
        requests=seen.requests,
        canary_requests=seen.canary_requests,
        failed_requests=seen.failed_requests,
        slow_requests=seen.slow_requests,
    )
    if record is None:
        return result
    result = replace(result, outcome=record.outcome, verdict=record.reason)
    if record.outcome is Outcome.PROMOTED:
        return result
    return replace(
        result,
        exposure_seconds=_rounded(seen.exposure_seconds),
        verdict_to_safe_seconds=_rounded(_after_verdict(record, seen)),
        interval_alone_seconds=rules.interval_alone_seconds,
    )


def _after_verdict(record: ReleaseRecord, seen: Exposure) -> float | None:
    stopped = stopping_verdict(record.gates)
    if stopped is None:
        return None
    return max(0.0, (seen.last_canary or 0.0) - stopped.judgement.at)


def _rounded(seconds: float | None) -> float | None:
    # The load generator's clock and the gate's are one; below a millisecond is scheduling.
    return None if seconds is None else round(seconds, 3)


def _words(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")

"""Values of a release as the demo meets them."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import Line
from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.example import ROLLOUT, VERSIONS, DemoVersion, FileRules, Story
from airflow_rollout.demo.live_view import ReleaseNow
from airflow_rollout.demo.recent import ArmNow
from airflow_rollout.demo.result import ReleaseResult
from airflow_rollout.record import SCHEMA, GatePiece, ReleaseRecord
from airflow_rollout.release import Outcome

RULES = FileRules(failure_limit=5, interval_seconds=60.0, slow_ms=500.0)
STORY = Story(rollout=ROLLOUT, versions=VERSIONS, rules=RULES)
REASON = "FAIL request-success-rate after 4.2 s: canary 5.10 % (12/235), evidence 340:1"


def demo_version(name: str) -> DemoVersion:
    return next(version for version in VERSIONS if version.name == name)


def answer(
    sent: float, status: int = 200, *, version: str = "v1", latency_ms: float = 4.0
) -> Answer:
    return Answer(
        sent=sent,
        done=sent + latency_ms / 1000,
        status=status,
        version=version,
        latency_ms=latency_ms,
    )


def judgement(
    verdict: Verdict = Verdict.FAIL, *, at: float = 105.0, evidence: float = 340.0,
    reason: str = REASON, ends: bool = True,
) -> Judgement:  # fmt: skip
    return Judgement(at=at, verdict=verdict, ends=ends, reason=reason, evidence=evidence)


def gate(found: Judgement, *, step_id: str = "step_01", weight: int = 10) -> GatePiece:
    return GatePiece(
        epoch="e", step_id=step_id, weight=weight, written_at=100.0, hold_seconds=60.0,
        judgement=found,
    )  # fmt: skip


def record(
    outcome: Outcome | None, *gates: GatePiece, version: str = "v2", reason: str = REASON
) -> ReleaseRecord:
    return ReleaseRecord(
        schema=SCHEMA, dag_id="payment-service", run_id=f"release-{version}", version=version,
        target="http://127.0.0.1:1", stable="v1", outcome=outcome, reason=reason, weight=0,
        started_at=95.0, ended_at=107.0, gates=list(gates),
    )  # fmt: skip


def dag_run(state: str, *, version: str = "v2", ended_at: float | None = 110.0) -> DagRun:
    return DagRun(
        dag_id="payment-service", run_id=f"release-{version}", state=state, conf={},
        queued_at=None, start_date=None, note="",
        end_date=None if ended_at is None else datetime.fromtimestamp(ended_at, UTC),
    )  # fmt: skip


def result(
    name: str, outcome: Outcome | None, *, run_state: str = "failed", **found: object
) -> ReleaseResult:
    version = demo_version(name)
    values: dict[str, object] = {
        "verdict": REASON, "run_id": f"release-{name}", "url": f"http://127.0.0.1:1/{name}",
        "took_seconds": 20.0, "requests": 1000, **found,
    }  # fmt: skip
    return ReleaseResult(
        version=name, fault=version.fault, expected=version.expected, outcome=outcome,
        run_state=run_state, **values,  # type: ignore[arg-type]
    )  # fmt: skip


def now(
    *lines: Line, found: GatePiece | None = None, seconds: float = 12.0, weight: int | None = 10
) -> ReleaseNow:
    return ReleaseNow(
        version=demo_version("v2"),
        seconds=seconds,
        weight=weight,
        stable=ArmNow(version="v1", per_second=90.0, error_share=0.0, p99_ms=4.0),
        canary=ArmNow(version="v2", per_second=10.0, failed=2, error_share=0.04, p99_ms=5.2),
        gates=(found,) if found else (),
        lines=lines,
    )


def event(text: str, *, at: float = 100.0, task: str = "step_01.promote") -> Line:
    return Line(at=at, task=task, what="event", text=text)

"""What a replay found, as JSON for programs and as a table for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from airflow_rollout.analysis.evidence import effective_dispersion
from airflow_rollout.analysis.parameters import JudgeParams
from airflow_rollout.analysis.sentences import plural
from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.cli.replay_counts import CountsFile
from airflow_rollout.cli.replay_walk import WHOLE_FILE, StepEnd, Walked

__all__ = ["Replayed", "as_json", "print_table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A judged file: who judged, what was read, what came out, what else to know."""

    params: JudgeParams
    counts: CountsFile
    walked: Walked
    notes: tuple[str, ...]

    @property
    def judgement(self) -> Judgement:
        """Return the last word."""
        return self.walked.last.judgement

    @property
    def reason(self) -> str:
        """Say what happened and why, in one line."""
        last, walked = self.walked.last, self.walked
        if walked.finished and last.judgement.verdict is Verdict.PASS and len(walked.steps) > 1:
            rest = last.judgement.reason.partition(" ")[2]
            return f"PASS all {len(walked.steps)} steps at {last.judgement.at:g} s, the last {rest}"
        if walked.finished:
            return last.judgement.reason
        until = f"the file ends at {self.judgement.at:g} s"
        if last.id == WHOLE_FILE.id:
            found = "; ".join(m.sentence.partition(": ")[2] for m in last.judgement.metrics)
            return f"{last.judgement.verdict.name} {until}: {found}"
        word, _, rest = last.judgement.reason.partition(" ")
        return f"{word} {until}, in {last.id} ({last.weight} %) {rest}"

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Return what a reader has to know beside the verdict."""
        notes = list(self.notes)
        note, ignored = self.counts.gaps.note, self.counts.ignored_columns
        if note:
            notes.append(note)
        if ignored:
            notes.append(f"columns that were not read: {', '.join(ignored)}")
        if self.counts.looks_cumulative:
            notes.append("every count rises in every row: if these are counters, say --cumulative")
        if self.params.comparison.dispersion is None:
            notes.append("nobody said how errors cluster: dispersion 4 is assumed")
        return tuple(notes)


def as_json(replayed: Replayed) -> dict[str, Any]:
    """Return what programs read; `at_seconds` is in the file's own time."""
    judgement, params = replayed.judgement, replayed.params
    return {
        "verdict": judgement.verdict.name,
        "at_seconds": judgement.at,
        # Of the last row read: a PASS comes before that, and may still be overtaken.
        "evidence": replayed.walked.timeline[-1].evidence,
        "limit": judgement.limit,
        "reason": replayed.reason,
        "rows": replayed.counts.rows,
        "finished": replayed.walked.finished,
        "alpha": params.alpha,
        "tolerance": params.comparison.tolerance,
        "dispersion": effective_dispersion(params.comparison),
        "intervals_used": judgement.intervals_used,
        "intervals_skipped": judgement.intervals_skipped,
        "failed_checks": judgement.failed_checks,
        "metrics": [
            {
                "name": metric.name,
                "verdict": metric.verdict.name,
                "evidence": metric.evidence,
                "sentence": metric.sentence,
            }
            for metric in judgement.metrics
        ],
        "steps": [_step_as_json(replayed, step) for step in replayed.walked.steps],
        "timeline": [asdict(moment) for moment in replayed.walked.timeline],
        "notes": list(replayed.all_notes),
    }


def _step_as_json(replayed: Replayed, step: StepEnd) -> dict[str, Any]:
    is_last = step is replayed.walked.last
    return {
        "id": step.id,
        "weight": step.weight,
        "from_seconds": step.began,
        "to_seconds": step.judgement.at,
        "verdict": step.judgement.verdict.name,
        "reason": replayed.reason if is_last else step.judgement.reason,
    }


def print_table(replayed: Replayed) -> None:
    """Print the reason, the steps, the evidence over time, and the notes."""
    console = Console(highlight=False, markup=False)
    console.print(replayed.reason, soft_wrap=True)
    ended = replayed.walked.steps[:-1]
    for step in ended:
        console.print(
            f"before that {step.id} ({step.weight} %) at {step.judgement.at:g} s: "
            f"{step.judgement.reason}",
            soft_wrap=True,
        )
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("seconds", "step", "canary bad", "stable bad", "evidence"):
        table.add_column(title, justify="left" if title == "step" else "right", no_wrap=True)
    for moment in replayed.walked.timeline:
        table.add_row(
            f"{moment.seconds:g}",
            moment.step,
            f"{moment.canary_bad}/{moment.canary_requests}",
            f"{moment.stable_bad}/{moment.stable_requests}",
            f"{moment.evidence:.3g}:1",
        )
    console.print(table)
    console.print(f"a release is stopped at {replayed.judgement.limit:g}:1; {_rows(replayed)}")
    for note in replayed.all_notes:
        console.print(f"note: {note}", soft_wrap=True)


def _rows(replayed: Replayed) -> str:
    read = plural(replayed.counts.rows, "row")
    return f"{read} read" + (", all of them" if replayed.walked.read_all else ", no further")

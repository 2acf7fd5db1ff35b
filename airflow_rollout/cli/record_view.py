"""A release's record for a terminal: the reason first, then the steps, then what happened."""

from __future__ import annotations

from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from airflow_rollout.record import Event, GatePiece, ReleaseRecord
from airflow_rollout.release import Outcome

__all__ = ["STYLES", "outcome_text", "record_view"]

STYLES = {
    Outcome.PROMOTED: "bold green",
    Outcome.ROLLED_BACK: "bold yellow",
    Outcome.ABORTED: "bold yellow",
    Outcome.FAILED_TO_ROLL_BACK: "bold red",
}


def outcome_text(outcome: Outcome | None) -> Text:
    """Return an outcome as a coloured word; the word says it all without the colour."""
    if outcome is None:
        return Text("running", style="bold blue")
    return Text(outcome.value.replace("_", " "), style=STYLES[outcome])


def record_view(record: ReleaseRecord) -> RenderableType:
    """Return the record as lines and tables."""
    head = Text.assemble(
        (_name(record), "bold"), f"  {record.run_id}\n",
        f"{record.version or 'nothing opened'} against {record.stable or 'no stable version'}, ",
        f"{record.weight} % of traffic: ", outcome_text(record.outcome),
    )  # fmt: skip
    # Text, not markup: a reason may hold square brackets of a query.
    return Group(head, Text(record.reason), Text(""), _steps(record), Text(""), _timeline(record))


def _name(record: ReleaseRecord) -> str:
    return f"{record.dag_id}.{record.group}" if record.group else record.dag_id


def _steps(record: ReleaseRecord) -> RenderableType:
    if not record.gates:
        return Text("no step was judged")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "weight", "verdict", "evidence"):
        table.add_column(name, no_wrap=True, justify="right" if name == "weight" else "left")
    table.add_column("numbers", ratio=1)
    for gate in record.gates:
        table.add_row(
            gate.step_id,
            f"{gate.weight} %",
            gate.judgement.verdict.name,
            f"{gate.judgement.evidence:.3g} of {gate.judgement.limit:.0f}",
            _numbers(gate),
        )
    return table


def _numbers(gate: GatePiece) -> Text:
    lines = [metric.sentence for metric in gate.judgement.metrics]
    stop = gate.stop
    if stop is not None and stop.written_at is not None:
        lines.append(f"traffic back {stop.written_at - stop.decided_at:.2f} s after the verdict")
    return Text("\n".join(lines))


def _timeline(record: ReleaseRecord) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("time", no_wrap=True)
    table.add_column("task", no_wrap=True)
    table.add_column("what happened", ratio=1)
    for event in record.timeline:
        table.add_row(_clock(event), Text(event.task), Text(event.text))
    return table


def _clock(event: Event) -> str:
    return f"{datetime.fromtimestamp(event.at).astimezone():%H:%M:%S}"

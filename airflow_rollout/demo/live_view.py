"""One release while it runs, as a picture that fits a small terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.cli.watch import Line
from airflow_rollout.demo.example import DemoVersion
from airflow_rollout.demo.recent import ArmNow
from airflow_rollout.record import GatePiece

__all__ = ["ReleaseNow", "arm_words", "evidence_words", "live_view", "timeline_line"]

_BAR_WIDTH = 30
_VERDICT_LINES = 4
_TIMELINE_LINES = 6
_LABEL_WIDTH = 10

_VERDICT_STYLES = {
    Verdict.PASS: "bold green",
    Verdict.INCONCLUSIVE: "bold blue",
    Verdict.NO_DATA: "bold yellow",
    Verdict.ERROR: "bold yellow",
    Verdict.FAIL: "bold red",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseNow:
    """What is known of a release at one moment.

    :param weight: percent the router works with, None while it knows no split.
    :param stable: the stable arm in the last seconds, None while the service has none.
    :param canary: the canary in the last seconds.
    :param gates: what each gate said last, in the order of their steps.
    :param lines: everything that was said, oldest first.
    """

    version: DemoVersion
    seconds: float
    weight: int | None
    stable: ArmNow | None
    canary: ArmNow
    gates: tuple[GatePiece, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def gate(self) -> GatePiece | None:
        """Return what the last gate said last, None before the first one spoke."""
        return self.gates[-1] if self.gates else None

    @property
    def timeline(self) -> list[Line]:
        """Return what happened; what gates think meanwhile stands elsewhere.

        A gate's last word is said once: as its verdict, or as an event, whichever came first.
        """
        ends = {gate.judgement.reason for gate in self.gates if gate.judgement.ends}
        return [line for line in self.lines if line.what != "verdict" or line.text in ends]


def live_view(now: ReleaseNow) -> RenderableType:
    """Return the picture; its height never changes, so that nothing jumps."""
    return Panel(
        Group(
            _bars(now),
            _arms(now),
            Text(""),
            _Lines(_verdict(now), _VERDICT_LINES),
            _Lines(_timeline(now.timeline[-_TIMELINE_LINES:]), _TIMELINE_LINES),
        ),
        title=now.version.title,
        title_align="left",
        subtitle=f"{now.seconds:.0f} s",
        subtitle_align="right",
        padding=(0, 1),
    )


def arm_words(arm: ArmNow) -> tuple[str, str, str]:
    """Return requests a second, share of errors and P99 in words."""
    if arm.error_share is None or arm.p99_ms is None:
        return "0 /s", "-", "-"
    return (
        f"{arm.per_second:.0f} /s",
        f"{100 * arm.error_share:.1f} %",
        f"{arm.p99_ms:.0f} ms",
    )


def evidence_words(judgement: Judgement) -> str:
    """Return the evidence beside its limit, as odds."""
    odds = judgement.evidence
    shown = f"{odds:.2g}" if odds < 10 else f"{odds:.0f}" if odds < 1e6 else f"{odds:.1e}"
    return f"{shown}:1, stops at {judgement.limit:.0f}:1"


def timeline_line(line: Line) -> str:
    """Return one line of the timeline: when, who, what."""
    clock = time.strftime("%H:%M:%S", time.localtime(line.at))
    return "  ".join(filter(None, (clock, line.task, line.text)))


def _bars(now: ReleaseNow) -> Table:
    table = _grid()
    weight = now.weight or 0
    step = f"  {now.gate.step_id}" if now.gate is not None else ""
    table.add_row("weight", _Bar(weight / 100, "cyan"), f"{weight} %{step}")
    if now.gate is None:
        table.add_row("evidence", _Bar(0.0), "-")
    else:
        judgement = now.gate.judgement
        table.add_row(
            "evidence", _Bar(_share_of_limit(judgement), "magenta"), evidence_words(judgement)
        )
    return table


def _arms(now: ReleaseNow) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_LABEL_WIDTH, no_wrap=True)
    table.add_column(no_wrap=True)
    for _ in range(3):
        table.add_column(justify="right", min_width=8, no_wrap=True)
    table.add_row("", "", "requests", "errors", "P99", style="dim")
    for name, arm in (("stable", now.stable), ("canary", now.canary)):
        if arm is None:
            table.add_row(name, "none")
            continue
        style = "bold red" if arm.failed else ""
        table.add_row(name, arm.version, *(Text(word, style=style) for word in arm_words(arm)))
    return table


def _verdict(now: ReleaseNow) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_LABEL_WIDTH, no_wrap=True)
    table.add_column(ratio=1)
    if now.gate is None:
        table.add_row("verdict", Text("none yet: no gate has spoken", style="dim"))
        return table
    judgement = now.gate.judgement
    name, _, rest = judgement.reason.partition(" ")
    style = _VERDICT_STYLES[judgement.verdict]
    table.add_row("verdict", Text.assemble((name, style), f" {rest}"))
    return table


def _timeline(lines: Iterable[Line]) -> Text:
    texts = [timeline_line(line) for line in lines]
    return Text("\n".join(texts), style="dim", no_wrap=True, overflow="ellipsis")


def _grid() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_LABEL_WIDTH, no_wrap=True)
    table.add_column(width=_BAR_WIDTH)
    table.add_column(no_wrap=True)
    return table


def _share_of_limit(judgement: Judgement) -> float:
    # Odds multiply from one interval to the next, so they move evenly on a logarithmic scale.
    if judgement.evidence <= 1 or judgement.limit <= 1:
        return 0.0
    return min(1.0, math.log(judgement.evidence) / math.log(judgement.limit))


class _Lines:
    """Show something in exactly so many lines: cut, or filled up with empty ones."""

    def __init__(self, content: RenderableType, height: int) -> None:
        self._content = content
        self._height = height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._content, options.update(height=None), pad=False)
        lines = (lines + [[]] * self._height)[: self._height]
        for line in lines:
            yield from line
            yield Segment.line()


class _Bar:
    """Show a share from 0 to 1 as a bar that can be read without colours."""

    def __init__(self, share: float, style: str = "") -> None:
        self._share = share
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        full, empty = "#." if options.ascii_only else "\u2588\u2591"
        cells = round(self._share * _BAR_WIDTH)
        yield Text.assemble((full * cells, self._style), (empty * (_BAR_WIDTH - cells), "dim"))

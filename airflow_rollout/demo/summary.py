"""What stays on the screen: the address, a block for each release, the table at the end."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from airflow_rollout.cli.record_view import STYLES
from airflow_rollout.demo.example import Story
from airflow_rollout.demo.result import ReleaseResult, Report
from airflow_rollout.release import Outcome

__all__ = ["address_panel", "final_table", "outcome_words", "release_block", "table_rows"]


def address_panel(
    title: str, url: str, user: str, password: str, where: tuple[str, str]
) -> RenderableType:
    """Return where to look and how to log in.

    :param where: what the releases move traffic with, and its address.
    """
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in (("Airflow UI", url), ("user", user), ("password", password)):
        table.add_row(name, Text(value, style="bold"))
    table.add_row("", "log in first: every release's page is part of it")
    table.add_row(where[0], Text(where[1]))
    return Panel(table, title=title, title_align="left", expand=False)


def outcome_words(result: ReleaseResult) -> Text:
    """Return the outcome as a coloured word that says it all without its colour."""
    if result.outcome is None:
        return Text("did not end", style="bold red")
    style = STYLES[result.outcome] if not result.problem else "bold red"
    return Text(result.outcome.value.replace("_", " "), style=style)


def release_block(result: ReleaseResult) -> RenderableType:
    """Return what a release leaves on the screen."""
    what = f"  ({result.fault})" if result.expected is Outcome.ROLLED_BACK else ""
    head = Text.assemble(
        (f"{result.version} ", "bold"), outcome_words(result),
        f" after {_time(result.took_seconds)}{what}",
    )  # fmt: skip
    lines: list[RenderableType] = [head, _Indented(result.verdict)]
    costs = _costs(result)
    if costs:
        lines.append(_Indented(costs))
    # An address that is broken into two lines can be neither clicked nor copied.
    lines.append(Text(f"  {result.url}", no_wrap=True, overflow="ignore", style="blue"))
    if result.problem:
        lines.append(_Indented(f"NOT AS IT SHOULD BE: {result.problem}", "bold red"))
    return Group(*lines, Text(""))


def final_table(report: Report, story: Story) -> RenderableType:
    """Return what each release cost, beside what its file costs by interval x threshold alone."""
    has_other_reading = story.rules.has_other_reading
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False,
    )  # fmt: skip
    table.add_column("", no_wrap=True)
    table.add_column("what was wrong", max_width=19)
    table.add_column("outcome", max_width=12)
    for name in (
        "first bad request to safe",
        "verdict to safe",
        "failed requests",
        *(("interval x threshold alone (computed)",) if has_other_reading else ()),
    ):
        table.add_column(name, justify="right", max_width=10)
    for result, row in zip(report.releases, table_rows(report.releases), strict=True):
        name, fault, _, *numbers, alone = row
        shown = [*numbers, alone] if has_other_reading else numbers
        table.add_row(name, fault, _outcome_cell(result), *shown)
    return Group(table, Text(""), Text(_note(story), style="dim"))


def table_rows(releases: Sequence[ReleaseResult]) -> list[tuple[str, ...]]:
    """Return the table's cells as words."""
    return [
        (
            result.version,
            result.fault,
            _outcome_cell(result).plain,
            _time(result.exposure_seconds),
            _time(result.verdict_to_safe_seconds),
            _failed(result),
            _alone(result),
        )
        for result in releases
    ]


def _outcome_cell(result: ReleaseResult) -> Text:
    if result.outcome is not Outcome.PROMOTED:
        return outcome_words(result)
    return outcome_words(result).append(f" in {_time(result.took_seconds)}", style="not bold")


def _note(story: Story) -> str:
    safe = "safe: no request reaches the canary any more."
    if not story.rules.has_other_reading:
        return safe
    return (
        f"{safe} Computed: what a bad version costs when {story.rollout}.yaml is read by interval "
        f"x threshold alone, {story.rules.computation}."
    )


def _costs(result: ReleaseResult) -> str:
    parts = []
    if result.exposure_seconds is not None:
        parts.append(f"first bad request to safe {_time(result.exposure_seconds)}")
    if result.verdict_to_safe_seconds is not None:
        parts.append(f"verdict to safe {_time(result.verdict_to_safe_seconds)}")
    if result.requests:
        parts.append(f"{result.failed_requests} of {result.requests} requests failed")
    return "; ".join(parts)


def _failed(result: ReleaseResult) -> str:
    if result.outcome is None:
        return "-"
    if result.slow_requests and result.outcome is not Outcome.PROMOTED:
        return f"{result.failed_requests}, {result.slow_requests} slow"
    return str(result.failed_requests)


def _alone(result: ReleaseResult) -> str:
    seconds = result.interval_alone_seconds
    return "-" if seconds is None else f"{seconds:g} s"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    # A time below a twentieth of a second would read as none at all.
    return f"{seconds:.2f} s" if 0 < seconds < 0.1 else f"{seconds:.1f} s"


class _Indented:
    """Indent every line of a text that is wrapped, and leave no blanks behind it."""

    def __init__(self, text: str, style: str = "") -> None:
        self._text = Text(text, style=style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._text.wrap(console, options.max_width - 2):
            line.rstrip()
            yield Text.assemble("  ", line)

"""Figures and what was wanted of them, as a table for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.stats import summarize

__all__ = ["Figure", "Of", "PartReport", "Wanted", "shown"]


class Of(StrEnum):
    """Which number of a figure has to keep what was wanted."""

    MEDIAN = "median"
    P95 = "p95"
    HIGHEST = "highest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An upper limit on one number of a figure."""

    at_most: float
    of: Of = Of.MEDIAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured, with every value.

    :param group: the first column: what belongs together.
    :param expected: how many values there should be; one that is missing is a fault, not luck.
    :param computed: the values were computed from a file, not measured.
    """

    group: str
    name: str
    unit: str
    values: tuple[float, ...]
    wanted: Wanted | None = None
    expected: int | None = None
    computed: bool = False

    @property
    def is_complete(self) -> bool:
        """Tell whether every expected value is there."""
        return self.expected is None or len(self.values) == self.expected

    @property
    def met(self) -> bool | None:
        """Tell whether what was wanted is kept; None when nothing was. Missing values keep not."""
        if self.wanted is None:
            return None
        summary = summarize(self.values)
        if summary is None or not self.is_complete:
            return False
        return bool(getattr(summary, self.wanted.of) <= self.wanted.at_most)

    def to_builtins(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        summary = summarize(self.values)
        return {
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "computed": self.computed,
            "summary": asdict(summary) if summary else None,
            "wanted": asdict(self.wanted) if self.wanted else None,
            "met": self.met,
            "expected": self.expected,
            "values": list(self.values),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """What one part has found.

    :param faults: what went otherwise than it must, in sentences; none may be hidden.
    :param notes: what a reader must know to read the figures.
    :param details: further JSON-ready values.
    :param interrupted: somebody ended it before everything was measured.
    """

    part: str
    title: str
    figures: tuple[Figure, ...]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False

    def to_builtins(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "title": self.title,
            "figures": [figure.to_builtins() for figure in self.figures],
            "faults": list(self.faults),
            "notes": list(self.notes),
            **self.details,
        }

    def show(self, console: Console) -> None:
        """Print table, notes and faults."""
        console.print()
        if self.figures:
            console.print(_table(self.title, self.figures))
        for note in self.notes:
            console.print(Text(note, style="dim"))
        for fault in self.faults:
            console.print(Text(f"FAULT: {fault}", style="bold red"))


def shown(value: float, unit: str) -> str:
    """Return a value as a reader wants it: three digits that matter, whole counts as they are."""
    if unit in {"requests", "modules", "releases", "tries"}:
        return f"{value:g}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _table(title: str, figures: Sequence[Figure]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("figure", overflow="fold")
    table.add_column("unit")
    for name in ("n", "median", "lowest", "highest", "p95", "wanted"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    group = ""
    for figure in figures:
        if group and figure.group != group:
            table.add_section()
        table.add_row(figure.group if figure.group != group else "", *_cells(figure))
        group = figure.group
    return table


def _cells(figure: Figure) -> list[str | Text]:
    summary = summarize(figure.values)
    count = f"{len(figure.values)}"
    if not figure.is_complete:
        count = f"{count} of {figure.expected}"
    numbers = ["-"] * 4
    if summary is not None:
        ordered = (summary.median, summary.lowest, summary.highest, summary.p95)
        numbers = [shown(number, figure.unit) for number in ordered]
    if figure.computed:
        count = "computed"
    return [figure.name, figure.unit, count, *numbers, _limit(figure), _mark(figure)]


def _limit(figure: Figure) -> str:
    if figure.wanted is None:
        return ""
    return f"{figure.wanted.of} <= {figure.wanted.at_most:g}"


def _mark(figure: Figure) -> Text:
    if figure.met is None:
        return Text("")
    return Text("kept", style="green") if figure.met else Text("missed", style="bold red")

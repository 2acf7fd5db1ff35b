"""Read counts of both arms from CSV: one row a time (and metric), streamed, checked row by row.

Columns: `seconds` (the end of the interval), `canary_requests`, `stable_requests`, and
`canary_bad`, `stable_bad` for errors or `canary_le_0.1`, `stable_le_0.1` ... for latency: how many
requests took at most 0.1 s, as in a histogram of Prometheus. A `metric` column names several
metrics in rows of their own; cells a row does not need stay empty.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import ArmCounts
from airflow_rollout.analysis.sentences import plural
from airflow_rollout.cli.replay_header import EDGE_MARK, REQUIRED, CountsError, read_header

__all__ = ["CountsFile", "Gaps", "Row", "Tick"]

# An interval that is so much longer than the first one is told to the reader.
_GAP = 3.0
# Counts of that many intervals in a row never rise by chance.
_SUSPICIOUS_ROWS = 20

# What a row asks without a `metric` column, under the names a reader is shown.
_PLAIN_NAMES = {Question.ERRORS: "errors", Question.LATENCY: "latency"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: its number, its time, the metric it names, its cells."""

    number: int
    seconds: float
    metric: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Tick:
    """What all metrics counted until one time; metric -> canary and stable."""

    number: int
    seconds: float
    counts: dict[str, tuple[ArmCounts, ArmCounts]]


@dataclass(slots=True)
class Gaps:
    """Intervals that were far longer than the first one; each is one interval all the same."""

    usual: float = 0.0
    count: int = 0
    longest: float = 0.0
    row: int = 0

    @property
    def note(self) -> str:
        """Say what was found, empty when nothing was."""
        if not self.count:
            return ""
        return (
            f"{plural(self.count, 'gap')}, the longest {self.longest:g} s before row "
            f"{self.row}: counted as one interval each"
        )

    def see(self, length: float, row: int) -> None:
        """Take in the length of one interval."""
        if not self.usual:
            self.usual = length
        if length > _GAP * self.usual:
            self.count += 1
            if length > self.longest:
                self.longest, self.row = length, row


class CountsFile:
    """A stream of counts; nothing but the row under way is kept.

    :param lines: the text, line by line.
    :param name: how messages call the file.

    The header is read at once; raises `CountsError` here and while ticks are drawn.
    """

    def __init__(self, lines: Iterable[str], *, name: str) -> None:
        self.name = name
        self.rows = 0
        self.gaps = Gaps()
        self._reader = csv.reader(lines, skipinitialspace=True)
        header = next(self._lines(), None)
        if header is None:
            raise CountsError("is empty", file=name, allowed=", ".join([*REQUIRED, "..."]))
        self._header = read_header(header, file=name)
        self._groups = self._grouped()
        self._ahead: list[list[Row]] = []
        self._rising: float = 0
        self._before = (0, 0)

    @property
    def ignored_columns(self) -> tuple[str, ...]:
        """Return the names of columns that mean nothing here."""
        return self._header.unknown

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Return the histogram's boundaries, empty without bucket columns."""
        return tuple(edge for edge, _ in self._header.edges if edge != math.inf)

    @property
    def looks_cumulative(self) -> bool:
        """Say whether requests rose in every row, as counters do and counts do not."""
        return self._rising >= _SUSPICIOUS_ROWS

    @property
    def names_metrics(self) -> bool:
        """Say whether rows name their metric."""
        return "metric" in self._header.at

    def has(self, question: Question) -> bool:
        """Say whether the columns can answer a question."""
        return self._header.has(question)

    def found_metrics(self) -> dict[str, Question]:
        """Return what the file itself asks: by its columns, or by the rows of its first time."""
        if not self.names_metrics:
            return {name: one for one, name in _PLAIN_NAMES.items() if self.has(one)}
        return {row.metric: self._question_of(row) for row in self._first()}

    def first_length(self) -> float:
        """Return the length of the first interval: that of the second one, which is known."""
        group = self._first()
        if len(self._ahead) < 2 and (following := next(self._groups, None)):
            self._ahead.append(following)
        if len(self._ahead) < 2:
            return max(0.0, group[0].seconds)
        return self._ahead[1][0].seconds - group[0].seconds

    def ticks(self, asked: Mapping[str, Question]) -> Iterator[Tick]:
        """Yield the counts of `asked` metrics, time by time."""
        last: float | None = None
        for group in self._all_groups():
            counts: dict[str, tuple[ArmCounts, ArmCounts]] = {}
            for row in group:
                self._take(row, asked, counts)
            self.rows += len(group)
            first = group[0]
            if last is not None:
                self.gaps.see(first.seconds - last, first.number)
            last = first.seconds
            self._watch_rise(next(iter(counts.values())))
            yield Tick(first.number, first.seconds, counts)

    def _watch_rise(self, counts: tuple[ArmCounts, ArmCounts]) -> None:
        canary, stable = counts[0].requests, counts[1].requests
        rose = canary > self._before[0] and stable > self._before[1]
        # Once fallen, never counters.
        self._rising = self._rising + 1 if rose else -math.inf
        self._before = (canary, stable)

    # --- rows ---

    def _lines(self) -> Iterator[list[str]]:
        """Yield rows that hold anything; what cannot be read at all is an error with its row."""
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                row = self._reader.line_num + 1
                raise CountsError("is not UTF-8 text", file=self.name, row=row) from error
            except csv.Error as error:
                row = self._reader.line_num
                raise CountsError(f"is no CSV: {error}", file=self.name, row=row) from error
            if any(cell.strip() for cell in cells):
                yield cells

    def _grouped(self) -> Iterator[list[Row]]:
        """Yield the rows of one time together; times rise."""
        group: list[Row] = []
        for cells in self._lines():
            row = self._row(cells)
            if group and row.seconds < group[0].seconds:
                raise self._error(
                    row, "seconds", f"rows must rise in time, and row {group[0].number} is later",
                    found=row.seconds, allowed=f"more than {group[0].seconds:g}",
                )  # fmt: skip
            if group and row.seconds > group[0].seconds:
                yield group
                group = []
            if any(row.metric == other.metric for other in group):
                raise self._error(
                    row, "seconds", f"the same time as row {group[0].number}", found=row.seconds,
                    allowed="one row a time and metric",
                )  # fmt: skip
            group.append(row)
        if group:
            yield group

    def _row(self, cells: list[str]) -> Row:
        header, number = self._header, self._reader.line_num
        if len(cells) > len(header.at) + len(header.unknown) and any(
            cell.strip() for cell in cells[len(header.at) + len(header.unknown) :]
        ):
            raise CountsError(
                "has more cells than the header has columns", file=self.name, row=number
            )
        place = header.at["seconds"]
        text = cells[place] if place < len(cells) else ""
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            raise CountsError(
                "is no time", file=self.name, row=number, column="seconds", found=text,
                allowed="a number of seconds",
            )  # fmt: skip
        metric = ""
        if (at := header.at.get("metric")) is not None:
            metric = cells[at].strip() if at < len(cells) else ""
            if not metric:
                raise CountsError("is empty", file=self.name, row=number, column="metric")
        return Row(number, seconds, metric, cells)

    def _first(self) -> list[Row]:
        if not self._ahead:
            group = next(self._groups, None)
            if group is None:
                raise CountsError("has a header and no rows", file=self.name)
            self._ahead.append(group)
        return self._ahead[0]

    def _all_groups(self) -> Iterator[list[Row]]:
        self._first()
        while self._ahead:
            yield self._ahead.pop(0)
        yield from self._groups

    # --- cells ---

    def _question_of(self, row: Row) -> Question:
        edges = self._header.edges
        is_latency = edges and self._cell(row, f"canary{EDGE_MARK}{edges[0][1]}").strip()
        return Question.LATENCY if is_latency else Question.ERRORS

    def _take(
        self,
        row: Row,
        asked: Mapping[str, Question],
        counts: dict[str, tuple[ArmCounts, ArmCounts]],
    ) -> None:
        if self.names_metrics:
            question = asked.get(row.metric)
            if question is None:
                raise self._error(
                    row, "metric", "is none of the metrics that are judged",
                    found=row.metric, allowed=", ".join(asked),
                )  # fmt: skip
            counts[row.metric] = self._both(row, question)
            return
        for name, question in asked.items():
            counts[name] = self._both(row, question)

    def _both(self, row: Row, question: Question) -> tuple[ArmCounts, ArmCounts]:
        read = self._slower if question is Question.LATENCY else self._bad
        return read(row, "canary"), read(row, "stable")

    def _bad(self, row: Row, arm: str) -> ArmCounts:
        requests = self._count(row, f"{arm}_requests")
        bad = self._count(row, f"{arm}_bad")
        if bad > requests:
            raise self._error(
                row, f"{arm}_bad", "is more than the requests", found=bad,
                allowed=f"at most {requests}",
            )  # fmt: skip
        return ArmCounts(requests=requests, bad=(bad,))

    def _slower(self, row: Row, arm: str) -> ArmCounts:
        requests = self._count(row, f"{arm}_requests")
        below = [(0, "")]
        for _, text in self._header.edges:
            column = f"{arm}{EDGE_MARK}{text}"
            below.append((self._count(row, column), column))
        below.append((requests, f"{arm}_requests"))
        for (fewer, _), (more, column) in pairwise(below):
            if more < fewer:
                raise self._error(
                    row, column, "is less than the count of a smaller boundary", found=more,
                    allowed=f"at least {fewer}: bucket counts include all faster requests",
                )  # fmt: skip
        finite = len(self.boundaries)
        slower = tuple(requests - count for count, _ in below[1 : finite + 1])
        return ArmCounts(requests=requests, bad=slower)

    def _count(self, row: Row, column: str) -> int:
        text = self._cell(row, column)
        try:
            value = int(text)
        except ValueError:
            value = self._whole(row, column, text)
        if value < 0:
            raise self._error(row, column, "is negative", found=text, allowed="0 or more")
        return value

    def _whole(self, row: Row, column: str, text: str) -> int:
        """Read `10.0` as well: spreadsheets write it."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value != int(value):
            what = "is no whole number" if text.strip() else "is empty"
            raise self._error(row, column, what, found=text, allowed="a count")
        return int(value)

    def _cell(self, row: Row, column: str) -> str:
        at = self._header.at.get(column)
        if at is None:
            raise CountsError(f"has no column {column}", file=self.name)
        return row.cells[at] if at < len(row.cells) else ""

    def _error(
        self, row: Row, column: str, message: str, *, found: object = None, allowed: str = ""
    ) -> CountsError:
        return CountsError(
            message, file=self.name, row=row.number, column=column, found=found, allowed=allowed
        )

"""What a gate saw, in parts small enough to be saved while it judges.

Only the part that grew is saved again. When there are too many rows each four of them become two
that keep the lowest and the highest value of every column, in the order in which they came: a
long gate is remembered more coarsely, never without its extremes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from airflow_rollout.analysis.verdict import Judgement
from airflow_rollout.record import StepStart
from airflow_rollout.seen import SeriesPiece
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["MAX_ROWS", "PART_ROWS", "Series", "thinned"]

# As many as a wide screen has pixels.
MAX_ROWS = 2000
# A part of four metrics is below 15 kB.
PART_ROWS = 200
_DIGITS = 6

Row: TypeAlias = tuple[float | None, ...]


class Series:
    """Collect the rows of one gate.

    :param every_seconds: the source's resolution; what is said between is left out.
    """

    def __init__(
        self, *, epoch: str, step_id: str, start: float, metrics: tuple[str, ...],
        every_seconds: float,
    ) -> None:  # fmt: skip
        self._epoch = epoch
        self._step_id = step_id
        self._start = start
        self._metrics = metrics
        # A judgement may come a little before its time; half of them must not be lost by that.
        self._pause = every_seconds * 0.8
        self._rows: list[Row] = []
        self._saved = 0
        self.bad_since: float | None = None

    @classmethod
    def of(cls, spec: RolloutSpec, start: StepStart, now: float) -> Series:
        """Return an empty one for the gate of a step that begins now."""
        return cls(
            epoch=start.attempt.token.epoch,
            step_id=start.step_id,
            start=now,
            metrics=tuple(metric.name for metric in spec.judge.metrics),
            every_seconds=spec.source.every_seconds,
        )

    def note(self, judgement: Judgement) -> None:
        """Take in what the gate says now."""
        self._watch(judgement)
        offset = judgement.at - self._start
        last = self._rows[-1][0] if self._rows else None
        if last is not None and offset - last < self._pause and not judgement.ends:
            return
        by_name = {finding.name: finding for finding in judgement.metrics}
        row: list[float | None] = [round(offset, 2), _short(judgement.evidence)]
        for name in self._metrics:
            finding = by_name.get(name)
            values = (
                (None, None, None)
                if finding is None
                else (finding.canary_value, finding.stable_value, finding.evidence)
            )
            row.extend(map(_short, values))
        self._rows.append(tuple(row))
        if len(self._rows) > MAX_ROWS:
            self._rows = thinned(self._rows)
            self._saved = 0

    def _watch(self, judgement: Judgement) -> None:
        if judgement.evidence <= 1.0:
            self.bad_since = None
        elif self.bad_since is None:
            self.bad_since = judgement.at

    def unsaved(self) -> Iterator[tuple[int, SeriesPiece]]:
        """Yield the parts that have grown with their numbers; what was taken counts as saved."""
        while self._saved < len(self._rows):
            number = self._saved // PART_ROWS
            begin = number * PART_ROWS
            rows = tuple(self._rows[begin : begin + PART_ROWS])
            self._saved = begin + len(rows)
            yield number, SeriesPiece(
                epoch=self._epoch, step_id=self._step_id, start=self._start,
                metrics=self._metrics, rows=rows,
            )  # fmt: skip


def thinned(rows: list[Row]) -> list[Row]:
    """Return half of the rows with the extremes of every column; the last few stay as they are."""
    whole = len(rows) // 4 * 4
    thin: list[Row] = []
    for begin in range(0, whole, 4):
        thin.extend(_two_of(rows[begin : begin + 4]))
    return thin + rows[whole:]


def _two_of(rows: list[Row]) -> tuple[Row, Row]:
    first: list[float | None] = [rows[0][0]]
    second: list[float | None] = [rows[-1][0]]
    for column in list(zip(*rows, strict=True))[1:]:
        known = [value for value in column if value is not None]
        low = min(known, default=None)
        high = max(known, default=None)
        falls = low is not None and known.index(low) > known.index(high)
        first.append(high if falls else low)
        second.append(low if falls else high)
    return tuple(first), tuple(second)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")

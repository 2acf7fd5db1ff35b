"""The header of a file of counts: which columns there are, and which boundaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.errors import RolloutError, shorten

__all__ = ["EDGE_MARK", "REQUIRED", "CountsError", "Header", "read_header"]

_ARMS = ("canary", "stable")
EDGE_MARK = "_le_"
REQUIRED = ("seconds", "canary_requests", "stable_requests")


class CountsError(RolloutError):
    """Say what is wrong in a file of counts, and in which row (the header is row 1)."""

    def __init__(
        self, message: str, *, file: str, row: int | None = None, column: str = "",
        found: object = None, allowed: str = "",
    ) -> None:  # fmt: skip
        self.row = row
        place = file if row is None else f"{file}: row {row}"
        text = f"{place}: {column}: {message}" if column else f"{place}: {message}"
        if found is not None:
            text += f"; found {shorten(found)}"
        if allowed:
            text += f"; allowed: {allowed}"
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Header:
    """Where each column stands; `edges` are the boundaries in ascending order."""

    at: dict[str, int]
    edges: tuple[tuple[float, str], ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Return the histogram's boundaries, empty without bucket columns."""
        return tuple(edge for edge, _ in self.edges if edge != math.inf)

    def has(self, question: Question) -> bool:
        """Say whether the columns can answer a question."""
        if question is Question.LATENCY:
            return bool(self.edges)
        return question is Question.ERRORS and "canary_bad" in self.at


def read_header(cells: Sequence[str], *, file: str) -> Header:
    """Read the names of the columns; raises `CountsError` for what cannot be judged."""
    names = [cell.strip().lower() for cell in cells]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise CountsError("stands there twice", file=file, row=1, column=twice[0])
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise CountsError(
            f"has no column {', '.join(missing)}", file=file, row=1, found=",".join(names)
        )
    edges = _read_edges(names, file)
    bad = [f"{arm}_bad" in names for arm in _ARMS]
    if any(bad) and not all(bad):
        other = f"{_ARMS[bad.index(False)]}_bad"
        raise CountsError(f"has no column {other}", file=file, row=1)
    if not any(bad) and not edges:
        raise CountsError(
            "says nothing about bad requests", file=file, row=1,
            allowed="canary_bad and stable_bad, or canary_le_0.1, stable_le_0.1 ...",
        )  # fmt: skip
    known = {*REQUIRED, "metric", "canary_bad", "stable_bad"}
    known |= {f"{arm}{EDGE_MARK}{text}" for arm in _ARMS for _, text in edges}
    return Header(
        at={name: place for place, name in enumerate(names) if name in known},
        edges=edges,
        unknown=tuple(name for name in names if name not in known),
    )


def _read_edges(names: Sequence[str], file: str) -> tuple[tuple[float, str], ...]:
    found: dict[str, dict[str, float]] = {arm: {} for arm in _ARMS}
    for name in names:
        arm, mark, text = name.partition(EDGE_MARK)
        if not mark or arm not in found:
            continue
        try:
            edge = float(text)
        except ValueError:
            edge = math.nan
        if math.isnan(edge) or edge <= 0:
            raise CountsError(
                "is no bucket", file=file, row=1, column=name,
                allowed=f"{arm}_le_ and a number of seconds, such as {arm}_le_0.25",
            )  # fmt: skip
        found[arm][text] = edge
    alone = sorted(set(found["canary"]) ^ set(found["stable"]))
    if alone:
        raise CountsError(
            "only one arm has this bucket", file=file, row=1,
            column=f"{EDGE_MARK.lstrip('_')}{alone[0]}", allowed="a column for each arm",
        )  # fmt: skip
    return tuple(sorted((edge, text) for text, edge in found["canary"].items()))

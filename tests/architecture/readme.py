"""Tables of the README, found by their markers."""

from __future__ import annotations

import re

from tree import ROOT

TEXT = (ROOT / "README.md").read_text()


def table(name: str) -> list[dict[str, str]]:
    """Return the rows between `<!-- table: name -->` and `<!-- /table -->`, column by heading."""
    found = re.search(rf"<!-- table: {re.escape(name)} -->\n(.+?)<!-- /table -->", TEXT, re.DOTALL)
    assert found, f"no table {name!r} in the README"
    heading, _, *rows = [_cells(line) for line in found[1].strip().splitlines()]
    return [dict(zip(heading, row, strict=True)) for row in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def words(cell: str) -> list[str]:
    """Return what a cell shows as code."""
    return re.findall(r"`([^`]+)`", cell)


def first_words(name: str) -> list[str]:
    """Return every code word of a table's first column, in order."""
    return [word for row in table(name) for word in words(next(iter(row.values())))]

"""Files and functions stay small enough to be read at once."""

from __future__ import annotations

from pathlib import Path

from tree import ROOT, modules, repository_files

_LARGEST_FILE_LINES = 400
_LARGEST_FUNCTION_LINES = 50
# Files of the same rank as code: what people edit by hand.
_CODE = frozenset({".py", ".js", ".css", ".html", ".sh"})


def _code_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix in _CODE]


def test_no_code_file_is_longer_than_a_reader_bears() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in _code_files()
        if (lines := len(path.read_bytes().splitlines())) > _LARGEST_FILE_LINES
    }
    assert not long


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{module}.{function.name}": lines
        for module in modules()
        for function in module.functions
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > _LARGEST_FUNCTION_LINES
    }
    assert not long

"""Open a file of counts, or the standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from airflow_rollout.cli.replay_header import CountsError

__all__ = ["opened_counts"]

_STDIN = "-"


@contextmanager
def opened_counts(file: str) -> Iterator[tuple[TextIO, str]]:
    """Yield the lines and how messages call them."""
    if file == _STDIN:
        buffer = getattr(sys.stdin, "buffer", None)
        if buffer is None:
            yield sys.stdin, "standard input"
            return
        text = io.TextIOWrapper(buffer, encoding="utf-8-sig", newline="")
        try:
            yield text, "standard input"
        finally:
            # The stream belongs to whoever gave it to us.
            text.detach()
        return
    try:
        # A directory opens only to fail at the first line.
        with Path(file).open(encoding="utf-8-sig", newline="") as stream:
            yield stream, file
    except OSError as error:
        raise CountsError(f"cannot be read: {error.strerror}", file=file) from error

"""A file system that is soon full."""

from __future__ import annotations

import errno
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["fill", "small_disk"]

_PAGE = b"\0" * 4096


@contextmanager
def small_disk(folder: Path, *, kilobytes: int) -> Iterator[Path]:
    """Mount a file system of this size on a folder; the test is skipped where nobody may mount."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("no disk can be full here: there is no mount")
    command = [mount, "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=755", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be full here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: a program that still watches the folder must not keep it for ever.
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def fill(folder: Path) -> Iterator[None]:
    """Leave no space on the folder's file system meanwhile."""
    ballast = folder / "ballast"
    try:
        _fill(ballast)
        # Whoever was in the middle of a write may have given a page back.
        time.sleep(0.2)
        _fill(ballast)
        yield
    finally:
        ballast.unlink()


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(_PAGE)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise

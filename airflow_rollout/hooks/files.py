"""Read and replace files: atomically, under a lock, only if nobody else was quicker.

Locks and unfinished files live in a directory of their own beside the files. It is readable for
everybody, because a program that watches the directory (Traefik does) may walk into it, and what
it holds ends in neither `.yaml` nor `.toml`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_rollout.errors import AdapterError, PermanentAdapterError, TransientAdapterError
from airflow_rollout.wire import FileReplaced

__all__ = ["WORK_DIRECTORY", "read_file", "read_note", "replace_file", "write_note"]

WORK_DIRECTORY = ".airflow-rollout"

# A replace holds the lock for a few milliseconds, an fsync on a busy disk for more.
_LOCK_SECONDS = 3.0
_LOCK_PAUSE_SECONDS = 0.01

# The router may run as another user and has to read the file; only the owner writes it.
_FILE_MODE = 0o644
_LOCK_MODE = 0o660
_DIRECTORY_MODE = 0o755

# A record and its weights are about 2 kB; a directory that holds something else is a mistake.
_LARGEST_FILE = 1_000_000

# Failures of the machine that may pass; all others need a person.
_TRANSIENT_ERRNOS = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
     errno.ENOSPC, errno.EDQUOT, errno.ENOLCK, errno.ESTALE, errno.ETIMEDOUT}
)  # fmt: skip


def read_file(directory: Path, name: str, *, system: str) -> bytes | None:
    """Return a file's bytes, None when there is no such file in an existing directory."""
    path = _path(directory, name, system)
    with _our_errors("read", path, system):
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST_FILE + 1)
        except FileNotFoundError:
            # A directory that is not there (yet) must not look like a service without a record.
            directory.stat()
            return None
        if len(content) > _LARGEST_FILE:
            raise PermanentAdapterError(
                f"{path.name} is larger than {_LARGEST_FILE} bytes", system=system
            )
        return content


def replace_file(
    directory: Path,
    name: str,
    content: bytes,
    expected: bytes | None,
    *,
    is_urgent: bool = False,
    system: str,
) -> FileReplaced:
    """Replace a file if it still holds `expected`; None means that it must not exist.

    Readers see the old or the new bytes, never a part. The new ones are on the disk when this
    returns.

    :param is_urgent: let readers see the new bytes before the disk has them. If the machine loses
        power in between, it comes back with the old ones; file systems that do not write out what
        a rename replaces (XFS) may come back with an empty file.
    :raises TransientAdapterError: the lock was not free in time, or the disk is full.
    :raises PermanentAdapterError: no such directory, no permission, read-only.
    """
    path = _path(directory, name, system)
    with _our_errors("write", path, system), _lock(directory, name, system):
        found = read_file(directory, name, system=system)
        if found != expected:
            return FileReplaced(replaced=False, content=found)
        _write(directory, path, content, is_urgent=is_urgent)
        return FileReplaced(replaced=True, content=content)


def read_note(directory: Path, name: str, *, system: str) -> bytes | None:
    """Return a note's bytes, None when nobody has written it."""
    path = _note(directory, name, system)
    with _our_errors("read", path, system):
        try:
            return path.read_bytes()[:_LARGEST_FILE]
        except FileNotFoundError:
            directory.stat()
            return None


def write_note(directory: Path, name: str, content: bytes, *, system: str) -> FileReplaced:
    """Write a note; readers see the old or the new bytes. The last writer wins."""
    path = _note(directory, name, system)
    with _our_errors("write", path, system):
        unfinished = _work_directory(directory) / f"{name}.{os.getpid()}.new"
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise
    return FileReplaced(replaced=True, content=None)


def _note(directory: Path, name: str, system: str) -> Path:
    return directory / WORK_DIRECTORY / _path(directory, name, system).name


def _path(directory: Path, name: str, system: str) -> Path:
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        raise PermanentAdapterError(f"{name!r} is no plain file name", system=system)
    return directory / name


def _write(directory: Path, path: Path, content: bytes, *, is_urgent: bool) -> None:
    unfinished = directory / WORK_DIRECTORY / f"{path.name}.new"
    try:
        with unfinished.open("wb") as file:
            os.fchmod(file.fileno(), _FILE_MODE)
            file.write(content)
            file.flush()
            if is_urgent:
                unfinished.replace(path)
            os.fsync(file.fileno())
        if not is_urgent:
            unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    """Make the new name durable; a file system that cannot has done what it can."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


@contextmanager
def _lock(directory: Path, name: str, system: str) -> Iterator[None]:
    """Hold the file's lock; it belongs to the open file, so threads of one process exclude too."""
    handle = os.open(
        _work_directory(directory) / f"{name}.lock",
        os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
        _LOCK_MODE,
    )
    try:
        end = time.monotonic() + _LOCK_SECONDS
        while not _locked(handle):
            if time.monotonic() > end:
                raise TransientAdapterError(
                    f"another process has held the lock of {name} for {_LOCK_SECONDS:g} s",
                    system=system,
                )
            time.sleep(_LOCK_PAUSE_SECONDS)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _work_directory(directory: Path) -> Path:
    work = directory / WORK_DIRECTORY
    try:
        work.mkdir()
    except FileExistsError:
        return work
    work.chmod(_DIRECTORY_MODE)  # whatever the umask: an unreadable directory would stop Traefik
    return work


@contextmanager
def _our_errors(doing: str, path: Path, system: str) -> Iterator[None]:
    try:
        yield
    except AdapterError:
        raise
    except OSError as error:
        kind = TransientAdapterError if error.errno in _TRANSIENT_ERRNOS else PermanentAdapterError
        raise kind(f"cannot {doing} {path}: {error.strerror or error}", system=system) from error

"""Start child processes, wait until they are ready and end every one of them, whatever happens."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from airflow_rollout.demo.sessions import end_sessions, signal_sessions
from airflow_rollout.errors import RolloutError

__all__ = ["Child", "LabError", "Processes", "ending_on_sigterm", "wait_until"]

_POLL_SECONDS = 0.05
_TAIL_LINES = 25
_NICENESS = "10"
_YIELDING = ("nice", "-n", _NICENESS)


class LabError(RolloutError):
    """Say that a process of the lab did not start, is not ready or has ended; shows its log."""


class Child:
    """One running process, leader of its own session, with one log file for all it prints.

    :param name: unique among the children that run; also the log's name.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Return the process id, which is the session id too."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Tell whether the process itself still runs."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal, None while it runs."""
        return self._process.poll()

    def send_signal(self, number: int, *, whole_session: bool = False) -> None:
        """Send a signal to the process, or to all that descend from it as well."""
        if whole_session:
            signal_sessions([self.pid], number)
        else:
            self._process.send_signal(number)

    def wait(self, timeout_seconds: float) -> int:
        """Wait for the end and return the exit code; `LabError` when it does not come."""
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} still runs after {timeout_seconds:g} s") from None

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """Return the last lines of the log."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError as error:
            return f"(no log: {error})"
        return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"


class Processes:
    """Own a set of child processes and a directory for their logs.

    A context manager: leaving it, by return or by any exception, ends all children and their
    descendants. A keeper process does the same when this process dies without leaving it.

    :param directory: where logs go; a temporary one, removed at the end, when not given.
    :param grace_seconds: how long a child may take after SIGTERM before it gets SIGKILL.
    :param remove: a directory of the caller's that the keeper removes at the end.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        grace_seconds: float = 3.0,
        remove: Path | None = None,
    ) -> None:
        self._grace_seconds = grace_seconds
        self._remove = remove
        self._is_temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="airflow-rollout-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self._children: dict[str, Child] = {}
        self._retired: list[Child] = []
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    def __contains__(self, name: str) -> bool:
        return name in self._children

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        yields: bool = False,
    ) -> Child:
        """Start a process; a name can be used again once its process has ended.

        `env` is the whole environment, that of this process when not given. One that `yields`
        lets all others have the processor first, and so does whatever it starts.
        """
        old = self._children.get(name)
        if old is not None and old.is_running:
            raise LabError(f"{name} already runs (pid {old.pid})")
        if old is not None:
            self.end(name)
        log = self.directory / f"{name}.log"
        keeper = self._start_keeper()
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [*(_YIELDING if yields else ()), *map(str, command)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
        except OSError as error:
            raise LabError(f"{name} cannot be started: {error}") from error
        if yields:
            _let_session_yield(process.pid)
        child = self._children[name] = Child(name, process, log)
        self._tell(keeper, f"+{child.pid}")
        return child

    def end(self, *names: str, grace_seconds: float | None = None) -> None:
        """End these children and all that descends from them; a name nobody has is no error."""
        children = [self._children[name] for name in names if name in self._children]
        grace = self._grace_seconds if grace_seconds is None else grace_seconds
        left = _end(children, grace)
        for name in names:
            self._children.pop(name, None)
        for child in children:
            if self._keeper is not None:
                self._tell(self._keeper, f"-{child.pid}")
        if left:
            raise LabError(f"processes {left} of {', '.join(names)} outlive SIGKILL")

    def retire(self, name: str) -> None:
        """Free the name of a child that has ended; what it left running ends with the rest."""
        child = self._children[name]
        if child.is_running:
            raise LabError(f"{name} still runs (pid {child.pid})")
        self._retired.append(self._children.pop(name))

    def close(self) -> None:
        """End everything, the keeper last; more than one call is fine."""
        for number, child in enumerate(self._retired):
            self._children[f"{child.name} (retired {number})"] = child
        self._retired.clear()
        try:
            self.end(*self._children)
        finally:
            if self._keeper is not None:
                keeper, self._keeper = self._keeper, None
                if keeper.stdin is not None:
                    with contextlib.suppress(OSError):
                        keeper.stdin.close()
                keeper.wait()
            if self._is_temporary:
                shutil.rmtree(self.directory, ignore_errors=True)

    def _start_keeper(self) -> subprocess.Popen[str]:
        if self._keeper is None:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "airflow_rollout.demo.keeper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
            for directory in (self.directory if self._is_temporary else None, self._remove):
                if directory is not None:
                    self._tell(self._keeper, f"rm {directory}")
        return self._keeper

    def _tell(self, keeper: subprocess.Popen[str], order: str) -> None:
        if keeper.stdin is None:
            return
        # A keeper that is gone takes away the safety net, not the lab.
        with contextlib.suppress(OSError):
            keeper.stdin.write(f"{order}\n")
            keeper.stdin.flush()


def _let_session_yield(pid: int) -> None:
    # Where Linux groups processes by session, niceness counts inside of the session only. A system
    # that has no such thing, or a process that is gone: nothing is lost by it.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(_NICENESS)


def _end(children: Iterable[Child], grace_seconds: float) -> list[int]:
    alive = list(children)
    if not alive:
        return []
    # The leaders are reaped while they end, by `is_running`; a zombie counts as ended anyway.
    left = end_sessions([child.pid for child in alive], grace_seconds)
    for child in alive:
        if child.pid not in left:
            child.wait(_POLL_SECONDS * 20)
    return left


def wait_until(
    check: Callable[[], bool],
    *,
    what: str,
    timeout_seconds: float,
    children: Iterable[Child] = (),
    poll_seconds: float = _POLL_SECONDS,
) -> None:
    """Wait until `check` returns true.

    `LabError` with the tail of a child's log when one of the children ends meanwhile, and with
    all their tails when the time is over.
    """
    watched = tuple(children)
    deadline = time.monotonic() + timeout_seconds
    while not check():
        for child in watched:
            if not child.is_running:
                raise LabError(
                    f"{child.name} ended with code {child.exit_code} before {what}; "
                    f"its log ({child.log}) ends with:\n{child.tail()}"
                )
        if time.monotonic() > deadline:
            logs = "".join(f"\n--- {child.log}\n{child.tail()}" for child in watched)
            raise LabError(f"no {what} within {timeout_seconds:g} s{logs}")
        time.sleep(poll_seconds)


@contextlib.contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into `SystemExit` meanwhile, so that context managers are left in order.

    So does a terminal that is closed (SIGHUP), unless the caller ignores that, as `nohup` does.
    Main thread only, as Python's signal handlers are.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

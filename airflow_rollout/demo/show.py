"""A demo from its start to its end: release one version after the other, show what happens."""

from __future__ import annotations

import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import psutil
from rich.text import Text

from airflow_rollout.demo.example import Story
from airflow_rollout.demo.processes import LabError, ending_on_sigterm
from airflow_rollout.demo.releasing import ReleaseLab, Releaser
from airflow_rollout.demo.result import Report, unreleased, write_report
from airflow_rollout.demo.screen import Screen
from airflow_rollout.demo.sessions import end_sessions
from airflow_rollout.demo.summary import address_panel, final_table, release_block

__all__ = ["LIVE_SETTINGS", "Show", "ShowLab", "ShowOptions", "run_show"]

# Gates renew what they tell this often: a picture that is 5 s old explains nothing.
LIVE_SETTINGS = {"rollout": {"live_seconds": 1}}
_GRACE_SECONDS = 2.0
_STAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions:
    """How the demo is to run.

    :param leave: end by itself after the last release.
    :param rate: requests a second.
    :param seed: which requests of the failing version fail.
    :param report: file for the report, None for none.
    :param keep_logs: directory for the logs of everything that ran, None to drop them.
    """

    leave: bool = False
    rate: float = 100.0
    seed: int = 1
    report: Path | None = None
    keep_logs: Path | None = None


class ShowLab(ReleaseLab, Protocol):
    """A lab whose logs can be kept."""

    @property
    def home(self) -> Path:
        """Return where its processes write."""
        ...


def run_show(make: Callable[[], Show]) -> int:
    """Run a demo and return the exit code; whatever happens, no process is left.

    :raises LabError: the lab did not get ready, or a release did not end.
    :raises KeyboardInterrupt: somebody ended it before the last release had.
    """
    before = _children()
    with ending_on_sigterm():
        show = make()
        try:
            return show.run()
        finally:
            with _undisturbed():
                try:
                    show.close()
                finally:
                    # An interrupt may have come between a process's start and its first mention.
                    end_sessions(_children() - before, _GRACE_SECONDS)


class Show(ABC):
    """Release the versions of a story on a lab of their own and keep what came of them."""

    def __init__(self, options: ShowOptions, screen: Screen, story: Story) -> None:
        self.options = options
        self.screen = screen
        self.story = story
        self._began = time.monotonic()
        self._report = Report(
            releases=tuple(unreleased(it, "it was not released") for it in story.versions),
            rate=options.rate,
            seed=options.seed,
        )
        self._write_report()

    @property
    @abstractmethod
    def lab(self) -> ShowLab:
        """Return where all this happens."""

    @property
    @abstractmethod
    def releaser(self) -> Releaser:
        """Return who releases the versions."""

    @property
    @abstractmethod
    def where(self) -> tuple[str, str]:
        """Return what the releases move traffic with, and its address."""

    @abstractmethod
    def start(self) -> None:
        """Start the lab; returns when it is ready."""

    @abstractmethod
    def end(self) -> None:
        """End the lab."""

    @abstractmethod
    def before_releases(self) -> None:
        """Do what is left to do before the first release."""

    def run(self) -> int:
        """Do everything and return the exit code."""
        try:
            self.start()
            self.note(ready_seconds=self._seconds())
            self._show_address("Open it while the releases run")
            self.before_releases()
            self._release_all()
        except Exception as error:
            self.note(problem=str(error) or type(error).__name__)
            raise
        except (KeyboardInterrupt, SystemExit):
            self.note(problem="it was ended before its last release had")
            raise
        self._show_end()
        if not self.options.leave:
            self._stay()
        return self._report.exit_code

    def close(self) -> None:
        """End the lab; the report is written and logs are kept whatever happened."""
        try:
            self._write_report()
            if self.options.keep_logs is not None:
                _copy_logs(self.lab.home, self.options.keep_logs)
        finally:
            self.end()

    def note(self, **found: Any) -> None:
        """Take something into the report."""
        self._report = replace(self._report, **found)

    def start_airflow(self, rollout: str) -> None:
        """Start the lab's Airflow; returns when it knows the rollout's DAG."""
        airflow = self.lab.airflow
        with self.screen.waiting("Airflow: database"):
            airflow.prepare()
        with self.screen.waiting("Airflow: api-server, scheduler, dag-processor, triggerer"):
            airflow.start_components()
            airflow.wait_ready()
            airflow.wait_for_dag(rollout)

    def _release_all(self) -> None:
        for index, version in enumerate(self.story.versions):
            result = self.releaser.release(version)
            done = self._report.releases
            self.note(releases=(*done[:index], result, *done[index + 1 :]))
            self._write_report()
            self.screen.show(release_block(result))

    def _show_end(self) -> None:
        self.note(total_seconds=self._seconds())
        self._write_report()
        self.screen.show(final_table(self._report, self.story))
        for problem in self._report.problems:
            self.screen.show(Text(problem, style="bold red"))
        if not self._report.problems:
            text = f"Every version ended as it should, {self._report.total_seconds:.0f} s in all."
            self.screen.show(Text(text, style="bold green"))

    def _stay(self) -> None:
        self._show_address("All this stays until you press Ctrl-C")
        try:
            while True:
                self.lab.check_running()
                time.sleep(_STAY_SECONDS)
        except KeyboardInterrupt:
            return

    def _show_address(self, title: str) -> None:
        airflow = self.lab.airflow
        self.screen.show(
            address_panel(title, airflow.url, airflow.user, airflow.password, self.where)
        )

    def _write_report(self) -> None:
        if self.options.report is not None:
            write_report(self._report, self.options.report)

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 1)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let nobody interrupt the ending: a second Ctrl-C would leave processes behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def _copy_logs(home: Path, target: Path) -> None:
    """Copy what the lab's processes wrote; settings and passwords stay behind."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in ("logs", "airflow/logs"):
            if (home / name).is_dir():
                # Airflow's `latest` leads to a place that is gone by then.
                shutil.copytree(
                    home / name, target / name, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("latest"),
                )  # fmt: skip
        for answers in home.glob("answers-*.txt"):
            shutil.copy2(answers, target)
    except (OSError, shutil.Error) as error:
        raise LabError(f"the logs could not be kept in {target}: {error}") from error

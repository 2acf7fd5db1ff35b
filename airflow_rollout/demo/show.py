"""The demo: start the lab, release one version after the other, show what happens and why."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from rich.text import Text

from airflow_rollout.demo.example import (
    FIRST_VERSION,
    ROLLOUT,
    VERSIONS,
    file_rules,
    find_dags,
)
from airflow_rollout.demo.lab import Lab
from airflow_rollout.demo.processes import LabError, ending_on_sigterm
from airflow_rollout.demo.releasing import Releaser
from airflow_rollout.demo.result import Report, unreleased, write_report
from airflow_rollout.demo.screen import Screen
from airflow_rollout.demo.sessions import end_sessions
from airflow_rollout.demo.summary import address_panel, final_table, release_block

__all__ = ["Show", "ShowOptions", "run_show"]

# Gates renew what they tell this often: a picture that is 5 s old explains nothing.
_SETTINGS = {"rollout": {"live_seconds": 1}}
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


def run_show(options: ShowOptions, screen: Screen) -> int:
    """Run the demo and return the exit code; whatever happens, no process is left.

    :raises LabError: the lab did not get ready, or a release did not end.
    :raises KeyboardInterrupt: somebody ended it before the last release had.
    """
    dags = find_dags()
    before = _children()
    with ending_on_sigterm():
        show = Show(options, screen, dags)
        try:
            return show.run()
        finally:
            with _undisturbed():
                try:
                    show.close()
                finally:
                    # An interrupt may have come between a process's start and its first mention.
                    end_sessions(_children() - before, _GRACE_SECONDS)


class Show:
    """Release the versions on a lab of their own and keep what came of them."""

    def __init__(self, options: ShowOptions, screen: Screen, dags: Path) -> None:
        self._options = options
        self._screen = screen
        self._began = time.monotonic()
        self._rules = file_rules(dags)
        self._report = Report(
            releases=tuple(unreleased(version, "it was not released") for version in VERSIONS),
            rate=options.rate,
            seed=options.seed,
        )
        self._write_report()
        self._lab = Lab([ROLLOUT], dags=dags, settings=_SETTINGS)
        self._releaser = Releaser(self._lab, screen, self._rules, seed=options.seed)

    def run(self) -> int:
        """Do everything and return the exit code."""
        try:
            self._start()
            self._release_all()
        except Exception as error:
            self._note(problem=str(error) or type(error).__name__)
            raise
        except (KeyboardInterrupt, SystemExit):
            self._note(problem="it was ended before its last release had")
            raise
        self._show_end()
        if not self._options.leave:
            self._stay()
        return self._report.exit_code

    def close(self) -> None:
        """End the lab; the report is written and logs are kept whatever happened."""
        try:
            self._write_report()
            if self._options.keep_logs is not None:
                _copy_logs(self._lab.home, self._options.keep_logs)
            self._screen.show(Text("Ending Airflow, Traefik and the service", style="dim"))
        finally:
            self._lab.close()

    def _start(self) -> None:
        lab = self._lab
        with self._screen.waiting("Traefik"):
            lab.start_router()
            lab.traefik.wait_ready()
        with self._screen.waiting(f"{ROLLOUT} {FIRST_VERSION.name}"):
            self._releaser.start_version(FIRST_VERSION)
        with self._screen.waiting("Airflow: database"):
            lab.airflow.prepare()
        with self._screen.waiting("Airflow: api-server, scheduler, dag-processor, triggerer"):
            lab.airflow.start_components()
            lab.wait_ready()
            lab.airflow.wait_for_dag(ROLLOUT)
        self._note(ready_seconds=self._seconds())
        self._show_address("Open it while the releases run")

    def _release_all(self) -> None:
        first = self._releaser.release(FIRST_VERSION)
        self._note(first=first)
        self._screen.show(release_block(first))
        if first.problem:
            raise LabError(f"nothing to release against: {first.problem}")
        # A service that nobody serves yet has no users either.
        self._lab.start_load(ROLLOUT, rate=self._options.rate)
        for index, version in enumerate(VERSIONS):
            result = self._releaser.release(version)
            done = self._report.releases
            self._note(releases=(*done[:index], result, *done[index + 1 :]))
            self._write_report()
            self._screen.show(release_block(result))

    def _show_end(self) -> None:
        self._note(total_seconds=self._seconds())
        self._write_report()
        self._screen.show(final_table(self._report, self._rules))
        for problem in self._report.problems:
            self._screen.show(Text(problem, style="bold red"))
        if not self._report.problems:
            text = f"Every version ended as it should, {self._report.total_seconds:.0f} s in all."
            self._screen.show(Text(text, style="bold green"))

    def _stay(self) -> None:
        self._show_address("All this stays until you press Ctrl-C")
        try:
            while True:
                self._lab.check_running()
                time.sleep(_STAY_SECONDS)
        except KeyboardInterrupt:
            return

    def _show_address(self, title: str) -> None:
        airflow = self._lab.airflow
        router_url = f"{self._lab.traefik.api_url}/dashboard/"
        self._screen.show(
            address_panel(title, airflow.url, airflow.user, airflow.password, router_url)
        )

    def _write_report(self) -> None:
        if self._options.report is not None:
            write_report(self._report, self._options.report)

    def _note(self, **found: Any) -> None:
        self._report = replace(self._report, **found)

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

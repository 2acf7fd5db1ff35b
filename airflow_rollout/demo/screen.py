"""Two screens: a terminal that is drawn over, and lines for everything else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from airflow_rollout.cli.watch import Line
from airflow_rollout.demo.live_view import (
    ReleaseNow,
    arm_words,
    evidence_words,
    live_view,
    timeline_line,
)

__all__ = ["LineScreen", "Screen", "TerminalScreen", "open_screen"]

# Often enough to look alive, seldom enough to leave two cores to Airflow.
_REFRESHES_A_SECOND = 4
# How often lines repeat what the gate knows while nothing else changes.
_PULSE_SECONDS = 5.0

Update = Callable[[ReleaseNow], None]


class Screen(Protocol):
    """Where the demo shows what happens."""

    def show(self, content: RenderableType) -> None:
        """Show something that stays."""
        ...

    def waiting(self, what: str) -> AbstractContextManager[None]:
        """Show that something is waited for, and how long it took."""
        ...

    def watching(self) -> AbstractContextManager[Update]:
        """Show a release while it runs."""
        ...


def open_screen() -> Screen:
    """Return the screen that standard output can bear."""
    # Only a real terminal may get cursor control, whatever FORCE_COLOR says for colours.
    if sys.stdout.isatty():
        console = Console(highlight=False)
        if not console.is_dumb_terminal:
            return TerminalScreen(console)
    return LineScreen(Console(highlight=False, force_terminal=False))


class TerminalScreen:
    """Draw over the lower part of a terminal while something runs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, content: RenderableType) -> None:
        """Show something that stays; what is too long for the terminal is not cut."""
        self._console.print(content, crop=False)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show a spinner with the seconds, then the line that stays."""
        began = time.monotonic()
        with self._console.status(_Seconds(what, began)):
            yield
        self.show(_done(what, began))

    @contextmanager
    def watching(self) -> Iterator[Update]:
        """Draw the release again and again; the picture goes away at the end."""
        with Live(
            console=self._console,
            transient=True,
            refresh_per_second=_REFRESHES_A_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            yield lambda now: live.update(live_view(now))


class LineScreen:
    """Print one line a change, without any cursor control."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, content: RenderableType) -> None:
        """Print something; what is too long for a line is not cut."""
        self._console.print(content, crop=False)
        self._console.file.flush()

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Print a line at the end; what takes long is announced."""
        began = time.monotonic()
        self._line(f"{what} ...")
        yield
        self.show(_done(what, began))

    @contextmanager
    def watching(self) -> Iterator[Update]:
        """Print what is new since the last time."""
        news = ReleaseLines()

        def update(now: ReleaseNow) -> None:
            for line in news.take(now):
                self._line(line)

        yield update

    def _line(self, text: str) -> None:
        # A line stays one line however long it is: a log has no width.
        self._console.print(text, soft_wrap=True, markup=False)
        self._console.file.flush()


class ReleaseLines:
    """Turn moments of a release into lines: what happened, each weight, what the gate knows."""

    def __init__(self) -> None:
        self._seen = 0
        self._weight: int | None = None
        self._pulse_at = 0.0
        self._judged = ("", 0.0)

    def take(self, now: ReleaseNow) -> list[str]:
        """Return what is new at this moment."""
        name = now.version.name
        fresh: list[str] = []
        if now.weight != self._weight:
            self._weight = now.weight
            fresh.append(f"{_clock()}  {name}  weight {now.weight or 0} %")
        timeline = now.timeline
        fresh += [self._said(name, line) for line in timeline[self._seen :]]
        self._seen = len(timeline)
        if self._has_pulse(now):
            self._pulse_at = now.seconds
            fresh.append(f"{_clock()}  {name}  {_numbers(now)}")
        return fresh

    def _said(self, name: str, line: Line) -> str:
        clock, _, rest = timeline_line(line).partition("  ")
        return f"{clock}  {name}  {rest}"

    def _has_pulse(self, now: ReleaseNow) -> bool:
        if now.gate is None or now.gate.judgement.ends:
            return False
        judged = (now.gate.step_id, now.gate.judgement.at)
        if judged == self._judged:
            return False
        if judged[0] == self._judged[0] and now.seconds - self._pulse_at < _PULSE_SECONDS:
            return False
        self._judged = judged
        return True


def _numbers(now: ReleaseNow) -> str:
    arms = []
    for arm in filter(None, (now.stable, now.canary)):
        requests, errors, p99 = arm_words(arm)
        arms.append(f"{arm.version} {requests}, errors {errors}, P99 {p99}")
    judgement = now.gate.judgement if now.gate else None
    odds = f"; evidence {evidence_words(judgement)}" if judgement else ""
    verdict = f"; {judgement.reason}" if judgement else ""
    return f"{'; '.join(arms)}{odds}{verdict}"


def _clock() -> str:
    return time.strftime("%H:%M:%S")


class _Seconds:
    """A text with the seconds since the beginning, new at each drawing."""

    def __init__(self, what: str, began: float) -> None:
        self._what = what
        self._began = began

    def __rich__(self) -> Text:
        return Text(f"{self._what} {time.monotonic() - self._began:.0f} s")


def _done(what: str, began: float) -> Text:
    return Text(f"{what}: {time.monotonic() - began:.1f} s", style="dim")

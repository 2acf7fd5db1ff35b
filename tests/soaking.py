"""Seeded random schedules of faults, played side by side until there are enough of them.

What a version does and what happens to its release is drawn here; how it is done, and what must
not come of it, says whoever plays.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from airflow_rollout.cli.airflow_session import ApiUnavailable

__all__ = ["Schedule", "Soak", "only", "patiently"]

Scene = TypeVar("Scene")
T = TypeVar("T")

# As long as something that was killed may take to be back on two busy cores.
_AWAY_SECONDS = 120.0

_COUNTS = (0, 1, 1, 2, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One release: which version, and what happens when (seconds from its start, and how long)."""

    number: int
    seed: int
    version: str
    faults: tuple[tuple[float, str, float], ...]

    def __str__(self) -> str:
        faults = ", ".join(f"{name} at {at} s for {long} s" for at, name, long in self.faults)
        return f"seed {self.seed}: {self.version} version, {faults or 'alone'}"


@dataclass(kw_only=True)
class Soak(Generic[Scene]):
    """Play schedules until there are enough or the time is over, and count what went wrong.

    :param seed: schedule `n` has the seed `seed + n`.
    :param versions: what is released, each as likely as the others.
    :param faults: what may happen to a release.
    :param latest_seconds: when a fault begins at the latest.
    :param longest_seconds: how long it lasts at most.
    :param until: when no other schedule is begun (monotonic seconds).
    :param play: plays one and returns what must not have happened.
    """

    seed: int
    schedules: int
    versions: Sequence[str]
    faults: Sequence[str]
    latest_seconds: float
    longest_seconds: float
    until: float
    play: Callable[[Scene, Schedule], list[str]]
    done: int = 0
    violations: list[str] = field(default_factory=list)
    _taken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(
        self, scenes: Sequence[Scene], outages: Mapping[str, Callable[[], None]], *, every: float
    ) -> int:
        """Play all, say how many there were and what was violated, and return the exit code.

        :param outages: what befalls all scenes now and then.
        :param every: the mean of the seconds between two of them.
        """
        over = threading.Event()
        with ThreadPoolExecutor(max_workers=len(scenes) + 1) as pool:
            broken = pool.submit(self._break_all, over, outages, every)
            plays = [pool.submit(self._play_all, scene) for scene in scenes]
            try:
                for play in plays:
                    play.result()
            finally:
                # Also when a person has seen enough: what has begun is played to its end.
                self.until = 0.0
                over.set()
            broken.result()
        for violation in self.violations:
            print(f"VIOLATION {violation}")
        print(f"{self.done} schedules, {len(self.violations)} violations")
        return 1 if self.violations or not self.done else 0

    def draw(self, number: int) -> Schedule:
        """Return the schedule that this number stands for."""
        chance = random.Random(self.seed + number)
        faults = sorted(
            (
                round(chance.uniform(0.0, self.latest_seconds), 2),
                chance.choice(sorted(self.faults)),
                round(chance.uniform(0.5, self.longest_seconds), 2),
            )
            for _ in range(chance.choice(_COUNTS))
        )
        return Schedule(
            number=number,
            seed=self.seed + number,
            version=chance.choice(self.versions),
            faults=tuple(faults),
        )

    def _next(self) -> Schedule | None:
        """Return the next schedule, None when it is enough."""
        with self._lock:
            if self._taken >= self.schedules or time.monotonic() > self.until:
                return None
            self._taken += 1
            return self.draw(self._taken)

    def _play_all(self, scene: Scene) -> None:
        """Play one schedule after the other on one scene."""
        while (schedule := self._next()) is not None:
            try:
                found = self.play(scene, schedule)
            except Exception as error:
                found = [f"did not come to an end: {error!r}"]
            with self._lock:
                self.done += 1
                self.violations += [f"{schedule}: {it}" for it in found]
            print(f"{schedule}: {'; '.join(found) or 'held'}", flush=True)

    def _break_all(
        self, over: threading.Event, outages: Mapping[str, Callable[[], None]], every: float
    ) -> None:
        """Let something die every now and then that all scenes need, everything in its turn.

        Drawn one by one, three of six kinds were missing in two hundred schedules of one seed.
        """
        chance = random.Random(self.seed)
        turn: list[str] = []
        while not over.wait(chance.uniform(0.5, 1.5) * every):
            turn = turn or chance.sample(sorted(outages), k=len(outages))
            name = turn.pop()
            print(name, flush=True)
            outages[name]()


def patiently(ask: Callable[[], T], *, seconds: float = _AWAY_SECONDS) -> T:
    """Ask again while Airflow, the router or the cluster is away."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (ApiUnavailable, OSError):
            if time.monotonic() > end:
                raise
        time.sleep(0.5)


def only(*found: tuple[str, bool]) -> list[str]:
    """Return the texts of what is so."""
    return [text for text, is_so in found if is_so]

"""A gate over adapters in memory, and a notebook that may fail or hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from in_memory import CANARY, STABLE, MemoryRouter, World, make_spec, open_split
from virtual_time import EPOCH, LoopClock, run_virtual

from airflow_rollout.analysis.readings import Reading
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.plan import find_step
from airflow_rollout.record import Attempt, Checkpoint, GatePiece, StepStart
from airflow_rollout.release import ReleaseState, Token
from airflow_rollout.seen import SeriesPiece
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.gate_loop import GateLoop
from airflow_rollout.triggers.traffic_watch import TrafficWatch

__all__ = [
    "AWAY", "MINE", "OTHER", "Gate", "MemoryNotebook", "at_ten_percent", "attempt_of", "is_safe",
    "never", "started",
]  # fmt: skip

MINE = Token(epoch="e1", owner="shop/run", digest="d")
OTHER = Token(epoch="e2", owner="shop/other", digest="d")


AWAY = TransientAdapterError("timed out", system="router")


async def never(query: MetricQuery, window: Window) -> Reading:
    """Be a source that takes the question and never answers."""
    await asyncio.Event().wait()
    raise AssertionError


def is_safe(world: World) -> bool:
    """Say whether the record is sealed at weight 0."""
    split = world.router.split
    return split is not None and split.weight == 0 and split.state is ReleaseState.SEALED


def at_ten_percent() -> World:
    """Return a world in which step_01 has just put the canary at 10 %."""
    return World(router=MemoryRouter(open_split(MINE, weight=10)))


def attempt_of(token: Token = MINE) -> Attempt:
    return Attempt(token=token, canary=CANARY, stable=STABLE, opened_at=EPOCH - 5)


def started(*, step_id: str = "step_01", weight: int = 10, **changes: Any) -> StepStart:
    values = {
        "attempt": attempt_of(),
        "step_id": step_id,
        "weight": weight,
        "written_at": EPOCH,
        "release_started_at": EPOCH,
        **changes,
    }
    return StepStart(**values)


@dataclass
class MemoryNotebook:
    """Keep what a gate writes; `fault` is raised, or waited for, instead of keeping."""

    pieces: list[GatePiece] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    series: dict[int, SeriesPiece] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    fault: Exception | None = None
    hangs: bool = False

    async def save_gate(self, piece: GatePiece) -> None:
        await self._take()
        self.pieces.append(piece)

    async def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        await self._take()
        self.checkpoints.append(checkpoint)

    async def save_series(self, number: int, piece: SeriesPiece) -> None:
        await self._take()
        self.series[number] = piece

    def say(self, text: str) -> None:
        self.lines.append(text)

    async def _take(self) -> None:
        if self.fault is not None:
            raise self.fault
        if self.hangs:
            await asyncio.Event().wait()


@dataclass
class Gate:
    """One gate of `world`; `later` is what happens at a second of the gate's time."""

    world: World
    spec: RolloutSpec = field(default_factory=make_spec)
    start: StepStart = field(default_factory=started)
    state: dict[str, Any] | None = None
    notebook: MemoryNotebook = field(default_factory=MemoryNotebook)
    later: dict[float, Callable[[], object]] = field(default_factory=dict)
    guards: bool = True
    ended_after: float = 0.0

    def run(self, *, second: float = 0.0) -> GatePiece:
        """Let the gate judge to its end, in virtual time that begins at `second`."""
        return run_virtual(self.judge(), second=second)

    def run_until(self, second: float) -> None:
        """Let the gate judge and cancel it at a second of its time."""

        async def cancelled() -> None:
            running = asyncio.create_task(self.judge())
            await asyncio.wait({running}, timeout=second)
            running.cancel()
            await asyncio.wait({running})
            assert running.cancelled()

        run_virtual(cancelled())

    async def judge(self) -> GatePiece:
        loop = asyncio.get_running_loop()
        for second, happens in self.later.items():
            loop.call_later(second, happens)
        async with self.world.open(self.spec, None) as systems:  # type: ignore[arg-type]
            piece = await self._loop(systems).run()
        self.ended_after = loop.time()
        return piece

    def _loop(self, systems: Any) -> GateLoop:
        clock = LoopClock()
        step = find_step(self.spec, self.start.step_id)
        watch = TrafficWatch(
            systems,
            self.start.attempt,
            weight=step.weight,
            written_at=self.start.written_at,
            clock=clock,
            say=self.notebook.say,
        )
        return GateLoop(
            systems=systems,
            spec=self.spec,
            step=step,
            start=self.start,
            state=self.state,
            watch=watch if self.guards else None,
            notebook=self.notebook,
            clock=clock,
        )

"""Gates of the real trigger whose metric systems fail in the middle, side by side on one clock.

Real are the trigger, HTTP, the connections, the router and its files; made are the requests that
the systems have counted, Airflow's XComs, and the time. The time moves when the test says so: no
gate can be over before its source has failed, and nobody waits for a minute.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from airflow_side import MemoryXComs
from contract_server import ContractServer, Hosting
from failing_rollouts import (
    HOLD_SECONDS,
    PARTS,
    REQUESTS,
    Part,
    serve,
    spec_of,
)
from system_access import connection
from vendor_world import WRITTEN, World

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.demo.traefik import TraefikLab
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.moves import wait_live
from airflow_rollout.hooks.systems import open_router
from airflow_rollout.plan import find_step
from airflow_rollout.record import Attempt, GatePiece, StepStart, from_piece, to_piece
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers import gate, xcoms
from airflow_rollout.triggers.gate import GateTrigger
from airflow_rollout.wire import HttpResponse

__all__ = ["Story", "stories"]

# Below what a gate takes for its process having been stopped, with what is added to it.
_LAP_SECONDS = 7.0

# How often a gate saves what it says, in its own time, which moves on by so much at least.
_SAY_SECONDS = 0.5

# Far above what anything here takes: it ends a test that hangs, it decides nothing.
_PATIENCE_SECONDS = 300.0

_WEIGHT = 20


@dataclass(kw_only=True)
class Story:
    """How a gate went: what happened, its events, all that it said, and what it left.

    :param split: the router's record at the end, with the weight Traefik works with.
    """

    part: Part
    events: list[str]
    said: list[GatePiece]
    split: TrafficSplit | None
    live: int | None

    @property
    def end(self) -> GatePiece:
        return self.said[-1]

    def held(self) -> list[str]:
        """Return what it said once its hold was over and before its end."""
        due = WRITTEN + HOLD_SECONDS
        return [
            piece.judgement.reason
            for piece in self.said
            if piece.judgement.at >= due and not piece.judgement.ends
        ]


@dataclass(kw_only=True)
class _Gate:
    """One gate and its source."""

    part: Part
    spec: RolloutSpec
    source: ContractServer
    said: list[GatePiece] = field(default_factory=list)
    running: asyncio.Task[list[str]] | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def can_be_asked(self) -> bool:
        """Tell whether its questions arrive: nobody refuses them, and nobody has it wait."""
        fault = self.part.fault
        return fault is None or not (fault.refuses or "left alone" in fault.words)

    @property
    def judged_at(self) -> float:
        """Return from when its last word is."""
        return self.said[-1].judgement.at if self.said else 0.0

    @property
    def deadline_seconds(self) -> float:
        return find_step(self.spec, "step_01").deadline_seconds

    @property
    def runs(self) -> bool:
        return self.running is not None and not self.running.done()

    def says(self, *verdicts: Verdict) -> bool:
        """Tell whether what keeps the gate from passing, or lets it, is one of these."""
        if not self.said:
            return False
        return max(it.verdict for it in self.said[-1].judgement.metrics) in verdicts


class _Diary(MemoryXComs):
    """Keep everything that gates ever said."""

    def __init__(self, gates: dict[str, _Gate]) -> None:
        super().__init__()
        self._gates = gates

    async def aset(self, **named: Any) -> None:
        await super().aset(**named)
        if named["key"] == "gate":
            piece = from_piece(named["value"], GatePiece)
            assert piece is not None
            self._gates[named["dag_id"]].said.append(piece)


def stories(system: str, home: Path) -> dict[str, Story]:
    """Let all gates of a system judge to their end."""
    with (
        Hosting() as hosting,
        TraefikLab(home / "traefik") as traefik,
        pytest.MonkeyPatch.context() as patch,
    ):
        play = _Play(system, home, hosting)
        play.stand_in_for_airflow(patch, traefik)
        return asyncio.run(play.run())


class _Play:
    """The gates of one system on one clock."""

    def __init__(self, system: str, home: Path, hosting: Hosting) -> None:
        self._system = system
        self._world = World(bad=0.002, now=WRITTEN)
        version = hosting.serve(lambda _: HttpResponse(status=200))
        self._arms = [Arm(version=name, target=version.url) for name in ("v1", "v2")]
        self._gates: dict[str, _Gate] = {}
        for index, part in enumerate(PARTS[system].values()):
            name = f"gate-{index}"
            self._gates[name] = _Gate(
                part=part,
                spec=spec_of(system, name, part, home),
                source=serve(system, self._world, name, hosting),
            )

    def stand_in_for_airflow(self, patch: pytest.MonkeyPatch, traefik: TraefikLab) -> None:
        """Give the gates their connections, XComs and time."""
        extra = {"directory": str(traefik.dynamic_dir)}
        router = {"conn_type": "traefik", "host": traefik.api_url, "extra": extra}
        patch.setenv("AIRFLOW_CONN_ROUTER", json.dumps(router))
        for name, one in self._gates.items():
            text = connection(self._system, one.source.url)
            patch.setenv(f"AIRFLOW_CONN_{name.upper()}", text)
        patch.setattr(xcoms, "BaseXCom", _Diary(self._gates))
        patch.setattr(gate, "Clock", lambda **_: self)

    def now(self) -> float:
        """Be the clock of every gate."""
        return self._world.now

    async def run(self) -> dict[str, Story]:
        """Let all gates measure, break their sources, and go on until all have ended."""
        await asyncio.gather(*(self._begin(name, one) for name, one in self._gates.items()))
        try:
            await self._pass_until(_has_passed)
            self._break()
            await self._pass_until(_says_so)
            await self._pass(HOLD_SECONDS)
            self._mend()
            await self._pass(max(one.deadline_seconds for one in self._gates.values()))
            await self._wait(lambda one: not one.runs)
        finally:
            tasks = [one.running for one in self._gates.values() if one.running is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        told = [self._tell(name, one) for name, one in self._gates.items()]
        return dict(zip(PARTS[self._system], await asyncio.gather(*told), strict=True))

    async def _begin(self, name: str, one: _Gate) -> None:
        """Put the canary at its weight, as `promote` does, and start the gate."""
        stable, canary = self._arms
        token = Token(epoch="e1", owner=name, digest="d")
        split = TrafficSplit(
            service=name, stable=stable, canary=canary, weight=_WEIGHT,
            state=ReleaseState.OPEN, token=token,
        )  # fmt: skip
        async with open_router(one.spec, airflow_connections()) as systems:
            await systems.write_split(split, None)
            await wait_live(systems, _WEIGHT, seconds=_PATIENCE_SECONDS)
        start = StepStart(
            attempt=Attempt(token=token, canary=canary, stable=stable, opened_at=WRITTEN),
            step_id="step_01", weight=_WEIGHT, written_at=WRITTEN, release_started_at=WRITTEN,
        )  # fmt: skip
        trigger = GateTrigger(
            spec=one.spec.to_builtins(), step_id="step_01", promote_task_id="step_01.promote",
            live_seconds=_SAY_SECONDS, start=to_piece(start),
            task={"dag_id": name, "run_id": "run", "task_id": "step_01.gate"},
        )  # fmt: skip
        one.running = asyncio.create_task(_events(trigger))

    def _break(self) -> None:
        for one in self._gates.values():
            if one.part.fault is not None:
                one.source.break_with(one.part.fault)

    def _mend(self) -> None:
        for one in self._gates.values():
            if one.part.mends:
                one.source.mend()

    async def _pass_until(self, done: Callable[[_Gate], bool]) -> None:
        """Let time pass until something is true of every gate; no hold may end before."""
        while not all(map(done, self._gates.values())):
            assert self._world.now + _LAP_SECONDS < WRITTEN + HOLD_SECONDS, self._stands(done)
            await self._lap(lambda one: one.can_be_asked)

    async def _pass(self, seconds: float) -> None:
        """Let time pass until so many seconds after the write, and a little more."""
        while self._world.now <= WRITTEN + seconds and any(
            one.runs for one in self._gates.values()
        ):
            # Counted checks need an answer since the last one.
            await self._lap(lambda one: one.part.semantics != "native")

    async def _lap(self, asks: Callable[[_Gate], bool]) -> None:
        """Move the time on until every gate has said what it judges now.

        :param asks: for whom to wait until it has read its source anew.
        """
        self._world.now += _LAP_SECONDS
        due, asked = self._world.now, {name: one.source.asked for name, one in self._gates.items()}
        await self._wait(
            lambda one: (
                not one.runs
                or not asks(one)
                or one.source.asked - asked[one.name] > 2 * REQUESTS[self._system]
            )
        )
        while not all(not one.runs or one.judged_at >= due for one in self._gates.values()):
            self._world.now += _SAY_SECONDS
            await self._all_say()

    async def _all_say(self) -> None:
        """Wait until every gate has said something more."""
        before = {name: len(one.said) for name, one in self._gates.items()}
        await self._wait(lambda one: not one.runs or len(one.said) > before[one.name])

    async def _wait(self, done: Callable[[_Gate], bool]) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while not all(map(done, self._gates.values())):
            assert time.monotonic() < end, self._stands(done)
            await asyncio.sleep(0.02)

    def _stands(self, done: Callable[[_Gate], bool]) -> str:
        """Say of whom it is not true, for whoever reads why the gates got stuck."""
        return "; ".join(
            f"{one.part}: {one.said[-1].judgement.reason if one.said else 'nothing said'}"
            for one in self._gates.values()
            if not done(one)
        )

    async def _tell(self, name: str, one: _Gate) -> Story:
        assert one.running is not None
        async with open_router(one.spec, airflow_connections()) as systems:
            return Story(
                part=one.part, events=one.running.result(), said=one.said,
                split=await systems.read_split(), live=await systems.live_weight(),
            )  # fmt: skip


def _has_passed(one: _Gate) -> bool:
    return one.says(Verdict.PASS)


def _says_so(one: _Gate) -> bool:
    """Tell whether a gate whose source has failed says so."""
    return one.part.fault is None or one.says(Verdict.NO_DATA, Verdict.ERROR)


async def _events(trigger: GateTrigger) -> list[str]:
    return [type(event).__name__ async for event in trigger.run()]

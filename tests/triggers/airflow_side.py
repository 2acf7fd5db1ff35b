"""Airflow's side of a trigger, in memory: its XComs, its connections, its clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from in_memory import World
from virtual_time import LoopClock, run_virtual

from airflow_rollout.triggers import gate, ready, xcoms

__all__ = ["TASK", "AirflowSide", "MemoryXComs"]

TASK = {"dag_id": "shop", "run_id": "run", "task_id": "step_01.gate"}

Place = tuple[str, str, str]


@dataclass
class MemoryXComs:
    """Keep XComs by run, task and key.

    `fault` is raised and `hangs` waited for when writing, `read_fault` is raised when reading.
    """

    values: dict[Place, Any] = field(default_factory=dict)
    fault: Exception | None = None
    hangs: bool = False
    read_fault: Exception | None = None

    async def aset(
        self, *, key: str, value: Any, dag_id: str, task_id: str, run_id: str, map_index: int
    ) -> None:
        await self._answer()
        self.values[run_id, task_id, key] = value

    async def aget_one(
        self, *, key: str, dag_id: str, task_id: str, run_id: str, map_index: int
    ) -> Any:
        if self.read_fault is not None:
            raise self.read_fault
        return self.values.get((run_id, task_id, key))

    async def _answer(self) -> None:
        if self.fault is not None:
            raise self.fault
        if self.hangs:
            await asyncio.Event().wait()


@dataclass
class AirflowSide:
    """Run triggers in `world` as a triggerer would."""

    world: World
    xcoms: MemoryXComs = field(default_factory=MemoryXComs)
    ended_after: float = 0.0

    def install(self, patch: pytest.MonkeyPatch) -> AirflowSide:
        patch.setattr(xcoms, "BaseXCom", self.xcoms)
        for module in (gate, ready):
            patch.setattr(module, "open_systems", self.world.open)
            patch.setattr(module, "Clock", LoopClock)
        return self

    def events(
        self,
        trigger: Any,
        *,
        later: dict[float, Callable[[], object]] | None = None,
        seconds_after: float = 0.0,
    ) -> list[str]:
        """Run a trigger to its end; return its events by class name.

        :param later: what happens at a second of the loop's time.
        :param seconds_after: how long the triggerer lives on after the end.
        """

        async def run() -> list[str]:
            loop = asyncio.get_running_loop()
            for second, happens in (later or {}).items():
                loop.call_later(second, happens)
            events: AsyncIterator[Any] = trigger.run()
            found = [type(event).__name__ async for event in events]
            self.ended_after = loop.time()
            await asyncio.sleep(seconds_after)
            return found

        return run_virtual(run())

    def said(self, task_id: str) -> list[str]:
        """Return a task's lines of the timeline."""
        piece = self.xcoms.values.get(("run", task_id, "events"), {"events": []})
        return [event["text"] for event in piece["events"]]

"""The trigger that waits for a service whose earlier release is still open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_rollout.errors import AdapterError
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.systems import open_systems
from airflow_rollout.release import ReleaseState, describe
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["TurnTrigger"]

# A release takes minutes; a second more or less in the queue is nothing.
_POLL_SECONDS = 5.0

# A router that cannot be read for five minutes is nobody's turn to wait for: `prepare` asks again
# and says what is wrong.
_MAX_FAILURES = 60


class TurnTrigger(BaseTrigger):
    """Wait until nobody else's release of a service is open.

    :param spec: `RolloutSpec.to_builtins()`.
    :param owner: the release that waits.
    """

    def __init__(self, *, spec: dict[str, Any], owner: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.spec = spec
        self.owner = owner

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and what `__init__` takes."""
        return (
            "airflow_rollout.triggers.turn.TurnTrigger",
            {"spec": self.spec, "owner": self.owner},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when `prepare` should ask the fence again: its turn, or a lost router."""
        spec = RolloutSpec.from_builtins(self.spec)
        failures = 0
        while failures < _MAX_FAILURES:
            try:
                if await self._is_free(spec):
                    break
                failures = 0
            except AdapterError as error:
                failures += 1
                self.log.warning("could not look at the router: %s", error)
            await asyncio.sleep(_POLL_SECONDS)
        yield TriggerEvent("free" if failures < _MAX_FAILURES else "unreadable")

    async def _is_free(self, spec: RolloutSpec) -> bool:
        async with open_systems(spec, airflow_connections()) as systems:
            found = await systems.read_split()
        if found is None or found.state is not ReleaseState.OPEN:
            return True
        self.log.info("waits: %s", describe(found))
        return found.token.owner == self.owner

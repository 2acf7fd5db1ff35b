"""How a gate ends: its last judgement, and the way back that it waits for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.record import Stop

__all__ = ["finished", "passed", "stopped_by"]


async def finished(stopping: asyncio.Task[Stop]) -> Stop:
    """Wait for the way back to its end, then pass on a cancellation that came meanwhile.

    A gate that is cancelled (marked in the UI, moved to another triggerer) still finishes its
    write; whoever runs it would close the router's connection under a write left behind.
    """
    cancelled: asyncio.CancelledError | None = None
    while not stopping.done():
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return stopping.result()


def stopped_by(fault: str, judgement: Judgement) -> Judgement:
    """Return a judgement that ends the release for another reason than its numbers."""
    return replace(judgement, verdict=Verdict.FAIL, ends=True, reason=f"FAIL {fault}")


def passed(reason: str, *, at: float) -> Judgement:
    """Return a judgement that lets a step pass without one."""
    return Judgement(at=at, verdict=Verdict.PASS, ends=True, reason=f"PASS {reason}")

"""Move traffic: read the record, ask the fence, write, and ask again when somebody was quicker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from airflow_rollout.errors import ReleaseRefused, RolloutError, TransientAdapterError
from airflow_rollout.release import (
    Action,
    Arm,
    Decision,
    Token,
    TrafficSplit,
    decide_abort,
    decide_open,
    decide_promotion,
    decide_raise,
    describe,
)
from airflow_rollout.traffic.base import WriteConflict

if TYPE_CHECKING:
    from airflow_rollout.hooks.systems import Systems

__all__ = ["Move", "abort", "make_stable", "open_release", "persist", "raise_weight", "wait_live"]

# Every conflict means that somebody else's write succeeded; more than a handful in a row is a
# fight with another controller, which a louder error ends better than a longer loop.
_MAX_CONFLICTS = 10

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a move found, whether it wrote, and the split that stands now."""

    found: TrafficSplit | None
    wrote: bool
    reason: str
    split: TrafficSplit | None


async def open_release(systems: Systems, *, service: str, token: Token, canary: Arm) -> Move:
    """Open a release at weight 0; `ReleaseRefused` while another one is open."""
    return await _move(
        systems,
        lambda found: decide_open(found, service=service, token=token, canary=canary),
        wanted=f"open a release of {canary.version}",
    )


async def raise_weight(
    systems: Systems, *, token: Token, canary: Arm, weight: int, previous_weight: int
) -> Move:
    """Raise the canary's weight by the fence's rules; `ReleaseRefused` otherwise."""
    return await _move(
        systems,
        lambda found: decide_raise(
            found, token=token, canary=canary, weight=weight, previous_weight=previous_weight
        ),
        wanted=f"{weight} % on {canary.version}",
    )


async def make_stable(systems: Systems, *, token: Token, canary: Arm) -> Move:
    """Make the canary the stable version; `ReleaseRefused` unless it carries all traffic."""
    return await _move(
        systems,
        lambda found: decide_promotion(found, token=token, canary=canary),
        wanted=f"{canary.version} as the stable version",
    )


async def abort(systems: Systems, *, epoch: str, owner: str, reason: str) -> Move:
    """Put all traffic back and seal the attempt; on another release's split change nothing."""
    return await _move(
        systems,
        lambda found: decide_abort(found, epoch=epoch, owner=owner, reason=reason),
        wanted="weight 0",
    )


async def _move(
    systems: Systems, decide: Callable[[TrafficSplit | None], Decision], *, wanted: str
) -> Move:
    for _ in range(_MAX_CONFLICTS):
        found = await systems.read_split()
        decision = decide(found)
        if decision.action is Action.REFUSE or (
            decision.action is Action.WRITE and decision.split is None
        ):
            raise ReleaseRefused(decision.reason, found=describe(found), wanted=wanted)
        if decision.action is Action.DONE or decision.split is None:
            return Move(found=found, wrote=False, reason=decision.reason, split=decision.split)
        try:
            split = await systems.write_split(decision.split, found)
        except WriteConflict:
            continue
        return Move(found=found, wrote=True, reason=decision.reason, split=split)
    raise TransientAdapterError(
        f"the record changed under {_MAX_CONFLICTS} writes in a row", system="router"
    )


async def persist(
    action: Callable[[], Awaitable[T]], *, seconds: float, on_error: Callable[[str], None]
) -> T:
    """Repeat an action until it succeeds or `seconds` are over, then raise its last error.

    For going back to safety only: every error is repeated, permanent ones too, since a permission
    that was taken away may be given back while the release waits.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await action()
        except Exception as error:
            on_error(str(error) if isinstance(error, RolloutError) else repr(error))
            if loop.time() + pause > end:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def wait_live(systems: Systems, weight: int, *, seconds: float) -> None:
    """Wait until the data plane works at `weight`; at once where it cannot be read back.

    :raises TransientAdapterError: it was not seen within `seconds`.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    seen = "nothing"
    while True:
        try:
            live = await systems.live_weight()
        except RolloutError as error:
            seen = str(error)
        else:
            if live is None or live == weight:
                return
            seen = f"{live} %"
        if loop.time() > end:
            raise TransientAdapterError(
                f"the record says {weight} %, the data plane shows {seen}", system="router"
            )
        await asyncio.sleep(_FIRST_PAUSE_SECONDS)

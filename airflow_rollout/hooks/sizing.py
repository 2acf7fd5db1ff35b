"""Let the canary grow before its weight does, and wait until it can carry it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from airflow_rollout.errors import (
    AdapterError,
    PermanentAdapterError,
    ReleaseRefused,
    RolloutError,
    TransientAdapterError,
)
from airflow_rollout.hooks.moves import abort, persist
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.hooks.timer import LOOP_TIMER, Timer
from airflow_rollout.plan import PlannedStep
from airflow_rollout.release import Action, Arm, Token, decide_raise, describe
from airflow_rollout.traffic.base import Lease

__all__ = ["Look", "until_sized"]

# Says why the canary has to go back while it waits, empty while it need not.
Look = Callable[[], Awaitable[str]]

# Between two looks at pods that start.
_LOOK_SECONDS = 1.0

# The gate before has ended, and whoever reads the lease would say that nobody watches any more.
_LEASE_SECONDS = 10.0

# The write of an abort is repeated for this long; the rollback task goes on.
_STOP_SECONDS = 5.0


async def until_sized(
    systems: Systems,
    *,
    token: Token,
    canary: Arm,
    step: PlannedStep,
    seconds: float,
    say: Callable[[str], None],
    look: Look | None = None,
    timer: Timer = LOOP_TIMER,
) -> str:
    """Give the canary room for a step; return how long that took, empty where it had it.

    :param seconds: how long it is waited for.
    :param say: where a line for the log goes.
    :param look: judges a canary that has traffic already; None: nobody does.
    :raises ReleaseRefused: the fence would not let the weight rise, or the canary was bad, and then
        its traffic was taken away.
    :raises PermanentAdapterError: there is no room, for good or within `seconds`.
    """
    began = signed = timer.now()
    missing = said = ""
    while systems.canary_grows:
        try:
            missing = await _missing(systems, token, canary, step)
        except TransientAdapterError as error:
            missing = str(error)
        if not missing:
            break
        if missing != said:
            say(f"waits for room for {step.weight} %: {missing}")
        said = missing
        if look is not None and (fault := await look()):
            await _stop(systems, token, fault, say, timer)
            at = f"{step.previous_weight} % on {canary.version}"
            raise ReleaseRefused(fault, found=at, wanted=_wanted(step, canary))
        if timer.now() - signed >= _LEASE_SECONDS:
            signed = timer.now()
            await _sign(systems, token, say)
        if timer.now() - began > seconds:
            raise PermanentAdapterError(
                f"no room for {step.weight} % within {seconds:g} s: {missing}", system="workload"
            )
        await timer.pause(_LOOK_SECONDS)
    took = timer.now() - began
    return f"{step.weight} % had to wait {took:.0f} s for room" if said else ""


async def _missing(systems: Systems, token: Token, canary: Arm, step: PlannedStep) -> str:
    """Return what a step still waits for, if it may be raised at all.

    Behind one Service pods are traffic: who may not raise may not scale either.
    """
    found = await systems.read_split()
    decision = decide_raise(
        found,
        token=token,
        canary=canary,
        weight=step.weight,
        previous_weight=step.previous_weight,
        step=step.id,
    )
    if decision.action is Action.REFUSE:
        wanted = _wanted(step, canary)
        raise ReleaseRefused(decision.reason, found=describe(found), wanted=wanted)
    if decision.action is Action.DONE:
        return ""
    return await systems.size(canary, step.weight, time.time())


def _wanted(step: PlannedStep, canary: Arm) -> str:
    return f"room for {step.weight} % on {canary.version}"


async def _stop(
    systems: Systems, token: Token, reason: str, say: Callable[[str], None], timer: Timer
) -> None:
    """Take the traffic away as a gate would; where that fails the rollback task goes on."""
    with suppress(RolloutError):
        await persist(
            lambda: abort(systems, epoch=token.epoch, owner=token.owner, reason=reason),
            seconds=_STOP_SECONDS,
            on_error=lambda text: say(f"could not put the traffic back yet: {text}"),
            timer=timer,
        )


async def _sign(systems: Systems, token: Token, say: Callable[[str], None]) -> None:
    """Leave a sign of life beside the record; its failure is a line in the log."""
    lease = Lease(epoch=token.epoch, holder=token.owner, renewed_at=time.time())
    try:
        await systems.renew_lease(lease)
    except AdapterError as error:
        say(f"could not renew the lease: {error}")

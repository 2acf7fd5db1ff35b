"""Move traffic: read the record, ask the fence, write, and ask again when somebody was quicker.

A router with conditional writes takes a write only on the record that was read, so what the fence
decided is what happens. The others take any write, also one whose ground has changed since it was
read. There every write is read back, and a write that rises has to be quick: a rollback looks for
`SETTLE_SECONDS` whether one lands behind its seal, so a writer that took longer than
`QUICK_SECONDS` cannot know whether it came behind that and takes its own write back.
What that leaves open on such a router: a sender that slept between its read and its write for
longer than that *and* was killed between its write and the way back; and an old abort that was
asleep there, which takes the traffic from whoever has it by then.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn, TypeVar

from airflow_rollout.errors import (
    ReleaseBusy,
    ReleaseRefused,
    RolloutError,
    TransientAdapterError,
)
from airflow_rollout.hooks.timer import LOOP_TIMER, Timer
from airflow_rollout.release import (
    Action,
    Arm,
    Decision,
    ReleaseState,
    Token,
    TrafficSplit,
    decide_abort,
    decide_open,
    decide_promotion,
    decide_raise,
    decide_seal,
    decide_stay,
    describe,
)
from airflow_rollout.traffic.base import Feature, WriteConflict

if TYPE_CHECKING:
    from airflow_rollout.hooks.systems import Systems

__all__ = [
    "QUICK_SECONDS",
    "SETTLE_SECONDS",
    "Move",
    "abort",
    "check_promotion",
    "is_conditional",
    "make_stable",
    "open_release",
    "persist",
    "raise_weight",
    "settle",
    "stay",
    "wait_live",
]

# Every conflict means that somebody else's write succeeded; more than a handful in a row is a
# fight with another controller, which a louder error ends better than a longer loop.
_MAX_CONFLICTS = 10

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

# From the read to the answer of the write. A control plane that takes longer is not fit for a
# release that has to stop within seconds.
QUICK_SECONDS = 2.0

# How long after a seal a write may still land: it was read before the seal, is sent within
# QUICK_SECONDS and may be 2 s on its way, be it a second copy or without its sender; 1 s of slack.
SETTLE_SECONDS = 5.0

# How long a slow write is tried to be taken back. A rollback takes over from a raise; nobody from a
# promotion, which looks like a good end to all others.
_TAKE_BACK_SECONDS = 60.0

# What lands behind a seal has traffic for this long at most.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a move found, whether it wrote, and the split that stands now."""

    found: TrafficSplit | None
    wrote: bool
    reason: str
    split: TrafficSplit | None


_log = logging.getLogger(__name__)

T = TypeVar("T")

Decide = Callable[[TrafficSplit | None], Decision]


async def open_release(systems: Systems, *, service: str, token: Token, canary: Arm) -> Move:
    """Open a release at weight 0.

    :raises ReleaseBusy: another one is open.
    :raises ReleaseRefused: this epoch has ended.
    """
    return await _move(
        systems,
        lambda found: decide_open(found, service=service, token=token, canary=canary),
        wanted=f"open a release of {canary.version}",
    )


async def raise_weight(
    systems: Systems,
    *,
    token: Token,
    canary: Arm,
    weight: int,
    previous_weight: int,
    step: str = "",
    timer: Timer = LOOP_TIMER,
) -> Move:
    """Raise the canary's weight by the fence's rules; `ReleaseRefused` otherwise."""
    return await _move(
        systems,
        lambda found: decide_raise(
            found,
            token=token,
            canary=canary,
            weight=weight,
            previous_weight=previous_weight,
            step=step,
        ),
        wanted=f"{weight} % on {canary.version}",
        rising=timer,
    )


async def check_promotion(systems: Systems, *, token: Token, canary: Arm) -> None:
    """Ask whether the canary may become stable, or is already.

    :raises ReleaseRefused: it does not carry all traffic, or somebody has stopped this release.
    """
    found = await systems.read_split()
    decision = decide_promotion(found, token=token, canary=canary)
    if decision.action is Action.REFUSE:
        raise ReleaseRefused(decision.reason, found=describe(found), wanted=_as_stable(canary))


async def make_stable(
    systems: Systems, *, token: Token, canary: Arm, timer: Timer = LOOP_TIMER
) -> Move:
    """Make the canary the stable version; `ReleaseRefused` unless it carries all traffic."""

    def decide(found: TrafficSplit | None) -> Decision:
        return decide_promotion(found, token=token, canary=canary)

    wanted = _as_stable(canary)
    move = await _move(systems, decide, wanted=wanted, rising=timer)
    if move.wrote and not is_conditional(systems):
        # The last word of a release has to be true: an abort on its way lands before it is said.
        await timer.pause(SETTLE_SECONDS)
        return replace(await _move(systems, decide, wanted=wanted, rising=timer), wrote=True)
    return move


def _as_stable(canary: Arm) -> str:
    return f"{canary.version} as the stable version"


async def stay(systems: Systems, *, token: Token, canary: Arm, reason: str) -> Move:
    """Leave all traffic on the canary that was judged there; `ReleaseRefused` if it has it not.

    Refused too by a router whose writes land on anything: one could undo an abort, and no task of
    the run puts a stuck promotion back.
    """
    wanted = f"all traffic to stay on {canary.version}"
    if not is_conditional(systems):
        reason = "its router may undo an abort by that"
        raise ReleaseRefused(reason, found="a promotion that got stuck", wanted=wanted)
    return await _move(
        systems,
        lambda found: decide_stay(found, token=token, canary=canary, reason=reason),
        wanted=wanted,
    )


async def abort(
    systems: Systems,
    *,
    epoch: str,
    owner: str,
    reason: str,
    later_steps: Collection[str] = (),
    stuck_stays: bool = False,
) -> Move:
    """Put all traffic back and seal the attempt; on another release's split change nothing.

    :param later_steps: the steps behind a gate's own, on which it changes nothing either.
    :param stuck_stays: whether it changes nothing either where a promotion got stuck.
    """
    return await _move(
        systems,
        lambda found: decide_abort(
            found,
            epoch=epoch,
            owner=owner,
            reason=reason,
            later_steps=later_steps,
            stuck_stays=stuck_stays,
        ),
        wanted="weight 0",
    )


async def settle(systems: Systems, decide: Decide, *, timer: Timer = LOOP_TIMER) -> Move:
    """Look whether anything landed behind a seal, and put it back as often as something does.

    One look where writes are conditional; `SETTLE_SECONDS` without a late write elsewhere.

    :param decide: what a look does with what it finds.
    :returns: the last look; `wrote` says that something had landed.
    """
    move = await _move(systems, decide, wanted="weight 0")
    landed = int(move.wrote)
    end = timer.now() + SETTLE_SECONDS
    while not is_conditional(systems) and timer.now() <= end:
        await timer.pause(_LOOK_SECONDS)
        move = await _move(systems, decide, wanted="weight 0")
        if move.wrote:
            landed += 1
            end = timer.now() + SETTLE_SECONDS
        if landed > _MAX_CONFLICTS:
            raise TransientAdapterError(f"{landed} writes landed on the seal", system="router")
    return replace(move, wrote=landed > 0)


async def _move(
    systems: Systems, decide: Decide, *, wanted: str, rising: Timer | None = None
) -> Move:
    """Read, decide, write; `rising` tells the time of a write that has to be quick."""
    for _ in range(_MAX_CONFLICTS):
        began = rising.now() if rising else 0.0
        found = await systems.read_split()
        decision = decide(found)
        if decision.action is Action.REFUSE or (
            decision.action is Action.WRITE and decision.split is None
        ):
            kind = ReleaseBusy if decision.busy else ReleaseRefused
            raise kind(decision.reason, found=describe(found), wanted=wanted)
        if decision.action is Action.DONE or decision.split is None:
            return Move(found=found, wrote=False, reason=decision.reason, split=decision.split)
        try:
            if is_conditional(systems):
                split = await systems.write_split(decision.split, found)
            else:
                split = await _write_on_anything(systems, decision.split, found, began, rising)
        except WriteConflict:
            continue
        return Move(found=found, wrote=True, reason=decision.reason, split=split)
    raise TransientAdapterError(
        f"the record changed under {_MAX_CONFLICTS} writes in a row", system="router"
    )


async def _write_on_anything(
    systems: Systems,
    split: TrafficSplit,
    found: TrafficSplit | None,
    began: float,
    rising: Timer | None,
) -> TrafficSplit:
    """Write to a router that does not compare, and look whether it may stand."""
    fault: RolloutError | None = None
    try:
        await systems.write_split(split, found)
    except RolloutError as error:
        fault = error
    if rising is not None and found is not None and rising.now() - began > QUICK_SECONDS:
        await _take_back(systems, found, rising, rising.now() - began)
    if fault is not None:
        raise fault
    # A seal gives way to nothing: `settle` stays with it.
    if split.state is not ReleaseState.SEALED:
        stands = await systems.read_split()
        if stands != split:
            reason = "somebody else changed the record at the same time"
            raise ReleaseRefused(reason, found=describe(stands), wanted=describe(split))
    return split


async def _take_back(
    systems: Systems, before: TrafficSplit, timer: Timer, took_seconds: float
) -> NoReturn:
    """Seal what a slow write may have raised over somebody's seal; ends in `ReleaseRefused`."""
    reason = f"the write took {took_seconds:.1f} s, too long to be sure that nobody aborted since"

    async def seal() -> Move:
        return await settle(
            systems, lambda found: decide_seal(found, before=before, reason=reason), timer=timer
        )

    move = await persist(
        seal,
        seconds=_TAKE_BACK_SECONDS,
        on_error=lambda text: _log.error("could not take a slow write back yet: %s", text),
        timer=timer,
    )
    raise ReleaseRefused(reason, found=describe(move.split), wanted="a write in time")


def is_conditional(systems: Systems) -> bool:
    """Say whether the router takes a write only on the record that was read."""
    return Feature.CONDITIONAL_WRITE in systems.router.features


async def persist(
    action: Callable[[], Awaitable[T]],
    *,
    seconds: float,
    on_error: Callable[[str], None],
    repeats: type[Exception] = Exception,
    timer: Timer = LOOP_TIMER,
) -> T:
    """Repeat an action until it succeeds or `seconds` are over, then raise its last error.

    Only for going back to safety is every error repeated, permanent ones too, since a permission
    that was taken away may be given back while the release waits.

    :param repeats: which errors are repeated; whoever goes forward names those that did nothing.
    """
    end = timer.now() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await action()
        except repeats as error:
            on_error(str(error) if isinstance(error, RolloutError) else repr(error))
            if timer.now() + pause > end:
                raise
        await timer.pause(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def wait_live(
    systems: Systems, weight: int, *, seconds: float, timer: Timer = LOOP_TIMER
) -> None:
    """Wait until the data plane works at `weight`; at once where it cannot be read back.

    :raises TransientAdapterError: it was not seen within `seconds`.
    """
    end = timer.now() + seconds
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
        if timer.now() > end:
            raise TransientAdapterError(
                f"the record says {weight} %, the data plane shows {seen}", system="router"
            )
        await timer.pause(_FIRST_PAUSE_SECONDS)

"""The way back, decided from the router's record alone: seal, see it, remove the canary."""

from __future__ import annotations

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.moves import Move, abort, is_conditional, settle, wait_live
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.hooks.timer import LOOP_TIMER, Timer
from airflow_rollout.release import ReleaseState, Token, decide_abort, decide_seal

__all__ = ["DEADLINE_SECONDS", "clear_up", "go_back"]

# How long the way back is tried before its end is failed_to_roll_back.
DEADLINE_SECONDS = 3600.0

# After the record says 0, the data plane gets this long to show it before the next try.
_SEEN_SECONDS = 30.0


async def go_back(
    systems: Systems,
    *,
    owner: str,
    reason: str,
    stuck_stays: bool = False,
    timer: Timer = LOOP_TIMER,
) -> Move:
    """Seal the owner's attempt at weight 0, see it in the data plane and remove the canary.

    Nothing to do where the split belongs to somebody else or the release was promoted.

    :param stuck_stays: whether there is nothing to do either where a promotion got stuck.
    :raises TransientAdapterError: the record says 0, the data plane does not yet; or a write of
        the owner's landed late. Worth another try from the start.
    """
    move = await abort(systems, epoch="", owner=owner, reason=reason, stuck_stays=stuck_stays)
    split = move.split
    own = split is not None and split.token.owner == owner
    if split is None or not own or split.state is not ReleaseState.SEALED:
        if not own and not is_conditional(systems):
            await _see_nothing_land(systems, owner, reason, timer)
        return move
    await wait_live(systems, 0, seconds=_SEEN_SECONDS, timer=timer)
    last = await settle(
        systems, lambda found: decide_seal(found, before=split, reason=reason), timer=timer
    )
    # Looked at last: the attempt after this one may bring the same canary.
    if last.split is not None and last.split.token == split.token and split.canary is not None:
        await systems.remove(split.canary, released=False)
    return Move(found=move.found, wrote=move.wrote or last.wrote, reason=move.reason, split=split)


async def clear_up(systems: Systems, *, token: Token) -> bool:
    """Remove what a task made for an attempt that somebody had stopped before; say whether it was.

    Whoever stopped it has removed what was there then, and does not come again.
    """
    found = await systems.read_split()
    if found is None or found.token != token or found.state is not ReleaseState.SEALED:
        return False
    await go_back(systems, owner=token.owner, reason=found.reason)
    return True


async def _see_nothing_land(systems: Systems, owner: str, reason: str, timer: Timer) -> None:
    """Watch a record that is not the owner's: a raise of the owner's may be on its way to it."""
    last = await settle(
        systems,
        lambda found: decide_abort(found, epoch="", owner=owner, reason=reason),
        timer=timer,
    )
    if last.wrote:
        raise TransientAdapterError("a raise landed after the abort", system="router")

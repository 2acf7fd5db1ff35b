"""The way back, decided from the router's record alone: seal, see it, remove the canary."""

from __future__ import annotations

from airflow_rollout.hooks.moves import Move, abort, settle, wait_live
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.hooks.timer import LOOP_TIMER, Timer
from airflow_rollout.release import ReleaseState

__all__ = ["go_back"]

# After the record says 0, the data plane gets this long to show it before the next try.
_SEEN_SECONDS = 30.0


async def go_back(systems: Systems, *, owner: str, reason: str, timer: Timer = LOOP_TIMER) -> Move:
    """Seal the owner's attempt at weight 0, see it in the data plane and remove the canary.

    Nothing to do where the split belongs to somebody else or the release was promoted.

    :raises TransientAdapterError: the record says 0, the data plane does not yet.
    """
    move = await abort(systems, epoch="", owner=owner, reason=reason)
    sealed = move.split
    if sealed is None or sealed.token.owner != owner or sealed.state is not ReleaseState.SEALED:
        return move
    await wait_live(systems, 0, seconds=_SEEN_SECONDS, timer=timer)
    last = await settle(systems, sealed, timer=timer)
    # Looked at last: the attempt after this one may bring the same canary.
    if last.split is not None and last.split.token == sealed.token and sealed.canary is not None:
        await systems.remove(sealed.canary)
    wrote = move.wrote or last.wrote
    return Move(found=move.found, wrote=wrote, reason=move.reason, split=sealed)

"""What a gate knows of the traffic while it judges: is the split still its own, and stop it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from airflow_rollout.errors import AdapterError, PermanentAdapterError, RolloutError
from airflow_rollout.hooks.moves import Move, abort, persist, wait_live
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.hooks.timer import LOOP_TIMER, Timer
from airflow_rollout.record import Attempt, Stop
from airflow_rollout.release import ReleaseState, is_expected
from airflow_rollout.traffic.base import Feature, Lease
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.handover import Handover

__all__ = ["TrafficWatch", "Unconfirmed"]

# A hand edit or a lost record is seen within this time and that of a read, so within five seconds;
# in a crowd within the longer one.
WATCH_SECONDS = 4.0
LONGEST_WATCH_SECONDS = 15.0

# Whoever reads the lease knows within a few of these that nobody watches any more. Readers give up
# after 45 s: in a crowd too one renewal may fail.
LEASE_SECONDS = 10.0
LONGEST_LEASE_SECONDS = 20.0

# How long the data plane may lag behind the record before "written" counts as "not moved". The
# slowest router measured needed 2 s after its own throttle, and over 10 s on a machine with five
# times more work than it could do. Until it follows, the gate holds and nothing passes.
LIVE_GRACE_SECONDS = 30.0

# The write of an abort is repeated for this long by the gate itself. Then its task ends, for the
# rollback task to try too, and `handover` goes on.
STOP_SECONDS = 5.0

# How long the gate looks for weight 0 in the data plane after its write.
_SEEN_SECONDS = 2.0

# One unreadable record may be a file in the middle of somebody's edit; two, a watch apart, are not.
_UNREADABLE_LIMIT = 2


class Unconfirmed(Exception):
    """Say that the split could not be read, so that a PASS has to wait."""


class TrafficWatch:
    """Look at the split of one step and put it back if the gate says so.

    :param weight: what this step wrote (percent).
    :param say: where a line for the log goes.
    :param later_steps: ids of the steps behind this one: a gate that was asleep while the release
        moved on to them leaves them alone.
    :param handover: goes on with a stop that could not be written.
    """

    def __init__(
        self,
        systems: Systems,
        attempt: Attempt,
        *,
        weight: int,
        written_at: float,
        clock: Clock,
        say: Callable[[str], None],
        later_steps: Collection[str] = (),
        handover: Handover | None = None,
        timer: Timer = LOOP_TIMER,
    ) -> None:
        self._systems = systems
        self._attempt = attempt
        self._weight = weight
        self._clock = clock
        self._say = say
        self._written_at = written_at
        self._later_steps = later_steps
        self._handover = handover
        self._timer = timer
        self._unreadable = 0

    async def look(self) -> str:
        """Return what is wrong with the split, empty if nothing is.

        :raises Unconfirmed: it could not be read, or the data plane has not followed yet.
        """
        try:
            found = await self._systems.read_split()
            fault = is_expected(
                found, token=self._attempt.token, canary=self._attempt.canary, weight=self._weight
            )
            # A data plane that lags behind somebody's edit does not hide the edit.
            live = self._weight if fault else await self._systems.live_weight()
        except PermanentAdapterError as error:
            self._unreadable += 1
            if self._unreadable >= _UNREADABLE_LIMIT:
                return f"the router's record cannot be read: {error}"
            raise Unconfirmed(str(error)) from error
        except AdapterError as error:
            raise Unconfirmed(str(error)) from error
        self._unreadable = 0
        if fault or live == self._weight:
            return fault
        if live is None:
            if Feature.READ_BACK in self._systems.router.features:
                raise Unconfirmed("the router does not know the service")
            return ""
        if self._clock.now() - self._written_at > LIVE_GRACE_SECONDS:
            return f"the router works with {live} %, its record says {self._weight} %"
        raise Unconfirmed(f"the router works with {live} % so far")

    async def renew(self) -> None:
        """Leave a sign of life beside the record; its failure is a line in the log."""
        lease = Lease(
            epoch=self._attempt.token.epoch,
            holder=self._attempt.token.owner,
            renewed_at=self._clock.now(),
        )
        try:
            await self._systems.renew_lease(lease)
        except AdapterError as error:
            self._say(f"could not renew the lease: {error}")

    async def _seal(self, reason: str) -> Move:
        token = self._attempt.token
        return await abort(
            self._systems,
            epoch=token.epoch,
            owner=token.owner,
            reason=reason,
            later_steps=self._later_steps,
        )

    async def stop(self, reason: str) -> Stop:
        """Seal the attempt at weight 0; every error is retried for a few seconds and reported.

        Where the fence leaves the split alone (another release's, a later step's) nothing is
        written, and `error` says so.
        """
        stop = Stop(decided_at=self._clock.now())
        tries = 0

        async def write() -> Move:
            nonlocal tries
            tries += 1
            move = await self._seal(reason)
            self._say(f"traffic: {move.reason}")
            return move

        try:
            move = await persist(
                write, seconds=STOP_SECONDS, on_error=self._complain, timer=self._timer
            )
        except Exception as error:  # noqa: BLE001 - the rollback task goes on where this ends
            if self._handover is not None:
                self._handover.begin(lambda: self._seal(reason))
            text = str(error) if isinstance(error, RolloutError) else repr(error)
            return replace(stop, tries=tries, error=text)
        if move.split is None or move.split.state is not ReleaseState.SEALED:
            return replace(stop, tries=tries, error=move.reason)
        written_at = self._clock.now()
        stop = replace(stop, tries=tries, written_at=written_at)
        try:
            await wait_live(self._systems, 0, seconds=_SEEN_SECONDS, timer=self._timer)
        except AdapterError as error:
            return replace(stop, error=str(error))
        return replace(stop, seen_at=self._clock.now())

    def _complain(self, text: str) -> None:
        self._say(f"could not put the traffic back yet: {text}")

    async def confirm(self) -> str:
        """Return what forbids a PASS; waits a moment for a data plane that is still moving."""
        for _ in range(4):
            try:
                return await self.look()
            except Unconfirmed:
                await self._timer.pause(0.1)
        return await self.look()

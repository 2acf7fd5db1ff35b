"""The way back: confirm that all traffic is on stable, remove the canary, say how it ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from airflow_rollout.errors import RolloutError
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.moves import Move, persist
from airflow_rollout.hooks.systems import open_systems
from airflow_rollout.hooks.way_back import DEADLINE_SECONDS, go_back
from airflow_rollout.late import record
from airflow_rollout.operators.base import ReleaseOperator, owner_of, run_async
from airflow_rollout.operators.causes import Cause, collect_pieces, find_cause, task_states
from airflow_rollout.operators.news import OnEvent, check_on_event
from airflow_rollout.release import Outcome, ReleaseState, TrafficSplit, describe, is_stuck
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["RollbackOperator", "WayBackOperator", "is_sealed"]

# Tasks whose pieces tell whether a release of this attempt has ended, by the last part of their id.
_ENDING = ("prepare", "promotion", "rollback")

# How long it is tried before anything else is asked.
_FIRST_SECONDS = 5.0


class WayBackOperator(ReleaseOperator):
    """What `rollback` and `ensure_safe` share: to decide from the router's record alone.

    :param spec: how the service is released.
    :param told_by: tasks whose pieces tell why the release ended; never what to do.
    :param group: tells the rollouts of one DAG apart.
    :param prepare_task_id: the task that opens the release; empty where it is not known.
    :param deadline_seconds: how long the way back is tried.
    :param on_event: who is told when the release has ended, by outcome.
    """

    def __init__(
        self,
        *,
        spec: RolloutSpec,
        told_by: Sequence[str] = (),
        group: str = "",
        prepare_task_id: str = "",
        deadline_seconds: float = DEADLINE_SECONDS,
        on_event: OnEvent | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hold(spec)
        self.told_by = tuple(told_by)
        self.group = group
        self.prepare_task_id = prepare_task_id
        self.deadline_seconds = deadline_seconds
        self.on_event = check_on_event(on_event)
        # The deadline above bounds this task; a timeout from default_args would cut the way back.
        self.execution_timeout = None

    def release_owner(self, context: Context) -> str:
        """Return whose split this task may put back."""
        return owner_of(context, self.group)

    def go_back(self, context: Context, reason: str) -> Move:
        """Return the move after which this release's traffic was safe.

        `wrote` says that this task put it back: now, or in a try before whose write the data
        plane had not followed yet, or whose worker died.

        :raises AirflowFailException: the deadline passed; said loudly and recorded before. Airflow
            repeats the task for a worker that died, not for an hour that was in vain.
        """
        owner = self.release_owner(context)
        try:
            return run_async(self._until_safe(owner, reason, _FIRST_SECONDS))
        except Exception as error:  # noqa: BLE001 - tried again below
            self._complain(_words(error))
        # Asked only now: the way back waits for no answer of Airflow's.
        if self._never_opened(context):
            text = "this run opened no release, and the router cannot be asked"
            return Move(found=None, wrote=False, reason=text, split=None)
        try:
            return run_async(self._until_safe(owner, reason, self.deadline_seconds))
        except Exception as error:
            message = f"FAILED TO ROLL BACK: {_words(error)}. Run `airflow-rollout rollback` now."
            self.tell(context, message)
            end = record.End(
                epoch="", outcome=Outcome.FAILED_TO_ROLL_BACK, reason=message, at=time.time()
            )
            self.push(context, record.Key.END, end)
            self._tell_people(context, end)
            raise AirflowFailException(message) from error

    def _never_opened(self, context: Context) -> bool:
        """Say for sure that this run cannot have raised any weight.

        No promote task raises without what `prepare` pushed. In a cleared run that may be missing
        while an earlier attempt still has traffic; there, and in doubt, the answer is no.
        """
        if not self.prepare_task_id:
            return False
        try:
            if context["dag_run"].clear_number != 0:
                return False
            return (
                self.pull(context, self.prepare_task_id, record.Key.ATTEMPT, record.Attempt) is None
            )
        except Exception:
            self.log.exception("could not ask whether a release was opened")
            return False

    async def _until_safe(self, owner: str, reason: str, seconds: float) -> Move:
        async def once() -> Move:
            async with open_systems(self.spec, airflow_connections()) as systems:
                return await go_back(systems, owner=owner, reason=reason, stuck_stays=True)

        move = await persist(once, seconds=seconds, on_error=self._complain)
        split = move.split
        mine = is_sealed(split, owner) and split.reason == reason
        return replace(move, wrote=move.wrote or mine)

    def _complain(self, text: str) -> None:
        self.log.error("not safe yet: %s", text)

    def end_stuck(self, context: Context, move: Move) -> str:
        """Record that this release's promotion got stuck and return how, empty if it did not."""
        split = move.split
        if split is None or split.token.owner != self.release_owner(context) or not is_stuck(split):
            return ""
        version = split.canary.version if split.canary else "the canary"
        message = (
            f"{split.reason}. All traffic stays on {version}, which was judged at 100 %. Mend it "
            "and clear `promotion`, or run `airflow-rollout rollback`."
        )
        end = record.End(
            epoch=split.token.epoch, outcome=Outcome.FAILED_TO_ROLL_BACK, reason=message,
            at=time.time(),
        )  # fmt: skip
        self.push(context, record.Key.END, end)
        self.tell(context, message, epoch=split.token.epoch)
        self._tell_people(context, end)
        return message

    def end(self, context: Context, move: Move, cause: Cause) -> None:
        """Record how this attempt ended."""
        split = move.split
        epoch = split.token.epoch if is_sealed(split, self.release_owner(context)) else ""
        end = record.End(epoch=epoch, outcome=cause.outcome, reason=cause.reason, at=time.time())
        self.push(context, record.Key.END, end)
        outcome = cause.outcome.replace("_", " ")
        if not epoch:
            text = f"{outcome}, nothing to put back ({move.reason})"
        elif move.wrote:
            text = f"{outcome}: {cause.reason}; now {describe(move.split)}"
        else:
            text = f"{outcome}: confirmed, all traffic is on stable"
        self.tell(context, text, epoch=epoch)
        self._tell_people(context, end)

    def ended_before(self, context: Context) -> record.End | None:
        """Return how another task of this attempt has ended the release, None if none has."""
        try:
            ids = [it for it in self.told_by if it.rpartition(".")[2] in _ENDING]
            return record.find_end(collect_pieces(context, ids, task_states(context)))
        except Exception:
            self.log.exception("could not ask whether the release has been ended")
            return None

    def _tell_people(self, context: Context, end: record.End) -> None:
        """Send the news, unless another task of this attempt has sent the same."""
        if not self.on_event.get(end.outcome.value):
            return
        before = self.ended_before(context)
        if before is None or not before.told or before.outcome is not end.outcome:
            self.send_news(context, end, self.on_event)


class RollbackOperator(WayBackOperator):
    """Put all traffic on the stable version and remove the canary.

    Works from the router's record alone, whatever else is broken; repeated, it finds its work
    done. Retries until `deadline_seconds`, then fails as `failed_to_roll_back`. So it does at once
    where the promotion got stuck: traffic stays on the canary that was judged there.

    :param spec: how the service is released.
    :param told_by: tasks whose pieces tell why the release ended; never what to do.
    :param group: tells the rollouts of one DAG apart.
    :param prepare_task_id: the task that opens the release; empty where it is not known.
    :param deadline_seconds: how long the way back is tried.
    :param on_event: who is told when the release has ended, by outcome.
    """

    def execute(self, context: Context) -> None:
        """Go back, then say why."""
        reason = f"stopped by {self.task_id}"
        move = self.go_back(context, reason)
        if stuck := self.end_stuck(context, move):
            raise AirflowFailException(stuck)
        split = move.split
        if is_sealed(split, self.release_owner(context)) and split.reason not in ("", reason):
            # The gate was here first and left its verdict in the record.
            cause = Cause(outcome=Outcome.ROLLED_BACK, reason=split.reason)
        else:
            cause = find_cause(context, self.spec, self.told_by, self.log, group=self.group)
        self.end(context, move, cause)


def is_sealed(split: TrafficSplit | None, owner: str) -> TypeGuard[TrafficSplit]:
    """Say whether a split is a stopped attempt of this owner's."""
    return (
        split is not None
        and split.token.owner == owner
        and split.state is ReleaseState.SEALED
    )  # fmt: skip


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, RolloutError) else repr(error)

"""The teardown that leaves no release unsafe, however its run ended."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from airflow_rollout.hooks.moves import Move
from airflow_rollout.late import record
from airflow_rollout.operators.causes import Cause, collect_pieces, task_states
from airflow_rollout.operators.rollback import WayBackOperator, is_sealed
from airflow_rollout.release import Outcome, ReleaseState
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["EnsureSafeOperator"]


class EnsureSafeOperator(WayBackOperator):
    """Do what `rollback` would have done where the run ended without it, and close the record.

    Runs when the run was marked failed or success, when tasks were marked or skipped, and after
    every ordinary end, where it finds nothing to do. Fails, and so makes the run red, when the
    release was not promoted although the run would look as if it had been.

    :param spec: how the service is released.
    :param released_task_id: the leaf that is reached only by a promoted release.
    :param told_by: tasks whose pieces make the release's record.
    :param group: tells the rollouts of one DAG apart.
    :param prepare_task_id: the task that opens the release; empty where it is not known.
    :param deadline_seconds: how long the way back is tried.
    :param on_event: who is told when the release has ended, by outcome.
    """

    def __init__(self, *, spec: RolloutSpec, released_task_id: str, **kwargs: Any) -> None:
        super().__init__(spec=spec, **kwargs)
        self.released_task_id = released_task_id

    def execute(self, context: Context) -> None:
        """Make sure that this release is promoted or gone."""
        reason = "the run was ended before it was released"
        move = self.go_back(context, reason)
        if move.wrote:
            self.end(context, move, Cause(outcome=Outcome.ABORTED, reason=reason))
        else:
            self._end_for_others(context, move)
        closed = self._close(context, move)
        if move.wrote:
            raise AirflowFailException(f"{reason}: all traffic was put back on stable")
        if not self._promoted(context, move, closed) and self._looks_released(context):
            raise AirflowFailException(
                f"{self.released_task_id} is marked, but this release was not promoted"
            )

    def _end_for_others(self, context: Context, move: Move) -> None:
        """Say how the release ended where who ended it did not get so far.

        A gate that stopped it leaves that to `rollback`, which may have been marked, or have died.
        """
        split = move.split
        before = self.ended_before(context)
        if before is None:
            self.end_stuck(context, move)
        if not is_sealed(split, self.release_owner(context)):
            return
        if before is None or before.outcome is Outcome.FAILED_TO_ROLL_BACK:
            self.end(context, move, Cause(outcome=Outcome.ROLLED_BACK, reason=split.reason))
        elif not before.told:
            self.send_news(context, before, self.on_event)

    def _promoted(self, context: Context, move: Move, closed: record.ReleaseRecord | None) -> bool:
        split = move.split
        if split is not None and split.token.owner == self.release_owner(context):
            return split.state is ReleaseState.RELEASED
        # Another release has opened since; only this run's own record still tells.
        return closed is not None and closed.outcome is Outcome.PROMOTED

    def _looks_released(self, context: Context) -> bool:
        try:
            state = task_states(context).get(self.released_task_id, "")
        except Exception:
            self.log.exception("could not ask for the state of %s", self.released_task_id)
            return False
        return state in ("success", "skipped")

    def _close(self, context: Context, move: Move) -> record.ReleaseRecord | None:
        """Push and return the whole record of this release; its failure changes nothing."""
        try:
            ti = context["ti"]
            told_by = (*self.told_by, self.task_id)
            pieces = collect_pieces(context, told_by, task_states(context))
            if not any(record.Key.ATTEMPT in it for it in pieces.values()):
                self._tell_opening(context, move, pieces)
            closed = record.assemble(pieces, dag_id=ti.dag_id, run_id=ti.run_id)
            if closed is not None:
                ti.xcom_push(key=record.Key.RECORD.value, value=closed.to_builtins())
        except Exception:
            self.log.exception("could not close the record")
            return None
        return closed

    def _tell_opening(
        self, context: Context, move: Move, pieces: dict[str, dict[str, Any]]
    ) -> None:
        """Push the piece of a `prepare` that was ended after its write, before it could say so.

        Read from the router's record; the run's start stands for when it was opened.
        """
        split = move.split
        if not is_sealed(split, self.release_owner(context)) or split.canary is None:
            return
        began = context["dag_run"].start_date
        attempt = record.Attempt(
            token=split.token,
            canary=split.canary,
            stable=split.stable,
            opened_at=began.timestamp() if began else 0.0,
        )
        self.push(context, record.Key.ATTEMPT, attempt)
        pieces.setdefault(self.task_id, {})[record.Key.ATTEMPT] = record.to_piece(attempt)

"""What the tasks of a release share: the spec, the pieces of the record, the link to its page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from airflow.sdk import BaseOperator, Context
from airflow.sdk.bases.notifier import BaseNotifier
from airflow.sdk.exceptions import AirflowFailException

from airflow_rollout.errors import (
    PermanentAdapterError,
    ReleaseRefused,
    RolloutError,
    SpecError,
)
from airflow_rollout.hooks.links import ReleaseRecordLink, release_url
from airflow_rollout.late import record
from airflow_rollout.operators.news import TIMEOUT_SECONDS, send
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["ReleaseOperator", "owner_of", "run_async"]

T = TypeVar("T")


def owner_of(context: Context, group: str) -> str:
    """Return the release's name across its attempts.

    `group` tells the rollouts of one DAG apart; it is empty where the DAG is one rollout.
    """
    run = context["dag_run"]
    owner = f"{run.dag_id}/{run.run_id}"
    return f"{owner}/{group}" if group else owner


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run adapter code, which is async for the triggerer's sake, in a worker."""
    return asyncio.run(work)


class ReleaseOperator(BaseOperator):
    """Hold the spec and write this task's piece of the release's record.

    The spec is never a template field: Jinja would eat the placeholders of its queries.
    """

    operator_extra_links = (ReleaseRecordLink(),)

    def hold(self, spec: RolloutSpec) -> None:
        """Take the spec; called by each task's `__init__`.

        Not an `__init__` of its own: Airflow works through all defaults once for every class of
        a task that has one, and a rollout has two dozen tasks.
        """
        self.spec = spec
        # What a default_args of the user's may not change: a release that waits for an earlier
        # run's task would leave traffic where nobody judges it.
        self.depends_on_past = False
        self.wait_for_downstream = False
        self._events: list[record.Event] = []

    def tell(self, context: Context, text: str, *, epoch: str = "") -> None:
        """Say what happened: in the log now, in the release's record at once."""
        self.log.info("%s", text)
        event = record.Event(at=time.time(), task=self.task_id, text=text, epoch=epoch)
        self._events.append(event)
        context["ti"].xcom_push(
            key=record.Key.EVENTS.value, value=record.events_piece(self._events)
        )

    def push(self, context: Context, key: record.Key, piece: object) -> None:
        """Push this task's piece of the record."""
        context["ti"].xcom_push(key=key.value, value=record.to_piece(piece))

    def send_news(
        self, context: Context, end: record.End, on_event: Mapping[str, Sequence[BaseNotifier]]
    ) -> None:
        """Tell people how the release ended; only after everything that makes it so is done.

        Another try of the task does not tell them again. One whose worker died while it told them
        does: better twice than never.
        """
        notifiers = on_event.get(end.outcome.value)
        if not notifiers:
            return
        run = context["dag_run"]
        # Survives a try, and a clear, which is a new attempt.
        said = f"news of {end.outcome} in attempt {run.clear_number}"
        lines = self._remembered(context, said)
        if lines is None:
            release = {
                "outcome": end.outcome.value,
                "reason": end.reason,
                "rollout": self.spec.name,
                "namespace": self.spec.namespace,
                "run_id": run.run_id,
                "url": release_url(run.dag_id, run.run_id),
            }
            lines = send(notifiers, context, release, timeout_seconds=TIMEOUT_SECONDS)
            self._remember(context, said, lines)
        for line in lines:
            self.tell(context, line, epoch=end.epoch)
        self.push(context, record.Key.END, replace(end, told=True))

    def _remembered(self, context: Context, key: str) -> list[str] | None:
        try:
            found = context["task_state_store"].get(key)
        except Exception:
            self.log.exception("could not ask whether an earlier try has told")
            return None
        return [str(line) for line in found] if isinstance(found, list) else None

    def _remember(self, context: Context, key: str, lines: list[str]) -> None:
        try:
            context["task_state_store"].set(key, list(lines))
        except Exception:
            self.log.exception("another try of this task would tell again")

    def pull(self, context: Context, task_id: str, key: record.Key, kind: type[T]) -> T | None:
        """Return another task's piece, None if it has none that can be read.

        :raises PermanentAdapterError: the piece is of another schema.
        """
        piece = context["ti"].xcom_pull(task_ids=task_id, key=key.value)
        fault = record.schema_fault(piece)
        if fault:
            raise PermanentAdapterError(f"the {key} piece of {task_id} {fault}", system="record")
        return record.from_piece(piece, kind)

    def attempt(self, context: Context, prepare_task_id: str) -> record.Attempt:
        """Return what `prepare` opened in this run, in the name of the spec this task has.

        The fence compares its digest with the one in the router's record: a DAG file that was
        changed in mid-release gives later tasks another spec than the one that was begun.

        :raises AirflowFailException: it opened nothing, for example because it was marked success;
            or another version of this package did.
        """
        with self.telling(context, "going on with this release", ""):
            attempt = self.pull(context, prepare_task_id, record.Key.ATTEMPT, record.Attempt)
        if attempt is None:
            text = f"{prepare_task_id} opened no release in this run"
            self.tell(context, text)
            raise AirflowFailException(text)
        return replace(attempt, token=replace(attempt.token, digest=self.spec.digest()))

    @contextmanager
    def telling(self, context: Context, what: str, epoch: str) -> Iterator[None]:
        """Put what goes wrong inside into the record; what no repetition mends ends the task.

        :raises AirflowFailException: a refusal or a permanent failure; others go on as they are.
        """
        try:
            yield
        except RolloutError as error:
            final = isinstance(error, (ReleaseRefused, PermanentAdapterError, SpecError))
            self.tell(context, f"{what} {'refused' if final else 'failed'}: {error}", epoch=epoch)
            if final:
                raise AirflowFailException(str(error)) from error
            raise

"""Follow one release: what its tasks say, as lines, until the run has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import ApiNotFound
from airflow_rollout.cli.airflow_values import DagRun, TaskInstance
from airflow_rollout.record import Key, ReleaseRecord, assemble_all

__all__ = ["Line", "ReleaseWatch", "follow", "read_record", "read_records"]

_POLL_SECONDS = 1.0
# States a person wants to hear of; what tasks do when all goes well they say themselves.
_TROUBLE = {
    "failed": "failed",
    "up_for_retry": "failed and will be tried again",
    "restarting": "was cleared while it ran",
}
_READ_KEYS = frozenset(Key) - {Key.CHECKPOINT, Key.RECORD, Key.SERIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened; `at` in epoch seconds.

    `what` is `run` (the run's state), `task` (a task's trouble), `event` (a line of the record's
    timeline) or `verdict` (what a gate knows now).
    """

    at: float
    task: str
    what: str
    text: str


class ReleaseWatch:
    """Know what has been said of a release already, and ask for what is new."""

    def __init__(self, api: AirflowApi, dag_id: str, run_id: str) -> None:
        self._api = api
        self._dag_id = dag_id
        self._run_id = run_id
        self._read: dict[tuple[str, str], datetime] = {}
        self._pieces: dict[str, dict[str, Any]] = {}
        self._said: set[tuple[str, str, str]] = set()
        self._tries: dict[str, tuple[str, int]] = {}
        self._run_state = ""
        self.records: list[ReleaseRecord] = []

    @property
    def record(self) -> ReleaseRecord | None:
        """Return the record of the run's first rollout, None while it has said nothing."""
        return self.records[0] if self.records else None

    def poll(self) -> tuple[DagRun, list[Line]]:
        """Return the run and what is new, oldest first."""
        # The run first: what its tasks pushed before it ended is then seen by the last poll.
        run = self._api.run(self._dag_id, self._run_id)
        lines = [*self._run_lines(run), *self._task_lines(run)]
        self._read_pieces()
        self.records = assemble_all(self._pieces, dag_id=self._dag_id, run_id=self._run_id)
        lines += self._record_lines()
        return run, sorted(lines, key=lambda line: line.at)

    def _run_lines(self, run: DagRun) -> list[Line]:
        if run.state == self._run_state:
            return []
        self._run_state = run.state
        texts = {"queued": "waits for its turn", "running": "runs"}
        moment = run.end_date or run.start_date or run.queued_at
        at = moment.timestamp() if moment else time.time()
        text = texts.get(run.state, f"ended as {run.state}")
        return [Line(at=at, task="", what="run", text=f"run {run.run_id} {text}")]

    def _task_lines(self, run: DagRun) -> list[Line]:
        lines = []
        for task in self._api.task_instances(run.dag_id, run.run_id):
            if self._is_news(task):
                at = task.end_date.timestamp() if task.end_date else time.time()
                text = _TROUBLE[task.state]
                lines.append(Line(at=at, task=task.task_id, what="task", text=text))
        return lines

    def _is_news(self, task: TaskInstance) -> bool:
        now = (task.state, task.try_number)
        before = self._tries.get(task.task_id)
        self._tries[task.task_id] = now
        return now != before and task.state in _TROUBLE

    def _read_pieces(self) -> None:
        for entry in self._api.xcom_entries(self._dag_id, self._run_id):
            name = (entry.task_id, entry.key)
            if entry.key not in _READ_KEYS or self._read.get(name) == entry.timestamp:
                continue
            try:
                value = self._api.xcom(self._dag_id, self._run_id, *name)
            except ApiNotFound:
                continue  # cleared between the two questions
            self._read[name] = entry.timestamp
            self._pieces.setdefault(entry.task_id, {})[entry.key] = value

    def _record_lines(self) -> list[Line]:
        lines = [
            Line(at=event.at, task=event.task, what="event", text=event.text)
            for record in self.records
            for event in record.timeline
        ]
        for record in self.records:
            for gate in record.gates:
                judgement = gate.judgement
                lines.append(
                    Line(at=judgement.at, task=gate.step_id, what="verdict", text=judgement.reason)
                )
        return [line for line in lines if self._say_once(line)]

    def _say_once(self, line: Line) -> bool:
        # A gate's last sentence is its verdict and an event of the timeline too.
        name = (line.task.split(".")[0], line.text, f"{line.at:.3f}")
        if name in self._said:
            return False
        self._said.add(name)
        return True


def follow(
    api: AirflowApi,
    dag_id: str,
    run_id: str,
    on_line: Callable[[Line], object],
    *,
    timeout_seconds: float | None = None,
) -> tuple[DagRun, ReleaseRecord | None]:
    """Report each line as it comes until the run has ended; return the run and its record.

    `TimeoutError` when the run does not end in time; it is left alone.
    """
    watch = ReleaseWatch(api, dag_id, run_id)
    start = time.monotonic()
    while True:
        run, lines = watch.poll()
        for line in lines:
            on_line(line)
        if run.has_ended:
            return run, watch.record
        if timeout_seconds is not None and time.monotonic() - start > timeout_seconds:
            raise TimeoutError(f"{run_id} is still {run.state} after {timeout_seconds:g} s")
        time.sleep(_POLL_SECONDS)


def read_records(api: AirflowApi, dag_id: str, run_id: str) -> list[ReleaseRecord]:
    """Return what the rollouts of a run have left behind until now."""
    watch = ReleaseWatch(api, dag_id, run_id)
    watch.poll()
    return watch.records


def read_record(api: AirflowApi, dag_id: str, run_id: str) -> ReleaseRecord | None:
    """Return what a run's first rollout has left behind until now, None while that is nothing."""
    records = read_records(api, dag_id, run_id)
    return records[0] if records else None

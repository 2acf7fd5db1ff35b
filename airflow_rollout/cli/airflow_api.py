"""What the command line asks of Airflow's REST API v2, in words of releases."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from airflow_rollout.cli.airflow_session import AirflowSession, ApiConflict, ApiNotFound
from airflow_rollout.cli.airflow_values import DagRun, Raw, TaskInstance, XComEntry

__all__ = ["AirflowApi"]

# The API gives at most this many at once whatever is asked for; [api] maximum_page_limit.
_PAGE = 100
_POLL_SECONDS = 1.0


class AirflowApi:
    """Start, watch and steer runs.

    All methods raise `ApiRefused` or one of its kin (`ApiNotFound`, `ApiConflict`,
    `ApiForbidden`) with the API's reason, or `ApiUnavailable` when it stays out of reach.
    """

    def __init__(self, session: AirflowSession) -> None:
        self.session = session

    @property
    def url(self) -> str:
        """Return the base URL of the Airflow."""
        return self.session.url

    def run_url(self, dag_id: str, run_id: str) -> str:
        """Return the page of a run in the UI."""
        return f"{self.url}/dags/{_quoted(dag_id)}/runs/{_quoted(run_id)}"

    def health(self, *, retry_seconds: float = 0.0) -> Raw:
        """Return what Airflow says about its components; needs a login like everything else."""
        return self._get("/monitor/health", retry_seconds=retry_seconds)

    def has_dag(self, dag_id: str) -> bool:
        """Tell whether Airflow knows this DAG and its file is still there."""
        try:
            return not self.dag(dag_id)["is_stale"]
        except ApiNotFound:
            return False

    def dag(self, dag_id: str) -> Raw:
        """Return what Airflow says about a DAG."""
        return self._get(f"/dags/{_quoted(dag_id)}")

    def pause(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause a DAG or let it run again."""
        path = f"/api/v2/dags/{_quoted(dag_id)}"
        self.session.send("PATCH", path, body={"is_paused": is_paused})

    def import_errors(self) -> dict[str, str]:
        """Return the DAG files that cannot be read, with their tracebacks."""
        found = self._pages("/importErrors", "import_errors")
        return {error["filename"]: error["stack_trace"] for error in found}

    def trigger(
        self, dag_id: str, *, run_id: str, conf: Mapping[str, Any], note: str | None = None
    ) -> DagRun:
        """Start a run under an id of the caller's.

        The id makes it safe to ask twice: a run that is there already with the same conf is
        returned as it is; with another conf it is an `ApiConflict`.
        """
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf), "note": note}
        try:
            raw = self.session.send("POST", f"/api/v2/dags/{_quoted(dag_id)}/dagRuns", body=body)
        except ApiConflict as error:
            there = self.run(dag_id, run_id)
            if there.conf == dict(conf):
                return there
            raise ApiConflict(
                f"run {run_id} of {dag_id} exists already with other values: {there.conf}",
                status=error.status,
            ) from error
        return DagRun.from_raw(raw)

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a run."""
        return DagRun.from_raw(self._get(_run_path(dag_id, run_id)))

    def runs(self, dag_id: str, *, limit: int = 10) -> list[DagRun]:
        """Return the latest runs of a DAG, the youngest first."""
        path = f"/dags/{_quoted(dag_id)}/dagRuns"
        found = self._get(path, {"limit": limit, "order_by": "-run_after"})
        return [DagRun.from_raw(raw) for raw in found["dag_runs"]]

    def wait(self, dag_id: str, run_id: str, *, timeout_seconds: float) -> DagRun:
        """Wait for a run's end and return it; `TimeoutError` when it does not come."""
        deadline = time.monotonic() + timeout_seconds
        while not (run := self.run(dag_id, run_id)).has_ended:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{run_id} is still {run.state} after {timeout_seconds:g} s")
            time.sleep(_POLL_SECONDS)
        return run

    def set_run_state(self, dag_id: str, run_id: str, state: str, *, note: str = "") -> DagRun:
        """Mark a run `success`, `failed` or `queued`."""
        body = {"state": state, **({"note": note} if note else {})}
        return DagRun.from_raw(
            self.session.send("PATCH", f"/api/v2{_run_path(dag_id, run_id)}", body=body)
        )

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear all tasks of a run: it starts again from the first one."""
        body = {"dry_run": False, "only_failed": False}
        self.session.send("POST", f"/api/v2{_run_path(dag_id, run_id)}/clear", body=body)

    def clear_tasks(
        self, dag_id: str, run_id: str, task_ids: Iterable[str], *, downstream: bool = False
    ) -> None:
        """Clear some tasks of a run."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "include_downstream": downstream,
        }
        self.session.send("POST", f"/api/v2/dags/{_quoted(dag_id)}/clearTaskInstances", body=body)

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return all tasks of a run."""
        found = self._pages(f"{_run_path(dag_id, run_id)}/taskInstances", "task_instances")
        return [TaskInstance.from_raw(raw) for raw in found]

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the state of each task by its id."""
        return {task.task_id: task.state for task in self.task_instances(dag_id, run_id)}

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task `success`, `failed` or `skipped`."""
        path = f"/api/v2{_run_path(dag_id, run_id)}/taskInstances/{_quoted(task_id)}"
        self.session.send("PATCH", path, body={"new_state": state})

    def task_log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1) -> str:
        """Return a task's log as text, one line an event."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{_quoted(task_id)}/logs/{try_number}"
        return "\n".join(_log_line(line) for line in self._get(path)["content"])

    def xcom_entries(self, dag_id: str, run_id: str) -> list[XComEntry]:
        """Return the names of all values that the tasks of a run have pushed."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/~/xcomEntries"
        return [XComEntry.from_raw(raw) for raw in self._pages(path, "xcom_entries")]

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int = -1) -> Any:
        """Return one value that a task has pushed."""
        path = (
            f"{_run_path(dag_id, run_id)}/taskInstances/{_quoted(task_id)}"
            f"/xcomEntries/{_quoted(key)}"
        )
        return self._get(path, {"map_index": map_index})["value"]

    def _get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        retry_seconds: float | None = None,
    ) -> Raw:
        raw: Raw = self.session.send(
            "GET", f"/api/v2{path}", params=params, retry_seconds=retry_seconds
        )
        return raw

    def _pages(self, path: str, name: str) -> list[Raw]:
        found: list[Raw] = []
        while True:
            page = self._get(path, {"limit": _PAGE, "offset": len(found)})[name]
            found.extend(page)
            if len(page) < _PAGE:
                return found


def _log_line(line: object) -> str:
    if not isinstance(line, dict):
        return str(line)
    errors = line.get("error_detail") or ()
    causes = [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in errors]
    return "; ".join([str(line.get("event", line)), *causes])


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{_quoted(dag_id)}/dagRuns/{_quoted(run_id)}"


def _quoted(text: str) -> str:
    return quote(text, safe="")

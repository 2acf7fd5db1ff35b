"""What Airflow's REST API says about runs, tasks and XComs, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

__all__ = ["DagRun", "TaskInstance", "XComEntry"]

_RUN_ENDS = frozenset({"success", "failed"})
_TASK_ENDS = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})

# The API's JSON, whose shape is checked where it becomes one of the values below.
Raw = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DagRun:
    """One run of a DAG."""

    dag_id: str
    run_id: str
    state: str
    conf: Raw
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    note: str

    @property
    def has_ended(self) -> bool:
        """Tell whether Airflow is done with the run."""
        return self.state in _RUN_ENDS

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read the API's shape; KeyError when it is another one."""
        return cls(
            dag_id=raw["dag_id"],
            run_id=raw["dag_run_id"],
            state=raw["state"],
            conf=raw.get("conf") or {},
            queued_at=_time(raw.get("queued_at")),
            start_date=_time(raw.get("start_date")),
            end_date=_time(raw.get("end_date")),
            note=raw.get("note") or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInstance:
    """One task of a run; `state` is empty while Airflow has not looked at it."""

    task_id: str
    map_index: int
    state: str
    try_number: int
    start_date: datetime | None
    end_date: datetime | None

    @property
    def has_ended(self) -> bool:
        """Tell whether the task is done, in whatever way."""
        return self.state in _TASK_ENDS

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read the API's shape; KeyError when it is another one."""
        return cls(
            task_id=raw["task_id"],
            map_index=raw["map_index"],
            state=raw["state"] or "",
            try_number=raw["try_number"],
            start_date=_time(raw.get("start_date")),
            end_date=_time(raw.get("end_date")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class XComEntry:
    """Name and time of a value that a task pushed; the value is asked for by itself."""

    task_id: str
    map_index: int
    key: str
    timestamp: datetime

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read the API's shape; KeyError when it is another one."""
        return cls(
            task_id=raw["task_id"],
            map_index=raw["map_index"],
            key=raw["key"],
            timestamp=datetime.fromisoformat(raw["timestamp"]),
        )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

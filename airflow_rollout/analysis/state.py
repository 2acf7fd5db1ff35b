"""The form in which a gate's knowledge goes from process to process and from gate to gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_rollout.errors import RolloutError

__all__ = ["SCHEMA", "StateMismatch", "check_schema"]

# Raise it with every change of the shape; a release never outlives an upgrade of this package
# unnoticed.
SCHEMA = 4


class StateMismatch(RolloutError):
    """Say that a saved state cannot be continued, and why.

    The caller decides: start anew and say that the evidence so far is lost, or stop.
    """


def check_schema(state: Mapping[str, Any]) -> None:
    """Refuse a state of another schema; raises `StateMismatch`."""
    found = state.get("schema") if isinstance(state, Mapping) else None
    if found != SCHEMA:
        raise StateMismatch(
            f"the saved state of the judge has schema {found!r}, this version reads {SCHEMA}; "
            "it was saved by another version of airflow_rollout"
        )

"""The neutral description of a rollout that every dialect ends in.

Frozen values only. Built by a dialect, read by everything to the left of `spec`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from airflow_rollout.analysis.parameters import JudgeParams

__all__ = ["MetricSource", "OnBusy", "RolloutSpec", "Step", "TrafficRef", "WorkloadRef"]

Options = tuple[tuple[str, str], ...]


class OnBusy(StrEnum):
    """What a new release does while another one of the same service runs."""

    QUEUE = "queue"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One planned weight (percent, 1-100) and how long it is judged at least (seconds)."""

    weight: int
    hold_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRef:
    """What is released: registry key, name and the adapter's own options."""

    kind: str
    name: str
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRef:
    """What moves the traffic: registry key, service name at the router, Airflow connection."""

    router: str
    service: str
    conn_id: str
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSource:
    """Where metrics come from; `every_seconds` is the resolution of the comparison."""

    provider: str
    conn_id: str
    every_seconds: float
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSpec:
    """How a service is released.

    `steps` do not include the full step: after the last one the canary carries all traffic for
    `verify_seconds` and is judged there before it becomes stable.
    `ignored` are paths of fields that were parsed and are not executed because the caller said so;
    `unsupported` are those nobody agreed to (lint lists them, `rollout_dag` refuses them).
    `file` is where the spec came from; it is not part of the digest.
    """

    name: str
    namespace: str
    dialect: str
    workload: WorkloadRef
    traffic: TrafficRef
    source: MetricSource
    steps: tuple[Step, ...]
    verify_seconds: float
    judge: JudgeParams
    on_busy: OnBusy = OnBusy.QUEUE
    ready_timeout_seconds: float = 600.0
    ignored: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    file: str | None = None

    def to_builtins(self) -> dict[str, Any]:
        """Return JSON-ready values; `from_builtins` reads them back."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]

    @classmethod
    def from_builtins(cls, data: dict[str, Any]) -> RolloutSpec:
        """Rebuild a spec from `to_builtins`; a foreign shape is a `msgspec.ValidationError`."""
        return msgspec.convert(data, cls)

    def digest(self) -> str:
        """Return 16 hex digits that change with anything that changes how a release runs."""
        data = self.to_builtins()
        data.pop("file")
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

"""The neutral description of a rollout that every dialect ends in.

Frozen values only. Built by a dialect, read by everything to the left of `spec`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec

from airflow_rollout.analysis.parameters import JudgeParams, Semantics
from airflow_rollout.errors import SpecError

__all__ = [
    "LARGEST_DISPERSION",
    "SHORTEST_INTERVAL_SECONDS",
    "MetricSource",
    "OnBusy",
    "Options",
    "RolloutSpec",
    "Step",
    "TrafficRef",
    "WorkloadRef",
]

Options = tuple[tuple[str, str], ...]

# Below a second the checks would outrun the metric sources.
SHORTEST_INTERVAL_SECONDS = 1.0
# Above this the comparison could never decide within a release.
LARGEST_DISPERSION = 1000.0


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
        # Through JSON and back: `msgspec.to_builtins` leaves tuples, which Airflow would wrap in
        # its own serialization.
        return msgspec.json.decode(msgspec.json.encode(self), type=dict[str, Any])

    @classmethod
    def from_builtins(cls, data: dict[str, Any]) -> RolloutSpec:
        """Rebuild a spec from `to_builtins`; a foreign shape is a `msgspec.ValidationError`."""
        return msgspec.convert(data, cls)

    def overridden(
        self, *, interval_seconds: float | None, dispersion: float | None
    ) -> RolloutSpec:
        """Return the spec as one release runs it; None leaves a value as it is.

        A release may be hurried, never slowed: the DAG's timeouts are planned for the spec's own
        interval. Flagger holds each weight for one interval, so there the holds follow it.

        :raises SpecError: an interval outside 1 s (or the source's own resolution, if that is
            longer) to the spec's own interval, or a dispersion below 1.
        """
        spec = self
        if interval_seconds is not None:
            spec = _hurried(spec, interval_seconds)
        if dispersion is not None:
            spec = _dispersed(spec, dispersion)
        return spec

    def digest(self) -> str:
        """Return 16 hex digits that change with anything that changes how a release runs."""
        data = self.to_builtins()
        data.pop("file")
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hurried(spec: RolloutSpec, seconds: float) -> RolloutSpec:
    longest = spec.judge.interval_seconds
    shortest = min(max(SHORTEST_INTERVAL_SECONDS, spec.source.every_seconds), longest)
    # Written so that NaN is refused as well.
    if not shortest <= seconds <= longest:
        raise SpecError(
            "a release's interval must lie within the rollout's own",
            file=spec.file,
            path="interval",
            found=seconds,
            allowed=f"{shortest:g}s to {longest:g}s",
        )
    hurried = replace(spec, judge=replace(spec.judge, interval_seconds=seconds))
    # A native file may ask for Flagger's counters; its holds are its own all the same.
    if spec.dialect != Semantics.FLAGGER:
        return hurried
    steps = tuple(replace(step, hold_seconds=seconds) for step in spec.steps)
    return replace(hurried, steps=steps, verify_seconds=seconds)


def _dispersed(spec: RolloutSpec, dispersion: float) -> RolloutSpec:
    if not 1 <= dispersion <= LARGEST_DISPERSION:
        raise SpecError(
            "the dispersion of counts is at least 1",
            file=spec.file,
            path="dispersion",
            found=dispersion,
            allowed=f"1 to {LARGEST_DISPERSION:g}",
        )
    comparison = replace(spec.judge.comparison, dispersion=dispersion)
    return replace(spec, judge=replace(spec.judge, comparison=comparison))

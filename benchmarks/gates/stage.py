"""The releases whose gates are measured: opened at the router, as their tasks would do it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from airflow_rollout.analysis.parameters import JudgeParams, Metric, Question, Semantics, Threshold
from airflow_rollout.hooks.connection import static_connections
from airflow_rollout.hooks.systems import open_router
from airflow_rollout.record import Attempt, StepStart, to_piece
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.spec.model import MetricSource, RolloutSpec, Step, TrafficRef, WorkloadRef

__all__ = ["EVERY_SECONDS", "QUESTIONS", "WEIGHT", "connections", "workload"]

QUESTIONS = 50
EVERY_SECONDS = 15.0
WEIGHT = 10

# A gate that ends within the measurement would make room for the others.
_HOLD_SECONDS = 3600.0


def connections(base: str, home: Path) -> dict[str, dict[str, Any]]:
    """Return the connections as Airflow's supervisor hands them out."""
    known = {
        "host": base, "extra": "{}",
        "schema": None, "login": None, "password": None, "port": None,
    }  # fmt: skip
    directory = json.dumps({"directory": str(home)})
    return {
        "router": {**known, "conn_id": "router", "conn_type": "traefik", "extra": directory},
        "metrics": {**known, "conn_id": "metrics", "conn_type": "prometheus"},
    }


async def workload(
    number: int, base: str, canary: str, home: Path, fernet: Fernet
) -> dict[str, Any]:
    """Open a release and return its gate as Airflow would start it.

    :param base: the address of everything else that gates talk to.
    :param canary: the address of its new version.
    :param home: the directory of the router's files.
    """
    spec, now = _spec(number), time.time()
    token = Token(epoch=spec.name, owner=spec.name, digest=spec.digest())
    arms = [Arm(version="v1", target=base), Arm(version="v2", target=canary)]
    split = TrafficSplit(
        service=spec.name, stable=arms[0], canary=arms[1], weight=WEIGHT,
        state=ReleaseState.OPEN, token=token,
    )  # fmt: skip
    router = json.dumps(connections(base, home)["router"])
    async with open_router(spec, static_connections({"router": router})) as systems:
        await systems.write_split(replace(split, weight=0), None)
        await systems.write_split(split, replace(split, weight=0))
    attempt = Attempt(token=token, canary=arms[1], stable=arms[0], opened_at=now)
    start = StepStart(
        attempt=attempt, step_id="step_01", weight=WEIGHT, written_at=now, release_started_at=now
    )
    kwargs = {
        "spec": spec.to_builtins(),
        "step_id": "step_01",
        "promote_task_id": "step_01.promote",
        "start": to_piece(start),
        "task": {"dag_id": spec.name, "run_id": spec.name, "task_id": "step_01.gate"},
    }
    return {
        "id": number + 1,
        "classpath": "airflow_rollout.triggers.gate.GateTrigger",
        "encrypted_kwargs": fernet.encrypt(json.dumps(kwargs).encode()).decode(),
        "type": "RunTrigger",
    }


def _spec(number: int) -> RolloutSpec:
    metric = Metric(
        name="queue", question=Question.VALUE, threshold=Threshold(maximum=5.0), compare=False,
        query=f'sum(queue{{shard="{number % QUESTIONS}"}})',
    )  # fmt: skip
    name = f"service-{number:04d}"
    return RolloutSpec(
        name=name, namespace="bench", dialect="native",
        workload=WorkloadRef(kind="endpoints", name=name),
        traffic=TrafficRef(router="traefik_file", service=name, conn_id="router"),
        source=MetricSource(provider="prometheus", conn_id="metrics", every_seconds=EVERY_SECONDS),
        steps=(Step(weight=WEIGHT, hold_seconds=_HOLD_SECONDS),),
        verify_seconds=_HOLD_SECONDS,
        judge=JudgeParams(
            semantics=Semantics.NATIVE, metrics=(metric,), interval_seconds=EVERY_SECONDS,
            failure_limit=5,
        ),
    )  # fmt: skip

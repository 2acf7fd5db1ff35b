"""Run in a fresh interpreter: import, load files, and print the times as JSON.

It imports nothing but of the standard library before the clock starts, and is run by its path,
so that nothing of the project is loaded beforehand. Arguments: `package`, or `files` and the
rollout files in the order in which they are loaded, or `control`.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any

# What a Flagger file cannot say, as in `dags/payment_service.py`.
_SAID: dict[str, Any] = {
    "workload": "endpoints",
    "workload_options": {"health_path": "/healthz"},
    "router": "traefik_file",
    "router_conn_id": "traefik_default",
    "provider": "scrape",
    "provider_conn_id": "traefik_metrics",
    "every": "1s",
    "dispersion": 1,
}

_PLAIN_DAGS = 100
_BEFORE_STEPS = ("start", "prepare", "deploy", "ready")


def now() -> tuple[float, float]:
    """Return the wall clock and this process's processor time."""
    return time.perf_counter(), time.process_time()


def between(start: tuple[float, float], end: tuple[float, float]) -> dict[str, float]:
    """Return the seconds between two readings."""
    return {"wall": end[0] - start[0], "cpu": end[1] - start[1]}


def import_package() -> dict[str, Any]:
    """Time the import of the package and say what of Airflow came with it."""
    start = now()
    import airflow_rollout  # noqa: F401 - this import is what is measured

    took = between(start, now())
    found = [name for name in sys.modules if name.partition(".")[0] == "airflow"]
    return {"package": took, "airflow_modules": found}


def load_files(files: list[str]) -> dict[str, Any]:
    """Time Airflow's SDK, the factory beyond it, and file after file."""
    start = now()
    import airflow.sdk  # noqa: F401 - what every DAG file has imported anyway

    sdk = now()
    from airflow_rollout import rollout_dag

    factory = now()
    # Kept, as one DAG file with all of them would keep them.
    dags, marks = [], [factory]
    for file in files:
        dags.append(rollout_dag(file, **_SAID))
        marks.append(now())
    return {
        "sdk": between(start, sdk),
        "factory": between(sdk, factory),
        "first_file": between(marks[0], marks[1]),
        "loaded": [between(marks[1], mark) for mark in marks[2:]],
        "dags": len({dag.dag_id for dag in dags}),
    }


def load_plain_dags() -> dict[str, Any]:
    """Time what Airflow itself needs: for any first DAG with a trigger, and for each further one.

    The further ones have as many tasks, sensors and groups as the example's, and nothing in them.
    """
    import airflow.sdk

    start = now()
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.triggers.base import StartTriggerArgs  # noqa: F401 - as such a sensor imports it

    with airflow.sdk.DAG("plain", schedule=None):
        EmptyOperator(task_id="only")
    first = now()
    dags = [_plain_dag(f"plain-{number}") for number in range(_PLAIN_DAGS)]
    return {"control": between(start, first), "control_dags": between(first, now()),
            "control_count": len(dags)}  # fmt: skip


def _plain_dag(dag_id: str) -> Any:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG, BaseSensorOperator, TaskGroup

    with DAG(dag_id, schedule=None) as dag:
        tasks: list[Any] = [EmptyOperator(task_id=name) for name in _BEFORE_STEPS]
        for step in range(1, 7):
            with TaskGroup(f"step_{step:02d}"):
                tasks += [EmptyOperator(task_id="promote"), BaseSensorOperator(task_id="gate")]
        tasks += [EmptyOperator(task_id=name) for name in ("promotion", "released")]
        for earlier, later in itertools.pairwise(tasks):
            earlier >> later
        rollback = EmptyOperator(task_id="rollback", trigger_rule="one_failed")
        tasks[1:-1] >> rollback
        [tasks[-2], rollback] >> EmptyOperator(task_id="ensure_safe")
    return dag


def main(arguments: list[str]) -> None:
    """Do what was asked and print it."""
    if arguments[0] == "package":
        answer = import_package()
    elif arguments[0] == "control":
        answer = load_plain_dags()
    else:
        answer = load_files(arguments[1:])
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])

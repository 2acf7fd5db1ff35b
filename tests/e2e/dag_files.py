"""DAG files of the labs: one for each service, so that no task reads what it does not run."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab_options import OPTIONS

__all__ = ["DOCUMENTS", "PARSED_WHEN_CHANGED", "write_all_dags", "write_dags"]

_HERE = Path(__file__).parent

# The rollouts of all services; each gets a copy of its own.
DOCUMENTS = _HERE / "documents"

# Of Airflow's section `dag_processor`. What has changed is read at once in any case; to read fifty
# files again every 30 s would take half of two processor cores.
PARSED_WHEN_CHANGED = {"min_file_process_interval": 3600}

_WHOLE = (
    "promoted", "errors", "hotfix", "latency", "crash", "gate-failed", "gate-success", "run-failed",
    "run-success", "cleared", "task-cleared",
)  # fmt: skip
_SHORT = (
    "gate-cleared", "gate-skipped", "run-cleared", "run-deleted", "run-unbegun", "tasks-success",
    "busy-elsewhere", "busy-marked", "busy-queue", "busy-refuse",
)  # fmt: skip

# Traefik's counts are sampled twice a second: two seconds after its end a bucket is complete.
_BUCKETS = {"bucket": "2s", "delay": "2s"}
_ASKED: dict[str, dict[str, str]] = {
    "datadog": _BUCKETS,
    "newrelic": {**_BUCKETS, "account": "1234567"},
    "prometheus": {},
    "scrape": {"timeout": "2"},
}


def write_dags(folder: Path, document: str, *names: str, **options: object) -> None:
    """Write for each service its rollout and the file that makes a DAG of it.

    :param document: the rollout, one of `DOCUMENTS`.
    :param options: of `rollout_dag`, beside those that all have in common.
    """
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.yaml").write_text((DOCUMENTS / document).read_text())
        chosen = {"dag_id": name, "router_service": name, **OPTIONS, **options}
        said = ", ".join(f"{option}={value!r}" for option, value in chosen.items())
        (folder / f"{name}.py").write_text(
            f"from airflow_rollout import rollout_dag\n\nrollout_dag({name + '.yaml'!r}, {said})\n"
        )


def write_all_dags(folder: Path) -> None:
    """Write the DAGs of all scenes of the ordinary releases."""
    write_dags(folder, "scene.yaml", *_WHOLE)
    write_dags(folder, "scene.yaml", "observe", mode="observe")
    write_dags(folder, "scene.yaml", "no-connection", router_conn_id="nowhere")
    write_dags(folder, "short.yaml", *_SHORT)
    write_dags(folder, "short.yaml", "busy-queue-too", router_service="busy-queue")
    for provider, options in _ASKED.items():
        asked = {
            "router_service": f"asked-{provider}",
            "provider": provider,
            "provider_conn_id": f"asked_{provider}",
            "provider_options": options,
        }
        write_dags(folder, "asked.yaml", f"asked-{provider}", **asked)
        write_dags(folder, "asked_held.yaml", f"asked-{provider}-held", **asked)
    # Those that are more than a rollout and its options are written by hand.
    by_hand = [*(_HERE / "dags").glob("*.py"), _HERE / "lab_options.py"]
    for file in [*by_hand, *DOCUMENTS.iterdir()]:
        shutil.copy(file, folder)

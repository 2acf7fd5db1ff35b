"""DAG files of the labs: one for each service, so that no task reads what it does not run."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_dags"]

_DOCUMENTS = Path(__file__).parent / "documents"

_OPTIONS = {
    "workload": "endpoints",
    "workload_options": {"health_path": "/healthz"},
    "router": "traefik_file",
    "router_conn_id": "traefik_default",
    "provider": "scrape",
    "provider_conn_id": "traefik_metrics",
    "every": "1s",
    "dispersion": 1,
}


def write_dags(folder: Path, document: str, *names: str, **options: object) -> None:
    """Write for each service its rollout and the file that makes a DAG of it.

    :param document: the rollout, in `documents/`.
    :param options: of `rollout_dag`, beside those that all have in common.
    """
    folder.mkdir(exist_ok=True)
    said = ", ".join(f"{name}={value!r}" for name, value in {**_OPTIONS, **options}.items())
    for name in names:
        (folder / f"{name}.yaml").write_text((_DOCUMENTS / document).read_text())
        (folder / f"{name}.py").write_text(
            "from airflow_rollout import rollout_dag\n\n"
            f"rollout_dag({name + '.yaml'!r}, dag_id={name!r}, router_service={name!r}, {said})\n"
        )

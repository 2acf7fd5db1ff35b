"""The lab on a real PostgreSQL, with the router's files on a disk that can be full."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dag_files import PARSED_WHEN_CHANGED, write_dags
from fault_lab import LESS_EAGER, Stage
from postgres import PostgresServer

from airflow_rollout.demo.airflow import COMPONENTS
from airflow_rollout.demo.lab import Lab

__all__ = ["PostgresStage", "postgres_stage"]

_FLAGGER = ("airflow-gone", "bad", "disk-full", "schema-changed")
_SERVICES = (*_FLAGGER, "good")

_SUPERVISOR_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class PostgresStage(Stage):
    """A stage whose Airflow keeps its records in a database that can be stopped.

    :param folder: where a scene may put what it needs.
    """

    database: PostgresServer
    folder: Path

    @contextmanager
    def supervised(self) -> Iterator[list[str]]:
        """Start what ends by itself anew, as systemd or Kubernetes does; gives what had ended."""
        ended: list[str] = []
        over = threading.Event()

        def supervise() -> None:
            while not over.wait(_SUPERVISOR_SECONDS):
                for name in COMPONENTS:
                    if not self.lab.airflow.child(name).is_running:
                        ended.append(name)
                        self.lab.airflow.start(name)

        thread = threading.Thread(target=supervise)
        thread.start()
        try:
            yield ended
        finally:
            over.set()
            thread.join()
        self.lab.airflow.wait_ready()


@contextmanager
def postgres_stage(folder: Path, postgres: Path) -> Iterator[PostgresStage]:
    """Run the lab on a new database, with its DAGs folder in `folder`.

    :param postgres: the server's program.
    """
    dags = folder / "dags"
    write_dags(dags, "pair.yaml", "good")
    write_dags(dags, "fault.yaml", *_FLAGGER)
    with ExitStack() as stack:
        database = stack.enter_context(PostgresServer(postgres))
        settings = {
            "rollout": {"live_seconds": 1},
            "dag_processor": PARSED_WHEN_CHANGED,
            "scheduler": LESS_EAGER,
            "database": {"sql_alchemy_conn": database.url},
        }
        lab = stack.enter_context(Lab(_SERVICES, dags=dags, settings=settings))
        for name in _SERVICES:
            lab.airflow.wait_for_dag(name)
        yield PostgresStage(lab=lab, database=database, folder=folder)

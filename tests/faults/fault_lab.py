"""The lab whose parts can be broken: proxies before router and sources, DAG files of one's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fault_scene import FaultScene
from proxy import Proxy

from airflow_rollout.demo.lab import Lab

__all__ = ["FaultLab", "fault_lab"]

_DAGS = Path(__file__).parent / "dags"

# Services whose router or metric source a scene can break, see dags/faults.py.
_OWN_ROUTER = ("router-cut",)
_OWN_SOURCE = ("source-gap", "source-garbage", "source-hangs", "source-slow")
_OWN_BOTH = "soak-"

# Rollouts with a DAG file of their own, which a scene changes.
_OWN_FILE = ("dag-broken", "dag-deleted", "spec-changed")

_SETTINGS = {
    "rollout": {"live_seconds": 1},
    "core": {"parallelism": 8},
    # How late Airflow may notice that a gate's time is over; the default is 15 s.
    "scheduler": {"scheduler_idle_sleep_time": 0.1, "trigger_timeout_check_interval": 5},
}


@dataclass(frozen=True, kw_only=True)
class FaultLab:
    """The running lab and who stands between a service's release and its systems."""

    lab: Lab
    proxies: dict[str, dict[str, Proxy]]

    def scene(self, name: str) -> FaultScene:
        """Return a new scene of a service."""
        return FaultScene(self.lab, name, proxies=self.proxies.get(name))


@contextmanager
def fault_lab(folder: Path, services: Sequence[str]) -> Iterator[FaultLab]:
    """Run the lab for these services, with its DAGs folder in `folder`."""
    lab = Lab(services, dags=_dags(folder / "dags"), settings=_SETTINGS)
    proxies: dict[str, dict[str, Proxy]] = {}
    with ExitStack() as stack:
        for name in services:
            for kind in _breakable(name):
                proxy = stack.enter_context(Proxy(lab.traefik.api_url))
                proxies.setdefault(name, {})[kind] = proxy
                conn_id = f"{kind}_{name.replace('-', '_')}".upper()
                lab.airflow.env[f"AIRFLOW_CONN_{conn_id}"] = _connection(lab, kind, proxy)
        stack.enter_context(lab)
        for name in services:
            lab.airflow.wait_for_dag(name)
        yield FaultLab(lab=lab, proxies=proxies)


def _breakable(name: str) -> list[str]:
    both = name.startswith(_OWN_BOTH)
    kinds = (("router", _OWN_ROUTER), ("source", _OWN_SOURCE))
    return [kind for kind, names in kinds if both or name in names]


def _connection(lab: Lab, kind: str, proxy: Proxy) -> str:
    name = "traefik_default" if kind == "router" else "traefik_metrics"
    return json.dumps({**json.loads(lab.connections[name]), "host": proxy.url})


def _dags(folder: Path) -> Path:
    """Make a DAGs folder that scenes may harm."""
    shutil.copytree(_DAGS, folder)
    said = (folder / "faults.py").read_text().partition("# Rollouts that")[0]
    for name in _OWN_FILE:
        shutil.copy(folder / "fault.yaml", folder / f"{name}.yaml")
        (folder / f"{name}.py").write_text(
            f'{said}\nrollout_dag("{name}.yaml", dag_id="{name}", router_service="{name}", '
            'router_conn_id="traefik_default", provider_conn_id="traefik_metrics", **SAID)\n'
        )
    return folder

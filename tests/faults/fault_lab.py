"""The lab whose parts can be broken: proxies before router and sources, DAG files of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dag_files import PARSED_WHEN_CHANGED, write_dags
from fault_scene import FaultScene
from proxy import Proxy

from airflow_rollout.demo.lab import Lab

__all__ = ["LESS_EAGER", "Stage", "fault_lab"]

# Services whose router or metric source a scene can break: they reach it through a proxy.
_OWN_ROUTER = ("router-cut",)
_OWN_SOURCE = ("source-gap", "source-garbage", "source-hangs", "source-slow")
_OWN_BOTH = "soak-"

# What a rollout calls the connection to each, and the lab's own one.
_CONNECTIONS = {
    "router": ("router_conn_id", "traefik_default"),
    "source": ("provider_conn_id", "traefik_metrics"),
}

# Those whose rollout is not `fault.yaml`.
_DOCUMENTS = {
    "source-hangs": "held.yaml",
    "source-slow": "held.yaml",
    "alone": "native.yaml",
    "good": "pair.yaml",
}

# Two schedulers that look ten times a second take half a core from those who judge.
LESS_EAGER = {"scheduler_idle_sleep_time": 0.25}

_SETTINGS = {
    "rollout": {"live_seconds": 1},
    "core": {"parallelism": 8},
    "dag_processor": PARSED_WHEN_CHANGED,
    # How late Airflow may notice that a gate's time is over; the default is 15 s.
    "scheduler": {**LESS_EAGER, "trigger_timeout_check_interval": 5},
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The running lab, who plays in it, and who stands between a release and its systems."""

    lab: Lab
    proxies: dict[str, dict[str, Proxy]] = field(default_factory=dict)
    _cast: dict[str, FaultScene] = field(default_factory=dict)

    def scene(self, name: str) -> FaultScene:
        """Return the scene of a service."""
        if name not in self._cast:
            self._cast[name] = FaultScene(self.lab, name, proxies=self.proxies.get(name))
        return self._cast[name]


@contextmanager
def fault_lab(folder: Path, services: Sequence[str], *, database_url: str = "") -> Iterator[Stage]:
    """Run the lab for these services, with its DAGs folder in `folder`.

    :param database_url: where Airflow keeps its records; empty: in a SQLite of its own.
    """
    dags = folder / "dags"
    for name in services:
        own = {_CONNECTIONS[kind][0]: _conn_id(kind, name) for kind in _breakable(name)}
        write_dags(dags, _DOCUMENTS.get(name, "fault.yaml"), name, **own)
    database = {"database": {"sql_alchemy_conn": database_url}} if database_url else {}
    lab = Lab(services, dags=dags, settings={**_SETTINGS, **database})
    proxies: dict[str, dict[str, Proxy]] = {}
    with ExitStack() as stack:
        for name in services:
            for kind in _breakable(name):
                proxy = stack.enter_context(Proxy(lab.traefik.api_url))
                proxies.setdefault(name, {})[kind] = proxy
                variable = f"AIRFLOW_CONN_{_conn_id(kind, name).upper()}"
                lab.airflow.env[variable] = _connection(lab, kind, proxy)
        stack.enter_context(lab)
        for name in services:
            lab.airflow.wait_for_dag(name)
        yield Stage(lab=lab, proxies=proxies)


def _breakable(name: str) -> list[str]:
    both = name.startswith(_OWN_BOTH)
    kinds = (("router", _OWN_ROUTER), ("source", _OWN_SOURCE))
    return [kind for kind, names in kinds if both or name in names]


def _conn_id(kind: str, name: str) -> str:
    return f"{kind}_{name.replace('-', '_')}"


def _connection(lab: Lab, kind: str, proxy: Proxy) -> str:
    through = json.loads(lab.connections[_CONNECTIONS[kind][1]])
    return json.dumps({**through, "host": proxy.url})

"""A real Airflow, a real Traefik, real services under load, and everything that can break."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

# A scene of the ordinary releases is what a fault is done to.
sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from alone import SCENES
from fault_scene import FaultScene
from proxy import Proxy
from shared import ACTS

from airflow_rollout.demo.lab import Lab

_DAGS = Path(__file__).parent / "dags"

# Scenes wait far more than they compute, but two cores carry all of their load.
_AT_ONCE = 4

# Services whose router or metric source a scene can break, see dags/faults.py.
_OWN_ROUTER = ("router-cut",)
_OWN_SOURCE = ("source-gap", "source-garbage", "source-hangs", "source-slow")

# Rollouts with a DAG file of their own, which a scene changes.
_OWN_FILE = ("dag-broken", "dag-deleted", "spec-changed")

Proxies = dict[str, dict[str, Proxy]]


@pytest.fixture(scope="session")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DAGs folder that scenes may harm."""
    folder = tmp_path_factory.mktemp("faults") / "dags"
    shutil.copytree(_DAGS, folder)
    said = (folder / "faults.py").read_text().partition("# Rollouts that")[0]
    for name in _OWN_FILE:
        shutil.copy(folder / "fault.yaml", folder / f"{name}.yaml")
        (folder / f"{name}.py").write_text(
            f'{said}\nrollout_dag("{name}.yaml", dag_id="{name}", router_service="{name}", '
            'router_conn_id="traefik_default", provider_conn_id="traefik_metrics", **SAID)\n'
        )
    return folder


@pytest.fixture(scope="session")
def proxies() -> Proxies:
    """Return who stands between a service's release and its systems; filled by the lab."""
    return {}


@pytest.fixture(scope="session")
def lab(dags: Path, proxies: Proxies, need_binary: Callable[[str], object]) -> Iterator[Lab]:
    need_binary("traefik")
    services = [*SCENES, "good", "bad", "alone"]
    settings = {"rollout": {"live_seconds": 1}, "core": {"parallelism": 8}}
    lab = Lab(services, dags=dags, settings=settings)
    with ExitStack() as stack:
        for kind, names in (("router", _OWN_ROUTER), ("source", _OWN_SOURCE)):
            for name in names:
                proxy = stack.enter_context(Proxy(lab.traefik.api_url))
                proxies.setdefault(name, {})[kind] = proxy
                conn_id = f"{kind}_{name.replace('-', '_')}".upper()
                lab.airflow.env[f"AIRFLOW_CONN_{conn_id}"] = _connection(lab, kind, proxy)
        stack.enter_context(lab)
        for name in services:
            lab.airflow.wait_for_dag(name)
        yield lab


def _connection(lab: Lab, kind: str, proxy: Proxy) -> str:
    name = "traefik_default" if kind == "router" else "traefik_metrics"
    return json.dumps({**json.loads(lab.connections[name]), "host": proxy.url})


@pytest.fixture(scope="session")
def plays(
    lab: Lab, proxies: Proxies, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[Any]]]:
    """Play what the chosen tests need: faults of one service side by side, then one at a time."""
    needed = {
        mark.args[0]
        for item in request.session.items
        for mark in item.iter_markers("scene")
    }  # fmt: skip
    cast: dict[str, FaultScene] = {}

    def scene(name: str) -> FaultScene:
        return cast.setdefault(name, FaultScene(lab, name, proxies=proxies.get(name)))

    with (
        ThreadPoolExecutor(max_workers=_AT_ONCE) as side_by_side,
        ThreadPoolExecutor(max_workers=1) as one_at_a_time,
    ):
        alone = {
            name: side_by_side.submit(SCENES[name], scene(name))
            for name in SCENES
            if name in needed
        }  # fmt: skip

        def play(name: str) -> dict[str, Any]:
            wait(alone.values())
            return ACTS[name](lab, scene)

        acts = {name: one_at_a_time.submit(play, name) for name in ACTS if name in needed}
        yield {**alone, **acts}


@pytest.fixture
def played(plays: dict[str, Future[Any]], request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what came of the scene that the test is marked with."""
    mark = request.node.get_closest_marker("scene")
    assert mark is not None, "this test names no scene"
    played: dict[str, Any] = plays[mark.args[0]].result()
    return played

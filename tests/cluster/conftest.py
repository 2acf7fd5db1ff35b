"""A real Kubernetes for all tests of this folder, or the reason why there is none."""

from __future__ import annotations

import itertools
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

# The Prometheus of these tests is that of the tests of its adapter.
sys.path.append(str(Path(__file__).parents[1] / "real"))

from broken_scenes import BROKEN_SCENES
from demo_run import play_demo
from kube_lab import PROGRAMS, KubeLab, Shop, missing_here, node_binaries
from node_soak import SERVICES, soak_airflow
from outages import OUTAGES
from real_servers import Prometheus, running
from release_scenes import SCENES, Played
from releases import Releases
from rollout import http_connection
from shop_dags import write_dags

from airflow_rollout.demo.airflow import AirflowLab

# Scenes wait more than they compute, but two cores carry all of them.
_AT_ONCE = 8

# The demo's own place among the scenes.
DEMO = "demo"

# Tests of one run have namespaces of their own.
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kubernetes(need_binary: Callable[[str], Path]) -> Iterator[KubeLab]:
    """Return a node; its programs are built before the tests, by `make cluster`."""
    for name in PROGRAMS:
        need_binary(name)
    if missing := missing_here():
        pytest.skip(missing)
    with KubeLab(node_binaries()) as lab:
        yield lab


@pytest.fixture
def namespace_name(request: pytest.FixtureRequest) -> str:
    """Return the name of a namespace of this test's own."""
    words = request.node.function.__name__.removeprefix("test_").replace("_", "-")
    # Parameters of a test share its name, not its namespace.
    return f"{words[:40].strip('-')}-{next(_numbers)}"


@pytest.fixture
def shop(kubernetes: KubeLab, namespace_name: str) -> Iterator[Shop]:
    """Return a namespace with the example's service at v1, which serves."""
    yield kubernetes.namespace(namespace_name)
    if kubernetes.admin.get("Namespace", namespace_name) is not None:
        kubernetes.admin.delete("Namespace", namespace_name)


@pytest.fixture(scope="session")
def prometheus(
    kubernetes: KubeLab,
    need_binary: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    """Return a Prometheus that scrapes the gateway."""
    home = tmp_path_factory.mktemp("prometheus")
    binary = str(need_binary("prometheus"))
    with running(Prometheus(home, binary, kubernetes.gateway.metrics_address)) as server:
        yield server


@pytest.fixture(scope="session")
def silent() -> Iterator[str]:
    """Return the address of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="session")
def airflow(
    kubernetes: KubeLab,
    prometheus: Prometheus,
    silent: str,
    need_binary: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowLab]:
    """Return an Airflow with the DAGs of all shops."""
    names = (*SCENES, *BROKEN_SCENES, *OUTAGES, *SERVICES)
    dags = tmp_path_factory.mktemp("dags")
    write_dags(dags, *names)
    home, binary = tmp_path_factory.mktemp("slow-prometheus"), str(need_binary("prometheus"))
    slow = Prometheus(
        home, binary, kubernetes.gateway.metrics_address, every_milliseconds=15_000
    )  # fmt: skip
    with (
        running(slow),
        soak_airflow(
            kubernetes, prometheus, need_binary("postgres"), dags,
            silent=http_connection(silent), slow_prometheus=http_connection(slow.url),
        ) as airflow,
    ):  # fmt: skip
        for name in names:
            airflow.wait_for_dag(name)
        yield airflow


@pytest.fixture(scope="session")
def played(
    kubernetes: KubeLab,
    airflow: AirflowLab,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[Played]]]:
    """Play all scenes that are asked for side by side, and yield what will have come of each."""
    used = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    scenes = {**SCENES, **BROKEN_SCENES} if "play" in used else {}

    def one(name: str) -> Played:
        releases = Releases(kubernetes.namespace(name), airflow)
        return {**scenes[name](releases), "shop": releases.shop}

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        plays = {name: pool.submit(one, name) for name in scenes}
        if "demo" in used:
            # Last: what is tested after the scenes need not wait for it.
            folder = tmp_path_factory.mktemp("demo")
            plays[DEMO] = pool.submit(play_demo, kubernetes, folder)
        yield plays
        # Who ends the tests early does not wait for what has not begun.
        for play in plays.values():
            play.cancel()


@pytest.fixture(scope="session")
def demo(played: dict[str, Future[Played]]) -> Future[Played]:
    """Return what will have come of the demo."""
    return played[DEMO]


@pytest.fixture
def play(played: dict[str, Future[Played]]) -> Callable[[str], Played]:
    """Return what gives what came of a scene."""
    return lambda name: played[name].result()

"""A real Kubernetes for all tests of this folder, or the reason why there is none."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The Prometheus of these tests is that of the tests of its adapter.
sys.path.append(str(Path(__file__).parents[1] / "real"))

from kube_lab import PROGRAMS, KubeLab, Shop, missing_here, node_binaries
from real_servers import Prometheus, running

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
def shop(kubernetes: KubeLab, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Return a namespace of this test's own, with the example's service at v1."""
    words = request.node.function.__name__.removeprefix("test_").replace("_", "-")
    # Parameters of a test share its name, not its namespace.
    name = f"{words[:40].strip('-')}-{next(_numbers)}"
    yield kubernetes.namespace(name)
    if kubernetes.admin.get("Namespace", name) is not None:
        kubernetes.admin.delete("Namespace", name)


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

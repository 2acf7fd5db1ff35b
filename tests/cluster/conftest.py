"""A real Kubernetes for all tests of this folder, or the reason why there is none."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The Prometheus of these tests is that of the tests of its adapter.
sys.path.append(str(Path(__file__).parents[1] / "real"))

from kube_lab import KubeLab, Shop, node_binaries
from real_servers import Prometheus, running

# Tests of one run have namespaces of their own.
_numbers = itertools.count(1)

_PROGRAMS = ("containerd", "ctr", "runc", "ip", "unshare", "openssl")


@pytest.fixture(scope="session")
def kubernetes(need_binary: Callable[[str], Path]) -> Iterator[KubeLab]:
    """Return a node; its programs are built before the tests, by `make cluster`."""
    if os.geteuid() != 0:
        pytest.skip("a node needs root: containers, mounts, a bridge")
    if not Path("/usr/lib/cni/bridge").exists():
        pytest.skip("the plugins for the network of containers are not installed (/usr/lib/cni)")
    for name in _PROGRAMS:
        need_binary(name)
    try:
        binaries = node_binaries()
    except subprocess.CalledProcessError:
        if shutil.which("go") is None:
            pytest.skip("go is not installed: the node's programs cannot be built")
        raise
    with KubeLab(binaries) as lab:
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

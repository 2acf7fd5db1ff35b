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

from kube_lab import KubeLab, Shop

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
    with KubeLab(_binaries()) as lab:
        yield lab


@pytest.fixture
def shop(kubernetes: KubeLab, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Return a namespace of this test's own, with the example's service at v1."""
    words = request.node.function.__name__.removeprefix("test_").replace("_", "-")
    # Parameters of a test share its name, not its namespace.
    name = f"{words[:40].strip('-')}-{next(_numbers)}"
    yield kubernetes.namespace(name)
    kubernetes.admin.delete("Namespace", name)


def _binaries() -> Path:
    build = Path(__file__).with_name("node") / "build"
    done = subprocess.run([build], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode and shutil.which("go") is None:
        pytest.skip("go is not installed: the node's programs cannot be built")
    assert done.returncode == 0, "the node's programs could not be built"
    return Path(done.stdout.strip().splitlines()[-1])

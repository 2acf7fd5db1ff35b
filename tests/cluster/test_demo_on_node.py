"""The demo on a cluster as a newcomer runs it: one command, to its end, on a real node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kube_lab import KubeLab
from python_images import write_python_images
from service_proxy import ServiceProxy

from airflow_rollout.demo.cluster.story import ROLLOUT, behaviours

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

# The longest a demo may take before it counts as hanging.
_PATIENCE_SECONDS = 900.0
_NAMESPACE = "airflow-rollout-demo"


@pytest.fixture
def with_python(kubernetes: KubeLab, tmp_path: Path) -> KubeLab:
    """Return a node that has the images of the demo, which are big: only for this test."""
    archive = tmp_path / "python.tar"
    write_python_images(behaviours(), archive)
    kubernetes.node.import_images(archive)
    archive.unlink()
    return kubernetes


@pytest.fixture
def reachable(with_python: KubeLab) -> Iterator[KubeLab]:
    """Return a node on which the demo's Service has an address that leads to its pods."""
    with ServiceProxy(with_python.admin, _NAMESPACE, ROLLOUT):
        yield with_python


def test_the_demo_on_a_cluster_ends_as_it_should_and_leaves_nothing_there(
    reachable: KubeLab, tmp_path: Path
) -> None:
    admin = reachable.control.kubeconfig("admin", reachable.control.token)
    report = tmp_path / "demo.json"
    done = subprocess.run(
        [sys.executable, "-m", "airflow_rollout.cli", "demo", "--kubernetes", "--exit",
         "--report", report, "--rate", "60"],
        env={**os.environ, "KUBECONFIG": str(admin), "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert [(it["version"], it["outcome"]) for it in found["releases"]] == [
        ("v2", "rolled_back"), ("v3", "rolled_back"), ("v4", "rolled_back"), ("v5", "promoted"),
    ]  # fmt: skip
    assert all(it["canary_requests"] for it in found["releases"])
    assert "context node" in done.stdout
    assert _NAMESPACE in done.stdout
    assert reachable.admin.get("Namespace", _NAMESPACE) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json"]

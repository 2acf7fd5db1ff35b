"""A server and a login for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_cluster import KubeApi

from airflow_rollout.demo.cluster.login import ClusterLogin, log_in


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    """Return a server that the user's kubeconfig leads to."""
    from kubernetes.config import kube_config

    with KubeApi() as server:
        path = str(server.kubeconfig(tmp_path / "kubeconfig"))
        # The client library reads `KUBECONFIG` when it is loaded.
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", path)
        yield server


@pytest.fixture
def login(api: KubeApi) -> ClusterLogin:
    """Return a login to that server."""
    return log_in(None)

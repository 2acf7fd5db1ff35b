"""The tests' own way to a cluster of the user's, tried on this machine's node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from admin import RawObject
from driver import Driver
from kube_lab import KubeLab, Shop
from user_cluster import UserCluster

from airflow_rollout.demo.processes import wait_until
from airflow_rollout.errors import PermanentAdapterError

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

_NAME = "airflow-rollout-tests"
_KINDS = ("Namespace", "ClusterRole", "ClusterRoleBinding")


@pytest.fixture
def users(kubernetes: KubeLab) -> Iterator[UserCluster]:
    control = kubernetes.control
    with UserCluster(control.kubeconfig("admin", control.token)) as cluster:
        yield cluster


def test_whoever_releases_there_has_the_rights_of_the_example_and_no_more(
    users: UserCluster, namespace_name: str
) -> None:
    shop = users.place(namespace_name)
    release = Driver(shop, "v2")
    release.start()
    release.raise_to(10, 0)
    assert shop.weights()["checkout-canary"] == 10
    shop.until(lambda: len(_pods(shop)) > 2, "pods of both versions are made")
    assert not any(pod["spec"].get("nodeName") for pod in _pods(shop)), "it runs an image there"
    release.go_back()
    assert shop.made() == []
    shop.admin.delete("RoleBinding", "airflow-rollout", shop.name)
    with pytest.raises(PermanentAdapterError, match="forbidden"):
        release.preflight()


def _pods(shop: Shop) -> list[RawObject]:
    found = shop.get("Pod", "")
    return found["items"] if found else []


def test_what_the_tests_made_there_is_gone_after_them(
    kubernetes: KubeLab, namespace_name: str
) -> None:
    control = kubernetes.control
    example = _cluster_roles(kubernetes)
    with UserCluster(control.kubeconfig("admin", control.token)) as cluster:
        assert all(cluster.admin.get(kind, _NAME) is not None for kind in _KINDS)
        cluster.place(namespace_name)
    left = [kind for kind in _KINDS if kubernetes.admin.get(kind, _NAME) is not None]
    assert left == []
    assert kubernetes.admin.get("Namespace", namespace_name) is None
    assert _cluster_roles(kubernetes) == example


def test_a_namespace_that_is_there_already_is_left_alone(kubernetes: KubeLab) -> None:
    control = kubernetes.control
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAME}}
    kubernetes.admin.apply(body)
    try:
        users = UserCluster(control.kubeconfig("admin", control.token))
        with pytest.raises(AssertionError, match="already"), users:
            raise AssertionError("it came up")
        found = kubernetes.admin.get("Namespace", _NAME)
        assert found is not None
        assert "deletionTimestamp" not in found["metadata"]
    finally:
        kubernetes.admin.delete("Namespace", _NAME)
        wait_until(
            lambda: kubernetes.admin.get("Namespace", _NAME) is None,
            what="its end", timeout_seconds=60.0,
        )  # fmt: skip


def _cluster_roles(lab: KubeLab) -> list[object]:
    found = [lab.admin.get(kind, "airflow-rollout-gateways") for kind in _KINDS[1:]]
    return [one and {key: one.get(key) for key in ("rules", "subjects")} for one in found]

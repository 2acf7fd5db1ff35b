"""What the lab in a cluster waits for, and what it says when that does not come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_cluster import KubeApi

from airflow_rollout.demo.cluster import lab as lab_module
from airflow_rollout.demo.cluster.lab import ClusterLab
from airflow_rollout.demo.cluster.login import ClusterLogin
from airflow_rollout.demo.cluster.story import DEFAULT_IMAGES, STORY
from airflow_rollout.demo.processes import LabError
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.traffic.records import encode_record

NAME = "shown"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAME}/deployments/checkout"
SERVICE = f"/api/v1/namespaces/{NAME}/services/checkout"
PODS = f"/api/v1/namespaces/{NAME}/pods"


@pytest.fixture
def lab(api: KubeApi, login: ClusterLogin, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterLab]:
    monkeypatch.setattr(lab_module, "_PODS_SECONDS", 0.3)
    monkeypatch.setattr(lab_module, "_POLL_SECONDS", 0.02)
    found = ClusterLab(login, NAME, images=DEFAULT_IMAGES, rate=60.0, settings={})
    try:
        found.make()
        api.objects[PODS] = {"metadata": {"uid": "list"}, "items": []}
        yield found
    finally:
        found.close()


def set_ready(api: KubeApi, ready: int) -> None:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), ready)
    api.objects[DEPLOYMENT]["status"] = {**counts, "readyReplicas": ready}


def test_pods_that_are_all_available_are_waited_for(api: KubeApi, lab: ClusterLab) -> None:
    set_ready(api, 4)
    lab.wait_pods()


def test_too_few_pods_are_said(api: KubeApi, lab: ClusterLab) -> None:
    set_ready(api, 3)
    with pytest.raises(LabError, match=r"3 of 4 pods ready after 0\.3 s"):
        lab.wait_pods()


def test_an_image_that_is_not_there_is_said_at_once(
    api: KubeApi, lab: ClusterLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab_module, "_PODS_SECONDS", 60.0)
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    status = {"containerStatuses": [{"name": "checkout", "state": {"waiting": waiting}}]}
    api.objects[PODS]["items"] = [{"metadata": {"name": "checkout-1"}, "status": status}]
    with pytest.raises(LabError, match=r"cannot run: .*no such image"):
        lab.wait_pods()


def test_a_load_that_finds_no_room_is_said_with_the_reason(api: KubeApi, lab: ClusterLab) -> None:
    api.objects[SERVICE]["spec"]["clusterIP"] = "10.96.0.7"
    waits = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    status = {"phase": "Pending", "conditions": [waits]}
    api.objects[PODS]["items"] = [{"metadata": {"name": "load"}, "status": status}]
    with pytest.raises(LabError, match=r"pod load does not run .*Pending, 0/1 nodes"):
        lab.start_load()


def test_a_release_is_said_with_its_image(lab: ClusterLab) -> None:
    conf = lab.offer(STORY.versions[0], "v1")
    assert conf == {"version": "v2", "image": "python:3.12-alpine"}


def test_the_weight_is_that_of_the_services_record(api: KubeApi, lab: ClusterLab) -> None:
    assert lab.live_weight("checkout") == 0
    token = Token(epoch="e", owner="checkout/release-v2", digest="d")
    split = TrafficSplit(
        service="checkout", stable=Arm(version="v1", target="a"),
        canary=Arm(version="v2", target="b"), weight=20, state=ReleaseState.OPEN, token=token,
    )  # fmt: skip
    notes = {"checkout.airflow-rollout/record": encode_record(split)}
    api.objects[SERVICE]["metadata"]["annotations"] = notes
    # Not every picture asks.
    assert lab.live_weight("checkout") == 0
    lab._weight = (-60.0, 0)
    assert lab.live_weight("checkout") == 20


def test_a_weight_that_cannot_be_asked_is_an_os_error(api: KubeApi, lab: ClusterLab) -> None:
    del api.objects[SERVICE]
    with pytest.raises(OSError, match="not found"):
        lab.live_weight("checkout")

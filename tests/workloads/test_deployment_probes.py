"""The workload `deployment`: what it sees of an arm, and when it stops waiting."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from kube_api import KubeApi
from shop import (
    CANARY,
    CRASHED,
    MANY,
    NOW,
    OLD,
    PODS,
    STABLE,
    condition,
    container,
    deployed,
    pod,
    probed,
)

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.release import Arm
from airflow_rollout.spec.model import WorkloadRef
from airflow_rollout.wire import HttpResponse
from airflow_rollout.workloads.deployment import DeploymentWorkload
from airflow_rollout.workloads.registry import make_workload

COMPLETE = condition("Progressing", "True", reason="NewReplicaSetAvailable")
# What containerd says of a registry's 404 and of a layer of its own, and what CRI-O says of a 404.
NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "r/shop:2": failed to '
    'resolve reference "r/shop:2": r/shop:2: not found'
)
# The same by containerd's transfer service, from 2.1 on.
NOT_FOUND_TOO = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "r/shop:2": failed to '
    "resolve image: r/shop:2: not found"
)
NO_SNAPSHOT = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "r/shop:2": failed to '
    "prepare extraction snapshot: parent snapshot sha256:0b does not exist: not found"
)
UNKNOWN = "reading manifest 2 in r/shop: manifest unknown"
SCHEDULED = {"message": "Insufficient cpu", "lastTransitionTime": "1970-01-12T13:46:20Z"}


def test_the_canary_is_ready_when_all_of_its_pods_are(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)
    assert not probed(api, workload).ok
    api.objects[CANARY]["status"] = {**MANY, "availableReplicas": 2, "observedGeneration": 1}
    assert not probed(api, workload).ok
    api.objects[CANARY]["status"] = {**MANY, "observedGeneration": 1}
    assert probed(api, workload).ok
    api.objects[CANARY]["metadata"]["generation"] = 2
    assert not probed(api, workload).ok


@pytest.mark.parametrize(("available", "ok"), [("True", True), ("False", False)])
def test_once_complete_the_canary_may_lose_a_pod_but_not_its_availability(
    api: KubeApi, workload: DeploymentWorkload, available: str, ok: bool
) -> None:
    conditions = [COMPLETE, condition("Available", available, message="too few pods")]
    deployed(api, workload)["status"] = {**MANY, "readyReplicas": 2, "conditions": conditions}
    found = probed(api, workload)
    assert (found.ok, found.fatal) == (ok, False)
    assert "2 of 3" in found.detail
    assert ("too few pods" in found.detail) is not ok


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (container(state={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}),
         "ImagePullBackOff: not found"),
        (container(state={"waiting": {"reason": "ErrImagePull", "message": NOT_FOUND}}),
         "ErrImagePull: .*not found"),
        (container(state={"waiting": {"reason": "ErrImagePull", "message": NOT_FOUND_TOO}}),
         "ErrImagePull: .*not found"),
        (container(state={"waiting": {"reason": "ErrImagePull", "message": UNKNOWN}}),
         "ErrImagePull: .*manifest unknown"),
        (container(state={"waiting": {"reason": "InvalidImageName", "message": "bad"}}),
         "InvalidImageName"),
        (container(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=CRASHED),
         "exit code 3, 0 restarts.: cannot read / the price list"),
        (container(restartCount=2, lastState=CRASHED), "2 restarts"),
        (container(restartCount=1, lastState={"terminated": {"reason": "OOMKilled",
                   "exitCode": 137}}), "OOMKilled, exit code 137"),
        ({"initContainerStatuses": [{"name": "init", "restartCount": 3, "lastState": CRASHED}]},
         "container init of pod p"),
        ({"conditions": [condition("PodScheduled", "False", **SCHEDULED)]}, "Insufficient cpu"),
    ],
)  # fmt: skip
def test_a_pod_that_will_not_mend_itself_ends_the_wait_with_its_reason(
    api: KubeApi, workload: DeploymentWorkload, status: dict[str, Any], words: str
) -> None:
    deployed(api, workload)
    pod(api, "fine", "shop:2", **container(state={"running": {}}))
    pod(api, "p", "shop:2", **status)
    api.logs[f"{PODS}/p/log"] = "cannot read\n\n the price list\n"
    found = probed(api, workload)
    assert (found.ok, found.fatal) == (False, True)
    assert re.search(words, found.detail), found.detail


@pytest.mark.parametrize(
    "status",
    [
        container(state={"waiting": {"reason": "ErrImagePull", "message": "timeout"}}),
        container(state={"waiting": {"reason": "ErrImagePull", "message": NO_SNAPSHOT}}),
        container(state={"waiting": {"reason": "ContainerCreating"}}),
        container(restartCount=1, lastState=CRASHED, state={"running": {}}),
        {"conditions": [condition("PodScheduled", "False", **SCHEDULED)]},
    ],
)
def test_what_may_pass_is_waited_for(
    api: KubeApi, workload: DeploymentWorkload, status: dict[str, Any]
) -> None:
    deployed(api, workload)
    pod(api, "p", "shop:2", **status)
    found = probed(api, workload, at=NOW - 17.0)
    assert (found.ok, found.fatal) == (False, False)


def test_where_nodes_are_added_on_demand_a_pod_is_waited_for(api: KubeApi) -> None:
    ref = WorkloadRef(kind="deployment", name="shop", options=(("schedule_timeout", "3m"),))
    workload = make_workload(ref, namespace="prod", service="shop")
    assert isinstance(workload, DeploymentWorkload)
    deployed(api, workload)
    pod(api, "p", "shop:2", conditions=[condition("PodScheduled", "False", **SCHEDULED)])
    since = datetime.fromisoformat(SCHEDULED["lastTransitionTime"]).timestamp()
    found = probed(api, workload, at=since + 179.0)
    assert (found.ok, found.fatal) == (False, False)
    assert "Insufficient cpu" in found.detail
    # Stable's own deadline was copied, and may be shorter.
    late = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="late")
    api.objects[CANARY]["status"] = {"conditions": [late]}
    assert not probed(api, workload, at=since + 179.0).fatal
    found = probed(api, workload, at=since + 181.0)
    assert found.fatal
    assert "for more than 180 s, `schedule_timeout`" in found.detail


def test_pods_of_another_image_and_dying_ones_say_nothing_of_the_canary(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)
    crash = container(restartCount=9, lastState=CRASHED)
    pod(api, "left", "shop:3", **crash)
    pod(api, "dying", "shop:2", **crash)
    api.objects[f"{PODS}/dying"]["metadata"]["deletionTimestamp"] = "now"
    assert not probed(api, workload).fatal


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([condition("ReplicaFailure", "True", message="exceeded quota: small")], "exceeded quota"),
        ([condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="late")],
         "late"),
    ],
)  # fmt: skip
def test_what_the_deployment_itself_cannot_do_is_final(
    api: KubeApi, workload: DeploymentWorkload, conditions: list[Any], words: str
) -> None:
    deployed(api, workload)["status"] = {"conditions": conditions}
    found = probed(api, workload)
    assert found.fatal
    assert words in found.detail


@pytest.mark.parametrize(
    "state",
    [
        {"waiting": {"reason": "ErrImagePull", "message": "no such image"}},
        {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
    ],
)
def test_a_time_that_is_up_says_what_it_was_spent_on(
    api: KubeApi, workload: DeploymentWorkload, state: dict[str, Any]
) -> None:
    late = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="late")
    deployed(api, workload)["status"] = {"conditions": [late]}
    pod(api, "one", "shop:2", **container(state=state))
    found = probed(api, workload)
    assert found.fatal
    assert "no such image" in found.detail


def test_a_canary_that_somebody_deleted_or_scaled_away_is_gone(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)["spec"]["replicas"] = 0
    assert "scaled to 0" in probed(api, workload).detail
    del api.objects[CANARY]
    found = probed(api, workload)
    assert (found.ok, found.fatal) == (False, True)
    assert "shop-canary is gone, shop runs shop:1" in found.detail


@pytest.mark.parametrize("arm", [OLD, Arm(version="as found", target="service/shop")])
def test_stable_serves_while_it_runs_its_image_and_has_a_pod(
    api: KubeApi, workload: DeploymentWorkload, arm: Arm
) -> None:
    deployed(api, workload)
    assert probed(api, workload, arm).ok
    api.objects[STABLE]["status"]["availableReplicas"] = 0
    assert not probed(api, workload, arm).ok


def test_stable_with_another_image_is_another_version(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    containers = api.objects[STABLE]["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = "shop:1.1"
    assert "shop runs shop:1.1" in probed(api, workload, OLD).detail


def at_revision(api: KubeApi, number: int) -> None:
    notes = api.objects[STABLE]["metadata"].setdefault("annotations", {})
    notes["deployment.kubernetes.io/revision"] = str(number)


def test_a_stable_that_somebody_rolls_in_mid_release_ends_it(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    at_revision(api, 3)
    deployed(api, workload)["status"] = {**MANY, "observedGeneration": 1}
    api.objects[STABLE]["spec"]["replicas"] = 5
    assert probed(api, workload).ok, "scaled is not changed"
    at_revision(api, 4)
    api.objects[STABLE]["metadata"]["managedFields"] = [
        {"manager": "kubectl", "time": "T", "fieldsV1": {"f:spec": {"f:template": {}}}}
    ]
    found = probed(api, workload)
    assert (found.ok, found.fatal) == (False, True)
    assert "stable changed: shop is at revision 4, not 3 (kubectl at T)" in found.detail


def test_a_canary_of_a_stable_that_was_rolled_is_made_anew(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    at_revision(api, 3)
    first = deployed(api, workload)["metadata"]["uid"]
    at_revision(api, 4)
    again = deployed(api, workload)
    assert again["metadata"]["uid"] != first
    again["status"] = {**MANY, "observedGeneration": 1}
    assert probed(api, workload).ok


def test_a_canary_that_is_left_alone_is_not_given_up(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    at_revision(api, 3)
    deployed(api, workload)["status"] = {**MANY, "observedGeneration": 1}
    del api.objects[STABLE]
    assert probed(api, workload).ok


def test_an_api_that_is_away_says_nothing_for_a_while(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)["status"] = {**MANY, "observedGeneration": 1}
    assert probed(api, workload).ok
    api.before = lambda request: HttpResponse(status=503)
    away = probed(api, workload, at=NOW + 20.0)
    assert (away.ok, away.at) == (True, NOW)
    assert "seen 20 s ago" in away.detail
    with pytest.raises(TransientAdapterError):
        probed(api, workload, at=NOW + 21.0)


def test_an_api_that_refuses_is_believed_at_once(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)["status"] = {**MANY, "observedGeneration": 1}
    assert probed(api, workload).ok
    api.before = lambda request: HttpResponse(status=403, body=b'{"message": "pods is forbidden"}')
    with pytest.raises(PermanentAdapterError, match="pods is forbidden"):
        probed(api, workload)

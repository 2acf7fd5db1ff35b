"""The workload `deployment`: what it makes, promotes and removes, and what it never touches."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from kube_api import KubeApi
from shop import (
    CANARY,
    CRASHED,
    MANY,
    PODS,
    SERVICE,
    STABLE,
    V2,
    container,
    deployed,
    run,
)

from airflow_rollout.errors import PermanentAdapterError, SpecError, TransientAdapterError
from airflow_rollout.spec.model import WorkloadRef
from airflow_rollout.wire import HttpRequest, HttpResponse, Preflight
from airflow_rollout.workloads.base import Place, Workload
from airflow_rollout.workloads.canary_objects import selector_matches
from airflow_rollout.workloads.deployment import DeploymentWorkload
from airflow_rollout.workloads.registry import make_workload


def test_the_canary_is_a_copy_that_no_selector_of_stable_matches(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    before = copy.deepcopy(api.objects[STABLE])
    made = deployed(api, workload)
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app": "shop-canary", "team": "web"}
    assert not selector_matches(before["spec"]["selector"], labels)
    assert selector_matches(made["spec"]["selector"], labels)
    assert made["spec"]["replicas"] == 3
    (stable,) = before["spec"]["template"]["spec"]["containers"]
    assert made["spec"]["template"]["spec"]["containers"] == [{**stable, "image": "shop:2"}]
    assert "app.kubernetes.io/instance" not in made["metadata"]["labels"]
    service = api.objects[f"{SERVICE}-canary"]["spec"]
    assert service == {
        "selector": {"app": "shop-canary"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
    }
    assert api.objects[STABLE] == before


def test_deploying_again_changes_nothing_and_an_earlier_canary_is_replaced(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    first = deployed(api, workload)["metadata"]["uid"]
    assert deployed(api, workload)["metadata"]["uid"] == first
    other = deployed(api, workload, replace(V2, target="shop:3"))
    assert other["metadata"]["uid"] != first
    assert other["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:3"


def test_only_what_a_release_made_for_this_canary_is_deleted(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)
    run(workload.remove(replace(V2, target="shop:3"), api.send, released=False))
    assert CANARY in api.objects
    run(workload.remove(V2, api.send, released=False))
    assert set(api.objects) == {STABLE, SERVICE}
    run(workload.remove(V2, api.send, released=False))


def test_a_deployment_of_the_canarys_name_that_is_somebody_elses_is_left_alone(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    api.put(CANARY, copy.deepcopy(api.objects[STABLE]))
    for work in (workload.deploy(V2, api.send), workload.preflight(api.send)):
        with pytest.raises(PermanentAdapterError, match="shop-canary already that no release made"):
            run(work)
    run(workload.remove(V2, api.send, released=False))
    assert CANARY in api.objects
    assert not api.writes()


def test_a_canary_that_was_replaced_by_hand_is_not_deleted(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)

    def replaced(request: HttpRequest) -> HttpResponse | None:
        if request.method == "DELETE" and request.url == CANARY:
            api.objects[CANARY]["metadata"]["uid"] = "another"
        return None

    api.before = replaced
    with pytest.raises(TransientAdapterError):
        run(workload.remove(V2, api.send, released=False))
    assert CANARY in api.objects


def promote(api: KubeApi, workload: Workload) -> str:
    return run(workload.promote(V2, api.send))


def image_of_stable(api: KubeApi) -> str:
    return str(api.objects[STABLE]["spec"]["template"]["spec"]["containers"][0]["image"])


def test_stable_gets_the_image_once_and_is_waited_for(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)
    assert "will get shop:2" in promote(api, workload)
    assert image_of_stable(api) == "shop:1"
    assert "gets shop:2" in promote(api, workload)
    assert image_of_stable(api) == "shop:2"
    api.sent.clear()
    assert "ready" in promote(api, workload)
    assert not api.writes()
    api.objects[STABLE]["status"] = {**MANY, "observedGeneration": 2}
    assert promote(api, workload) == ""
    run(workload.remove(V2, api.send, released=True))
    assert image_of_stable(api) == "shop:2"
    assert api.objects[STABLE]["metadata"]["annotations"] == {}
    assert CANARY not in api.objects


def test_a_promotion_that_ends_in_a_rollback_is_taken_back(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    template = copy.deepcopy(api.objects[STABLE]["spec"]["template"])
    deployed(api, workload)
    promote(api, workload)
    promote(api, workload)
    note = json.loads(api.objects[STABLE]["metadata"]["annotations"]["airflow-rollout/promoting"])
    assert len(note.pop("by")) == 32
    assert note == {"version": "v2", "image": "shop:2", "before": "shop:1"}
    run(workload.remove(V2, api.send, released=False))
    assert api.objects[STABLE]["spec"]["template"] == template
    assert api.objects[STABLE]["metadata"]["annotations"] == {}


def test_a_promotion_that_is_announced_only_is_taken_back(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    before = copy.deepcopy(api.objects[STABLE]["spec"])
    deployed(api, workload)
    promote(api, workload)
    run(workload.remove(V2, api.send, released=False))
    assert api.objects[STABLE]["spec"] == before
    assert api.objects[STABLE]["metadata"]["annotations"] == {}


def test_a_promotion_that_was_announced_before_a_rollback_changes_nothing_after_it(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    """It has asked the record before the seal, and writes after the canary's removal."""
    deployed(api, workload)
    promote(api, workload)

    def goes_back(request: HttpRequest) -> HttpResponse | None:
        if request.method == "PATCH":
            api.before = lambda request: None
            del api.objects[STABLE]["metadata"]["annotations"]["airflow-rollout/promoting"]
            api.change(STABLE)
        return None

    api.before = goes_back
    with pytest.raises(TransientAdapterError):
        promote(api, workload)
    assert image_of_stable(api) == "shop:1"
    # The next call begins anew: it announces, and whoever asks the record then is refused.
    assert "will get" in promote(api, workload)
    assert image_of_stable(api) == "shop:1"


def test_nobody_changes_stable_on_the_announcement_of_another(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)
    promote(api, workload)
    other = DeploymentWorkload(name="shop", place=Place(namespace="prod", service="shop"))
    assert "will get" in promote(api, other)
    assert "will get" in promote(api, workload)
    assert image_of_stable(api) == "shop:1"
    assert "gets" in promote(api, workload)
    assert image_of_stable(api) == "shop:2"


def test_a_rollback_that_never_came_to_a_promotion_leaves_stable_alone(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    before = copy.deepcopy(api.objects[STABLE])
    deployed(api, workload)
    run(workload.remove(V2, api.send, released=False))
    assert api.objects[STABLE] == before


def test_a_stable_that_cannot_run_the_version_ends_the_promotion(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)
    promote(api, workload)
    promote(api, workload)
    labels = {"app": "shop"}
    for name, image in (("old", "shop:1"), ("new", "shop:2")):
        status = container(restartCount=3, lastState=CRASHED)
        spec = {"containers": [{"name": "app", "image": image}]}
        found = {"metadata": {"labels": labels}, "spec": spec, "status": status}
        api.put(f"{PODS}/{name}", found)
    with pytest.raises(PermanentAdapterError, match="cannot run shop:2: container app of pod new"):
        promote(api, workload)


def test_preflight_advises_to_let_pods_finish(api: KubeApi, workload: DeploymentWorkload) -> None:
    assert isinstance(workload, Preflight)
    assert run(workload.preflight(api.send)) == []
    del api.objects[STABLE]["spec"]["template"]["spec"]["containers"][0]["lifecycle"]
    (advice,) = run(workload.preflight(api.send))
    assert "preStop" in advice


def test_preflight_notes_the_settings_that_both_versions_read(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    assert isinstance(workload, Preflight)
    pod = api.objects[STABLE]["spec"]["template"]["spec"]
    pod["volumes"] = [
        {"name": "a", "configMap": {"name": "pages"}},
        {"name": "b", "secret": {"secretName": "cert"}},
        {"name": "c", "emptyDir": {}},
        {"name": "d", "projected": {"sources": [{"secret": {"name": "keys"}}]}},
    ]
    pod["initContainers"] = [{"name": "i", "envFrom": [{"configMapRef": {"name": "setup"}}]}]
    pod["containers"][0]["env"] = [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    (advice,) = run(workload.preflight(api.send))
    assert advice.startswith(
        "both versions read ConfigMap pages, ConfigMap setup, Secret cert, Secret db, Secret keys:"
    )


def _no_deployment(api: KubeApi) -> None:
    del api.objects[STABLE]


def _no_service(api: KubeApi) -> None:
    del api.objects[SERVICE]


def _recreate(api: KubeApi) -> None:
    api.objects[STABLE]["spec"]["strategy"] = {"type": "Recreate"}


def _two_containers(api: KubeApi) -> None:
    containers = api.objects[STABLE]["spec"]["template"]["spec"]["containers"]
    containers.append({"name": "proxy", "image": "proxy:1"})


def _foreign_label(api: KubeApi) -> None:
    api.objects[SERVICE]["spec"]["selector"] = {"tier": "web"}


def _everything(api: KubeApi) -> None:
    api.objects[STABLE]["spec"]["selector"] = {
        "matchExpressions": [{"key": "team", "operator": "In", "values": ["web"]}]
    }


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (_no_deployment, "there is no Deployment shop"),
        (_no_service, "there is no Service shop"),
        (_recreate, "strategy Recreate"),
        (_two_containers, "`container` may be app, proxy"),
        (_foreign_label, "selects by tier"),
        (_everything, "the selector of Deployment shop would match"),
    ],
)
def test_preflight_refuses_what_no_canary_can_be_made_of(
    api: KubeApi,
    workload: DeploymentWorkload,
    break_it: Callable[[KubeApi], None],
    words: str,
) -> None:
    break_it(api)
    with pytest.raises(PermanentAdapterError, match=words):
        run(workload.preflight(api.send))
    assert not api.writes()


def test_the_container_is_said_in_the_spec(api: KubeApi) -> None:
    _two_containers(api)
    ref = WorkloadRef(kind="deployment", name="shop", options=(("container", "proxy"),))
    made = deployed(api, make_workload(ref, namespace="prod", service="shop"))
    images = [one["image"] for one in made["spec"]["template"]["spec"]["containers"]]
    assert images == ["shop:1", "shop:2"]
    with pytest.raises(SpecError, match=r"container \("):
        make_workload(replace(ref, options=(("tag", "x"),)), namespace="prod", service="shop")

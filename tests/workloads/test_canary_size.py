"""How many pods a canary has, when it gets them, and how it stands behind stable's Service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some
from kube_api import KubeApi
from shop import (
    CANARY,
    CRASHED,
    MANY,
    NOW,
    SERVICE,
    STABLE,
    V2,
    container,
    deployed,
    pod,
    probed,
    run,
)

from airflow_rollout.errors import PermanentAdapterError, SpecError, TransientAdapterError
from airflow_rollout.spec.model import WorkloadRef
from airflow_rollout.wire import HttpRequest, HttpResponse
from airflow_rollout.workloads.base import Place, Sized
from airflow_rollout.workloads.canary_objects import selector_matches
from airflow_rollout.workloads.deployment import DeploymentWorkload
from airflow_rollout.workloads.registry import make_workload
from airflow_rollout.workloads.sizes import Size, first_pods, pods_for, real_shares

BEHIND = Place(namespace="prod", service="shop", arm_label="track")


@pytest.fixture
def growing() -> DeploymentWorkload:
    """Return a workload whose canary has what a weight needs of stable's three pods."""
    place = Place(namespace="prod", service="shop")
    return DeploymentWorkload(name="shop", place=place, size=Size.BY_WEIGHT)


@pytest.fixture
def behind(api: KubeApi) -> DeploymentWorkload:
    """Return a workload behind one Service, whose pods have a second label."""
    spec = api.objects[STABLE]["spec"]
    spec["template"]["metadata"]["labels"]["track"] = "stable"
    spec["selector"] = {"matchLabels": {"app": "shop", "track": "stable"}}
    api.objects[SERVICE]["spec"]["selector"] = {"app": "shop", "track": "stable"}
    return DeploymentWorkload(name="shop", place=BEHIND)


def sized(api: KubeApi, workload: DeploymentWorkload, weight: int) -> str:
    return run(workload.size(V2, weight, NOW, api.send))


def replicas(api: KubeApi) -> int:
    found: int = api.objects[CANARY]["spec"]["replicas"]
    return found


def all_ready(api: KubeApi) -> None:
    """Let the canary's pods be ready, as the cluster's controller would say it."""
    found = api.objects[CANARY]
    count = found["spec"]["replicas"]
    found["status"] = {
        **dict.fromkeys(MANY, count), "observedGeneration": found["metadata"]["generation"],
    }  # fmt: skip


# --- numbers ---


@pytest.mark.parametrize(
    ("size", "weight", "stable", "pods"),
    [
        (Size.FULL, 1, 4, 4),
        (Size.FULL, 1, 0, 1),
        (Size.BY_WEIGHT, 1, 4, 1),
        (Size.BY_WEIGHT, 25, 4, 1),
        (Size.BY_WEIGHT, 26, 4, 2),
        (Size.BY_WEIGHT, 100, 4, 4),
        (Size.BY_SHARE, 10, 2, 1),
        (Size.BY_SHARE, 10, 9, 1),
        (Size.BY_SHARE, 25, 9, 3),
        (Size.BY_SHARE, 20, 10, 3),  # 2.5
        (Size.BY_SHARE, 50, 4, 4),
        (Size.BY_SHARE, 90, 10, 10),
        (Size.BY_SHARE, 100, 4, 4),
        (Size.BY_SHARE, 100, 0, 1),
    ],
)
def test_a_canary_has_so_many_pods(size: Size, weight: int, stable: int, pods: int) -> None:
    assert pods_for(size, weight, stable) == pods


@given(some.sampled_from(Size), some.integers(0, 99), some.integers(0, 500))
def test_a_canary_never_shrinks_as_it_rises_and_never_outgrows_stable(
    size: Size, weight: int, stable: int
) -> None:
    pods = [first_pods(size, stable), *(pods_for(size, at, stable) for at in (weight, weight + 1))]
    assert pods == sorted(pods)
    assert 1 <= pods[-1] <= max(1, stable)


def test_weights_that_whole_pods_do_not_make_are_said() -> None:
    assert real_shares([10, 50, 50, 100], 2) == ["step of 10 % will be 33 %: 1 of 3 pods"]
    assert real_shares([10, 90, 100], 9) == ["step of 90 % will be 50 %: 9 of 18 pods"]


# --- growing ---


def test_a_full_canary_asks_nobody(api: KubeApi, workload: DeploymentWorkload) -> None:
    assert isinstance(workload, Sized)
    assert not workload.grows
    assert sized(api, workload, 50) == ""
    assert run(workload.shares([10], api.send)) == []
    assert not api.sent


def test_a_canary_grows_before_its_weight_and_is_waited_for(
    api: KubeApi, growing: DeploymentWorkload
) -> None:
    assert growing.grows
    deployed(api, growing)
    assert replicas(api) == 1
    assert sized(api, growing, 10) == "shop-canary has 0 of 1 pods ready"
    all_ready(api)
    assert sized(api, growing, 10) == ""
    assert sized(api, growing, 50) == "shop-canary grows from 1 to 2 pods"
    assert replicas(api) == 2
    assert "of 2 pods ready" in sized(api, growing, 50)
    all_ready(api)
    api.sent.clear()
    assert sized(api, growing, 50) == ""
    assert not api.writes()
    assert "to 3 pods" in sized(api, growing, 100)


def test_a_canary_is_never_made_smaller_by_its_weight(
    api: KubeApi, growing: DeploymentWorkload
) -> None:
    deployed(api, growing)
    sized(api, growing, 100)
    all_ready(api)
    api.change(STABLE, replicas=1)
    assert sized(api, growing, 10) == ""
    assert replicas(api) == 3


def test_a_new_attempt_begins_small_again(api: KubeApi, growing: DeploymentWorkload) -> None:
    first = deployed(api, growing)["metadata"]["uid"]
    sized(api, growing, 100)
    assert deployed(api, growing)["metadata"]["uid"] == first
    assert replicas(api) == 1


def test_a_full_canary_that_somebody_scaled_is_left_alone(
    api: KubeApi, workload: DeploymentWorkload
) -> None:
    deployed(api, workload)
    api.change(CANARY, replicas=7)
    deployed(api, workload)
    assert replicas(api) == 7


def test_a_fault_that_stays_ends_the_wait_with_its_reason(
    api: KubeApi, growing: DeploymentWorkload
) -> None:
    deployed(api, growing)
    all_ready(api)
    sized(api, growing, 100)
    pod(api, "one", "shop:2", **container(restartCount=3, lastState=CRASHED))
    with pytest.raises(PermanentAdapterError, match="container app of pod one crashes"):
        sized(api, growing, 100)


def _gone(api: KubeApi) -> None:
    del api.objects[CANARY]


def _another(api: KubeApi) -> None:
    api.objects[CANARY]["metadata"]["annotations"]["airflow-rollout/image"] = "shop:3"


def _scaled_to_nothing(api: KubeApi) -> None:
    api.change(CANARY, replicas=0)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (_gone, "shop-canary is gone"),
        (_another, "shop-canary is gone"),
        (_scaled_to_nothing, "shop-canary is scaled to 0"),
    ],
)
def test_what_is_not_there_does_not_grow(
    api: KubeApi, growing: DeploymentWorkload, break_it: Callable[[KubeApi], None], words: str
) -> None:
    deployed(api, growing)
    break_it(api)
    before = len(api.writes())
    with pytest.raises(PermanentAdapterError, match=words):
        sized(api, growing, 100)
    assert len(api.writes()) == before


def test_a_canary_that_somebody_scales_to_nothing_is_seen(
    api: KubeApi, growing: DeploymentWorkload
) -> None:
    deployed(api, growing)
    _scaled_to_nothing(api)
    assert probed(api, growing).fatal


def test_a_canary_that_changes_under_the_write_is_asked_again(
    api: KubeApi, growing: DeploymentWorkload
) -> None:
    deployed(api, growing)

    def quicker(request: HttpRequest) -> HttpResponse | None:
        if request.method == "PATCH":
            api.before = lambda request: None
            api.change(CANARY, minReadySeconds=1)
        return None

    api.before = quicker
    with pytest.raises(TransientAdapterError):
        sized(api, growing, 100)
    assert replicas(api) == 1
    assert "to 3 pods" in sized(api, growing, 100)


def test_the_size_is_said_in_the_spec(api: KubeApi) -> None:
    ref = WorkloadRef(kind="deployment", name="shop", options=(("size", "by_weight"),))
    deployed(api, make_workload(ref, namespace="prod", service="shop"))
    assert replicas(api) == 1
    for size in ("by_share", "small"):
        with pytest.raises(SpecError, match=r"workload.size: .* allowed: full, by_weight"):
            make_workload(replace(ref, options=(("size", size),)), namespace="prod", service="shop")


# --- behind one Service ---


def test_behind_one_service_the_canarys_pods_differ_in_one_label(
    api: KubeApi, behind: DeploymentWorkload
) -> None:
    assert run(behind.preflight(api.send)) == []
    made = deployed(api, behind)
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app": "shop", "track": "stable-canary", "team": "web"}
    assert not selector_matches(api.objects[STABLE]["spec"]["selector"], labels)
    assert made["spec"]["selector"] == {"matchLabels": {"app": "shop", "track": "stable-canary"}}
    assert made["spec"]["replicas"] == 1


def test_behind_one_service_the_next_release_is_checked_while_another_moves_it(
    api: KubeApi, behind: DeploymentWorkload
) -> None:
    for selector in ({"app": "shop"}, {"app": "shop", "track": "stable-canary"}):
        api.objects[SERVICE]["spec"]["selector"] = selector
        assert run(behind.preflight(api.send)) == []


def test_behind_one_service_pods_are_the_weight(api: KubeApi, behind: DeploymentWorkload) -> None:
    deployed(api, behind)
    assert run(behind.shares([10, 50, 100], api.send)) == [
        "step of 10 % will be 25 %: 1 of 4 pods"
    ]  # fmt: skip
    all_ready(api)
    assert sized(api, behind, 10) == ""
    assert "to 3 pods" in sized(api, behind, 50)


def test_a_deployment_that_does_not_select_by_the_label_is_refused(
    api: KubeApi, behind: DeploymentWorkload
) -> None:
    api.objects[STABLE]["spec"]["selector"] = {"matchLabels": {"app": "shop"}}
    words = "selector of Deployment shop has no track, .* second label such as track: stable"
    with pytest.raises(PermanentAdapterError, match=words):
        run(behind.preflight(api.send))


def test_pods_without_the_label_are_refused(api: KubeApi, behind: DeploymentWorkload) -> None:
    del api.objects[STABLE]["spec"]["template"]["metadata"]["labels"]["track"]
    with pytest.raises(PermanentAdapterError, match="selects by track, which no pod"):
        run(behind.preflight(api.send))

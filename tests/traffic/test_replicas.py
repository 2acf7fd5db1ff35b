"""The router `replicas`: a Service's selector, its record, and what people do to both."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from kube_api import KubeApi
from replicas_world import (
    BOTH,
    CANARY,
    LEASE,
    RECORD,
    SERVICE,
    STABLE,
    TO_CANARY,
    TOKEN,
    aborted,
    forget_record,
    lead_to,
    make_api,
    opened,
    promoted,
    raised,
    run,
    select,
    selector,
)

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.release import Arm, ReleaseState, is_expected
from airflow_rollout.traffic.base import (
    Feature,
    Lease,
    LeaseKeeper,
    OneService,
    Shaped,
    WriteConflict,
)
from airflow_rollout.traffic.replicas import ReplicasRouter
from airflow_rollout.wire import HttpRequest, HttpResponse, Preflight


@pytest.fixture
def api() -> KubeApi:
    return make_api()


@pytest.fixture
def router() -> ReplicasRouter:
    return ReplicasRouter(service="shop", namespace="prod")


def fault_at(api: KubeApi, router: ReplicasRouter, weight: int) -> str:
    """Return what a gate at this weight finds wrong."""
    return is_expected(run(router.read(api.send)), token=TOKEN, canary=CANARY, weight=weight)


def test_it_is_a_conditional_router_of_one_service_with_a_lease_and_a_preflight(
    router: ReplicasRouter,
) -> None:
    assert Feature.CONDITIONAL_WRITE in router.features
    assert Feature.READ_BACK not in router.features
    keeper: LeaseKeeper = router
    assert isinstance(keeper, OneService)
    assert isinstance(keeper, Preflight)
    assert not isinstance(keeper, Shaped)


def test_a_service_that_no_release_has_touched_is_its_stable_version(
    api: KubeApi, router: ReplicasRouter
) -> None:
    split = run(router.read(api.send))
    assert split is not None
    assert (split.state, split.weight, split.canary) == (ReleaseState.RELEASED, 0, None)
    assert split.stable == Arm(version="as found", target="service/shop")
    assert not api.writes()


def test_the_selector_has_three_forms_and_is_one_write_with_the_record(
    api: KubeApi, router: ReplicasRouter
) -> None:
    before = copy.deepcopy(api.objects[SERVICE]["spec"])
    opened(api, router)
    for weight, previous, form in [(10, 0, BOTH), (50, 10, BOTH), (100, 50, TO_CANARY)]:
        api.sent.clear()
        split = raised(api, router, weight, previous)
        assert api.writes() == [("PATCH", SERVICE)]
        assert selector(api) == form
        assert run(router.read(api.send)) == split
    split = promoted(api, router)
    assert (split.weight, split.stable) == (0, CANARY)
    assert api.objects[SERVICE]["spec"] == before


@pytest.mark.parametrize("weights", [(10,), (10, 100), (100,)])
def test_an_abort_is_one_write_that_takes_all_of_the_canarys_pods_out(
    api: KubeApi, router: ReplicasRouter, weights: tuple[int, ...]
) -> None:
    opened(api, router)
    for before, weight in zip((0, *weights), weights, strict=False):
        raised(api, router, weight, before)
    api.sent.clear()
    assert aborted(api, router).state is ReleaseState.SEALED
    first, *later = api.writes()
    assert first == ("PATCH", SERVICE)
    assert {path for _, path in later} <= {LEASE}
    assert selector(api) == STABLE


def test_a_write_on_another_record_is_a_conflict(api: KubeApi, router: ReplicasRouter) -> None:
    split = opened(api, router)
    late = replace(split, weight=10)
    aborted(api, router)
    with pytest.raises(WriteConflict) as caught:
        run(router.write(late, split, api.send))
    assert caught.value.found is not None
    assert caught.value.found.state is ReleaseState.SEALED
    assert selector(api) == STABLE


def test_a_change_between_read_and_patch_is_a_conflict(
    api: KubeApi, router: ReplicasRouter
) -> None:
    split = opened(api, router)

    def quicker(request: HttpRequest) -> HttpResponse | None:
        if request.method == "PATCH":
            api.before = lambda request: None
            api.change(SERVICE, ports=[{"port": 81}])
        return None

    api.before = quicker
    with pytest.raises(WriteConflict):
        run(router.write(replace(split, weight=10), split, api.send))
    assert selector(api) == STABLE


@pytest.mark.parametrize(
    ("weight", "labels", "shown"),
    [
        (0, BOTH, "50 %"),
        (0, TO_CANARY, "100 %"),
        (10, STABLE, "0 %"),
        (10, TO_CANARY, "100 %"),
        (10, {"app": "other"}, "50 %"),
        (50, {"app": "other"}, "51 %"),
        (100, BOTH, "50 %"),
        (100, STABLE, "0 %"),
    ],
)
def test_a_selector_set_by_hand_is_seen_with_who_did_it_and_taken_back(
    api: KubeApi, router: ReplicasRouter, weight: int, labels: dict[str, str], shown: str
) -> None:
    opened(api, router)
    if weight:
        raised(api, router, weight, 0)
    assert fault_at(api, router, weight) == ""
    select(api, **labels)
    api.objects[SERVICE]["metadata"]["managedFields"] = [
        {"manager": "airflow-rollout", "time": "2026-01-02T00:00:00Z",
         "fieldsV1": {"f:spec": {"f:selector": {}}}},
        {"manager": "kubectl-edit", "time": "2026-01-01T00:00:00Z",
         "fieldsV1": {"f:spec": {"f:selector": {}}}},
    ]  # fmt: skip
    fault = fault_at(api, router, weight)
    assert f"the weight is {shown}" in fault
    assert "kubectl-edit at 2026-01-01" in fault
    sealed = aborted(api, router)
    assert (sealed.weight, sealed.state) == (0, ReleaseState.SEALED)
    assert selector(api) == STABLE


def test_a_selector_set_by_hand_after_the_seal_is_no_longer_safe(
    api: KubeApi, router: ReplicasRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    aborted(api, router)
    select(api, **BOTH)
    assert aborted(api, router).weight == 0
    assert selector(api) == STABLE


def test_a_selector_that_the_user_gave_it_between_two_releases_is_the_new_one(
    api: KubeApi, router: ReplicasRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    aborted(api, router)
    own = {"app": "shop", "tier": "web", "track": "stable"}
    select(api, **own)
    split = run(router.read(api.send))
    assert split is not None
    assert split.weight == 0
    opened(api, router, replace(TOKEN, epoch="e2"))
    found = run(router.read(api.send))
    assert found is not None
    run(router.write(replace(found, weight=10), found, api.send))
    assert selector(api) == {"app": "shop", "tier": "web"}
    run(router.write(replace(found, weight=0), run(router.read(api.send)), api.send))
    assert selector(api) == own


@pytest.mark.parametrize("weight", [10, 100])
def test_a_lost_record_stops_its_release_and_the_selector_is_put_back(
    api: KubeApi, router: ReplicasRouter, weight: int
) -> None:
    opened(api, router)
    raised(api, router, weight, 0)
    forget_record(api)
    assert "record is gone" in fault_at(api, router, weight)
    sealed = aborted(api, router)
    assert (sealed.weight, sealed.state, sealed.token) == (0, ReleaseState.SEALED, TOKEN)
    assert selector(api) == STABLE
    assert run(router.read(api.send)) == sealed


def test_a_record_lost_after_the_seal_still_tells_whose_canary_is_to_be_removed(
    api: KubeApi, router: ReplicasRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    sealed = aborted(api, router)
    forget_record(api)
    assert run(router.read(api.send)) == sealed


def test_a_service_that_is_made_anew_is_put_back_as_it_was(
    api: KubeApi, router: ReplicasRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    api.put(SERVICE, {"spec": {"selector": {"app": "shop"}}})
    assert "record is gone" in fault_at(api, router, 10)
    aborted(api, router)
    assert selector(api) == STABLE


def test_a_lost_service_stops_its_release(api: KubeApi, router: ReplicasRouter) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    del api.objects[SERVICE]
    assert "Service shop is gone" in fault_at(api, router, 10)
    sealed = aborted(api, router)
    assert (sealed.weight, sealed.canary, sealed.state) == (0, CANARY, ReleaseState.SEALED)
    assert run(router.live(api.send)) == 0
    with pytest.raises(PermanentAdapterError, match="Service shop: it does not exist"):
        opened(api, router, replace(TOKEN, epoch="e2"))


def test_a_service_without_a_second_label_is_never_raised(
    api: KubeApi, router: ReplicasRouter
) -> None:
    select(api, app="shop")
    opened(api, router)
    with pytest.raises(PermanentAdapterError, match="a second label such as track: stable"):
        raised(api, router, 10, 0)
    assert selector(api) == BOTH
    assert aborted(api, router).state is ReleaseState.SEALED


def test_the_label_is_said_in_the_spec(api: KubeApi) -> None:
    router = ReplicasRouter(service="shop", namespace="prod", arm_label="app")
    opened(api, router)
    raised(api, router, 10, 0)
    assert selector(api) == {"track": "stable"}
    raised(api, router, 100, 10)
    assert selector(api) == {"app": "shop-canary", "track": "stable"}


# --- what the endpoints show ---


def test_weight_0_is_seen_when_no_pod_of_the_canary_is_led_to(
    api: KubeApi, router: ReplicasRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    lead_to(api, "shop-1", "shop-2", "shop-canary-1")
    assert run(router.live(api.send)) == 10
    aborted(api, router)
    with pytest.raises(TransientAdapterError, match="1 pods of the canary are still among"):
        run(router.live(api.send))
    lead_to(api, "shop-1", "shop-2", starting=("shop-canary-1",))
    assert run(router.live(api.send)) == 0


def test_a_weight_is_seen_when_a_pod_of_the_canary_is_led_to(
    api: KubeApi, router: ReplicasRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    lead_to(api, "shop-1", "shop-2", starting=("shop-canary-1",))
    with pytest.raises(TransientAdapterError, match="no pod of the canary is among"):
        run(router.live(api.send))


def test_weight_100_is_seen_when_no_other_pod_is_led_to(
    api: KubeApi, router: ReplicasRouter
) -> None:
    opened(api, router)
    raised(api, router, 100, 0)
    lead_to(api, "shop-1", "shop-canary-1")
    with pytest.raises(TransientAdapterError, match="1 other pods are still among"):
        run(router.live(api.send))
    lead_to(api, "shop-canary-1")
    assert run(router.live(api.send)) == 100


# --- the Lease ---


def test_the_lease_is_read_back_and_keeps_the_copy_of_the_record(
    api: KubeApi, router: ReplicasRouter
) -> None:
    opened(api, router)
    lease = Lease(epoch="e1", holder="dag/run", renewed_at=1234.5)
    run(router.renew_lease(lease, api.send))
    assert run(router.read_lease(api.send)) == lease
    copied = api.objects[LEASE]["metadata"]["annotations"]["airflow-rollout/record"]
    assert copied == api.objects[SERVICE]["metadata"]["annotations"][RECORD]

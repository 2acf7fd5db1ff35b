"""The router `gateway_api`: one rule of a route, its record, and what people do to both."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from gateway_world import (
    CANARY,
    LEASE,
    ROUTE,
    TOKEN,
    aborted,
    opened,
    raised,
    refs,
    run,
    set_refs,
    status,
)
from kube_api import KubeApi

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.release import Arm, ReleaseState, decide_open, is_expected
from airflow_rollout.traffic.base import Feature, Lease, LeaseKeeper, Shaped, WriteConflict
from airflow_rollout.traffic.gateway_api import GatewayApiRouter
from airflow_rollout.wire import HttpRequest, HttpResponse, Preflight


def test_it_is_a_conditional_router_with_a_shape_a_lease_and_a_preflight(
    router: GatewayApiRouter,
) -> None:
    assert Feature.CONDITIONAL_WRITE in router.features
    assert Feature.READ_BACK not in router.features
    keeper: LeaseKeeper = router
    assert isinstance(keeper, Shaped)
    assert isinstance(keeper, Preflight)


def test_a_route_that_no_release_has_touched_serves_its_stable_version(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    split = run(router.read(api.send))
    assert split is not None
    assert (split.state, split.weight, split.canary) == (ReleaseState.RELEASED, 0, None)
    assert split.stable == Arm(version="as found", target="service/shop")
    assert not api.writes()


def test_weights_and_record_are_one_write_and_everything_else_is_kept(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    before = copy.deepcopy(api.objects[ROUTE]["spec"])
    opened(api, router)
    run(router.attach(api.send))
    api.sent.clear()
    split = raised(api, router, 10, 0)
    assert api.writes() == [("PATCH", ROUTE)]
    assert run(router.read(api.send)) == split
    spec = api.objects[ROUTE]["spec"]
    shop = before["rules"][1]["backendRefs"][0]
    assert spec["rules"][1].pop("backendRefs") == [
        {**shop, "weight": 90}, {**shop, "name": "shop-canary", "weight": 10}
    ]  # fmt: skip
    before["rules"][1].pop("backendRefs")
    assert spec == before


def test_the_canary_comes_and_goes_at_weight_0(api: KubeApi, router: GatewayApiRouter) -> None:
    opened(api, router)
    assert refs(api) == {"shop": 1}
    run(router.attach(api.send))
    assert refs(api) == {"shop": 100, "shop-canary": 0}
    api.sent.clear()
    run(router.attach(api.send))
    run(router.detach(api.send))
    assert not api.writes()
    raised(api, router, 10, 0)
    assert aborted(api, router).weight == 0
    assert refs(api) == {"shop": 100, "shop-canary": 0}
    run(router.detach(api.send))
    assert refs(api) == {"shop": 1}
    run(router.detach(api.send))
    assert set(api.objects[ROUTE]["metadata"]["annotations"]) == {"shop.airflow-rollout/record"}


def test_a_route_that_is_written_all_the_time_gets_no_canary(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    hosts = iter(range(1000))

    def quicker(request: HttpRequest) -> HttpResponse | None:
        if request.method == "PATCH":
            api.change(ROUTE, hostnames=[f"host-{next(hosts)}"])
        return None

    api.before = quicker
    with pytest.raises(TransientAdapterError, match="writes in a row"):
        run(router.attach(api.send))
    assert refs(api) == {"shop": 1}


def test_a_canary_with_traffic_is_not_taken_out(api: KubeApi, router: GatewayApiRouter) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    aborted(api, router)
    set_refs(api, [{"name": "shop", "weight": 1}, {"name": "shop-canary", "weight": 1}])
    run(router.detach(api.send))
    assert refs(api) == {"shop": 1, "shop-canary": 1}


def test_a_write_on_another_record_is_a_conflict(api: KubeApi, router: GatewayApiRouter) -> None:
    split = opened(api, router)
    late = replace(split, weight=10)
    aborted(api, router)
    with pytest.raises(WriteConflict) as caught:
        run(router.write(late, split, api.send))
    assert caught.value.found is not None
    assert caught.value.found.state is ReleaseState.SEALED
    assert refs(api) == {"shop": 1}


def test_a_change_between_read_and_patch_is_a_conflict(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    split = opened(api, router)

    def quicker(request: HttpRequest) -> HttpResponse | None:
        if request.method == "PATCH":
            api.before = lambda request: None
            api.change(ROUTE, hostnames=["other"])
        return None

    api.before = quicker
    with pytest.raises(WriteConflict):
        run(router.write(replace(split, weight=10), split, api.send))
    assert refs(api) == {"shop": 1}
    assert api.objects[ROUTE]["spec"]["hostnames"] == ["other"]


def test_a_weight_set_by_hand_is_seen_with_who_did_it(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    set_refs(api, [{"name": "shop", "weight": 1}, {"name": "shop-canary", "weight": 1}])
    entry = {"manager": "kubectl-edit", "time": "2026-01-01T00:00:00Z"}
    api.objects[ROUTE]["metadata"]["managedFields"] = [
        {"manager": "airflow-rollout", "time": "2026-01-02T00:00:00Z",
         "fieldsV1": {"f:spec": {"f:rules": {}}}},
        {**entry, "fieldsV1": {"f:spec": {"f:rules": {}}}},
        {"manager": "traefik", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:status": {}}},
    ]  # fmt: skip
    found = run(router.read(api.send))
    fault = is_expected(found, token=TOKEN, canary=CANARY, weight=10)
    assert "50 %" in fault
    assert "kubectl-edit at 2026-01-01" in fault
    assert aborted(api, router).weight == 0
    assert refs(api) == {"shop": 100, "shop-canary": 0}


def test_a_little_weight_is_never_none(api: KubeApi, router: GatewayApiRouter) -> None:
    opened(api, router)
    set_refs(api, [{"name": "shop", "weight": 999}, {"name": "shop-canary", "weight": 1}])
    split = run(router.read(api.send))
    assert split is not None
    assert split.weight == 1


def test_a_lost_record_stops_its_release_and_is_put_back(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    del api.objects[ROUTE]["metadata"]["annotations"]["shop.airflow-rollout/record"]
    found = run(router.read(api.send))
    assert "record is gone" in is_expected(found, token=TOKEN, canary=CANARY, weight=10)
    sealed = aborted(api, router)
    assert (sealed.weight, sealed.state, sealed.token) == (0, ReleaseState.SEALED, TOKEN)
    assert refs(api) == {"shop": 100, "shop-canary": 0}
    assert run(router.read(api.send)) == sealed


def test_a_record_lost_after_the_seal_still_tells_whose_canary_is_to_be_removed(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    sealed = aborted(api, router)
    del api.objects[ROUTE]["metadata"]["annotations"]["shop.airflow-rollout/record"]
    assert run(router.read(api.send)) == sealed
    run(router.detach(api.send))
    assert run(router.read(api.send)) == sealed


def test_a_lost_route_stops_its_release(api: KubeApi, router: GatewayApiRouter) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    del api.objects[ROUTE]
    found = run(router.read(api.send))
    assert "is gone" in is_expected(found, token=TOKEN, canary=CANARY, weight=10)
    sealed = aborted(api, router)
    assert (sealed.weight, sealed.canary, sealed.state) == (0, CANARY, ReleaseState.SEALED)
    run(router.detach(api.send))
    with pytest.raises(PermanentAdapterError, match="there is no HTTPRoute shop"):
        opened(api, router, replace(TOKEN, epoch="e2"))


def test_a_rule_without_the_service_cannot_be_raised_but_sealed(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    split = opened(api, router)
    set_refs(api, [{"name": "other"}])
    with pytest.raises(PermanentAdapterError, match="its backends: admin, other"):
        raised(api, router, 10, 0)
    assert aborted(api, router).state is ReleaseState.SEALED
    assert split.state is ReleaseState.OPEN


def test_two_services_of_one_route_have_records_of_their_own(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    split = opened(api, router)
    other = GatewayApiRouter(service="admin", namespace="prod", route="shop")
    found = run(other.read(api.send))
    wanted = decide_open(found, service="admin", token=replace(TOKEN, epoch="e2"), canary=CANARY)
    assert wanted.split is not None
    run(other.write(wanted.split, found, api.send))
    assert run(router.read(api.send)) == split


def test_live_waits_for_the_controller_and_names_what_it_refuses(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    with pytest.raises(TransientAdapterError, match="Gateway web has not seen the last change"):
        run(router.live(api.send))
    generation = api.objects[ROUTE]["metadata"]["generation"]
    api.objects[ROUTE]["status"] = status(generation)
    assert run(router.live(api.send)) == 10
    api.objects[ROUTE]["status"] = status(generation, ResolvedRefs="BackendNotFound")
    with pytest.raises(PermanentAdapterError, match="BackendNotFound"):
        run(router.live(api.send))
    aborted(api, router)
    generation = api.objects[ROUTE]["metadata"]["generation"]
    api.objects[ROUTE]["status"] = status(generation, ResolvedRefs="BackendNotFound")
    assert run(router.live(api.send)) == 0


def test_a_controller_that_counts_no_generations_says_nothing_of_traffic(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    found = status()
    for one in found["parents"][0]["conditions"]:
        del one["observedGeneration"]
    api.objects[ROUTE]["status"] = found
    assert run(router.live(api.send)) is None


def test_what_an_earlier_controller_has_left_behind_says_nothing(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    api.objects[ROUTE]["spec"]["parentRefs"] = [{"name": "web"}]
    opened(api, router)
    raised(api, router, 10, 0)
    left = {**status()["parents"][0], "parentRef": {"name": "old"}}
    now = status(api.objects[ROUTE]["metadata"]["generation"])["parents"]
    api.objects[ROUTE]["status"] = {"parents": [left, *now]}
    assert run(router.live(api.send)) == 10


def test_the_lease_is_read_back_and_keeps_the_copy_of_the_record(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    assert run(router.read_lease(api.send)) is None
    opened(api, router)
    assert run(router.read_lease(api.send)) is None
    lease = Lease(epoch="e1", holder="dag/run", renewed_at=1234.5)
    run(router.renew_lease(lease, api.send))
    assert run(router.read_lease(api.send)) == lease
    assert "airflow-rollout/record" in api.objects[LEASE]["metadata"]["annotations"]


def test_a_grpc_route_is_moved_like_any_other(api: KubeApi) -> None:
    path = ROUTE.replace("httproutes", "grpcroutes")
    api.put(path, {**copy.deepcopy(api.objects.pop(ROUTE)), "kind": "GRPCRoute"})
    grpc = GatewayApiRouter(service="shop", namespace="prod", route="shop", kind="GRPCRoute")
    with pytest.raises(PermanentAdapterError, match="needs a GRPCRoute, which GatewayClass some"):
        run(grpc.preflight(api.send))
    opened(api, grpc)
    run(grpc.attach(api.send))
    raised(api, grpc, 10, 0)
    (_, rule) = api.objects[path]["spec"]["rules"]
    assert [(it["name"], it["weight"]) for it in rule["backendRefs"]] == [
        ("shop", 90), ("shop-canary", 10),
    ]  # fmt: skip
    aborted(api, grpc)
    (_, rule) = api.objects[path]["spec"]["rules"]
    assert [it["weight"] for it in rule["backendRefs"]] == [100, 0]
    assert {where for _, where in api.writes()} == {path, LEASE, LEASE.rpartition("/")[0]}

"""Router and workload against a real API server: bad input, rights, foreign objects, races.

Nothing has to run here, so the programs of `KUBEBUILDER_ASSETS` are enough (as `setup-envtest`
brings them), or any cluster with the Gateway API whose administrator's kubeconfig is
`ROLLOUT_TEST_KUBECONFIG`: `KUBEBUILDER_ASSETS=... pytest tests/cluster/test_api_tier.py`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from api_lab import ApiTier, Lab
from driver import SPEC, Driver
from kube_shop import CANARY, Shop
from user_cluster import UserCluster

from airflow_rollout.errors import PermanentAdapterError, ReleaseRefused, RolloutError, SpecError
from airflow_rollout.hooks.moves import Move
from airflow_rollout.release import ReleaseState

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

_RACES = 5


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if kubeconfig := os.environ.get("ROLLOUT_TEST_KUBECONFIG"):
        with UserCluster(Path(kubeconfig)) as cluster:
            yield cluster
    elif assets := os.environ.get("KUBEBUILDER_ASSETS"):
        with ApiTier(Path(assets)) as tier:
            yield tier
    else:
        yield request.getfixturevalue("kubernetes")


@pytest.fixture
def place(api: Lab, namespace_name: str) -> Iterator[Shop]:
    """Return a namespace with the example's objects, which may run or not."""
    yield api.place(namespace_name)
    if api.admin.get("Namespace", namespace_name) is not None:
        api.admin.delete("Namespace", namespace_name)


def _route(shop: Shop, *rules: list[str]) -> None:
    found = [{"backendRefs": [{"name": name, "port": 80} for name in names]} for names in rules]
    shop.patch("HTTPRoute", "checkout", {"spec": {"rules": found}})


def _weight_on_canary(shop: Shop) -> None:
    refs = [{"name": "checkout", "port": 80, "weight": 90},
            {"name": CANARY, "port": 80, "weight": 10}]  # fmt: skip
    shop.patch("HTTPRoute", "checkout", {"spec": {"rules": [{"backendRefs": refs}]}})


_ROUTE_FAULTS: dict[str, Callable[[Shop], None]] = {
    "there is no HTTPRoute checkout": lambda shop: shop.admin.delete(
        "HTTPRoute", "checkout", shop.name
    ),
    "no rule of HTTPRoute checkout leads to Service checkout; its backends: elsewhere": (
        lambda shop: _route(shop, ["elsewhere"])
    ),
    "rules 0 and 1 (from 0) lead to checkout": lambda shop: _route(
        shop, ["checkout"], ["checkout"]
    ),
    "other backends beside checkout: elsewhere": lambda shop: _route(
        shop, ["checkout", "elsewhere"]
    ),
    "10 % of rule 0 is on checkout-canary already": _weight_on_canary,
}


@pytest.mark.parametrize("words", _ROUTE_FAULTS)
def test_a_route_that_cannot_carry_a_release_is_refused(place: Shop, words: str) -> None:
    _ROUTE_FAULTS[words](place)
    release = Driver(place, "v2")
    with pytest.raises(PermanentAdapterError) as refused:
        release.preflight()
    assert words in str(refused.value)
    assert f"(namespace {place.name})" in str(refused.value)
    assert place.made() == []


def _containers(shop: Shop) -> None:
    path = "/spec/template/spec/containers/-"
    change = [{"op": "add", "path": path, "value": {"name": "proxy", "image": "proxy:1"}}]
    shop.patch("Deployment", "checkout", change)


def _foreign_canary(shop: Shop) -> None:
    found = shop.get("Deployment")
    assert found is not None
    kind = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": CANARY}}
    shop.admin.apply({**kind, "spec": found["spec"]}, shop.name)


def _recreate(shop: Shop) -> None:
    strategy = {"type": "Recreate", "rollingUpdate": None}
    shop.patch("Deployment", "checkout", {"spec": {"strategy": strategy}})


_WORKLOAD_FAULTS: dict[str, Callable[[Shop], None]] = {
    "there is no Deployment checkout": lambda shop: shop.admin.delete(
        "Deployment", "checkout", shop.name
    ),
    "there is no Service checkout": lambda shop: shop.admin.delete(
        "Service", "checkout", shop.name
    ),
    "several containers and none is named; `container` may be ": _containers,
    "strategy Recreate": _recreate,
    "there is a Deployment checkout-canary already that no release made": _foreign_canary,
    "Service checkout selects by tier, which no pod": lambda shop: shop.patch(
        "Service", "checkout", {"spec": {"selector": {"tier": "web"}}}
    ),
}


@pytest.mark.parametrize("words", _WORKLOAD_FAULTS)
def test_a_deployment_of_which_no_canary_can_be_made_is_refused(place: Shop, words: str) -> None:
    _WORKLOAD_FAULTS[words](place)
    before = place.get("Deployment", CANARY)
    release = Driver(place, "v2")
    with pytest.raises(PermanentAdapterError) as refused:
        release.do(lambda systems: systems.workload.preflight(systems.workload_send))
    assert words in str(refused.value)
    # What is there already is somebody else's, and is left alone.
    after = place.get("Deployment", CANARY)
    assert (after or {}).get("spec") == (before or {}).get("spec")
    assert place.get("Service", CANARY) is None


def test_a_container_that_is_not_there_is_named(place: Shop) -> None:
    text = SPEC.format(namespace=place.name).replace(
        "kind: deployment", "kind: deployment, container: web"
    )
    release = Driver(place, "v2", text=text)
    with pytest.raises(
        PermanentAdapterError, match="there is no container web; `container` may be"
    ):
        release.do(lambda systems: systems.workload.preflight(systems.workload_send))


def test_a_kind_of_route_that_nobody_knows_is_refused_before_anything_is_asked(place: Shop) -> None:
    text = SPEC.format(namespace=place.name).replace(
        "service: checkout", "service: checkout, kind: TLSRoute"
    )
    with pytest.raises(SpecError, match=r"traffic\.kind"):
        Driver(place, "v2", text=text).preflight()


def test_a_service_of_the_same_route_that_leads_to_the_canary_is_refused(place: Shop) -> None:
    path = "/spec/template/metadata/labels/tier"
    place.patch("Deployment", "checkout", [{"op": "add", "path": path, "value": "web"}])
    _route(place, ["checkout"], ["team"])
    spec = {"selector": {"tier": "web"}, "ports": [{"port": 80}]}
    kind = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "team"}}
    place.admin.apply({**kind, "spec": spec}, place.name)
    release = Driver(place, "v2")
    with pytest.raises(PermanentAdapterError, match="Service team would lead to the canary's pods"):
        release.do(lambda it: it.workload.check_beside(["checkout", "team"], it.workload_send))
    told = release.do(lambda it: it.workload.check_beside(["checkout"], it.workload_send))
    assert "Service team would lead to the canary's pods too, by tier=web" in told[0]


def test_without_the_role_nothing_is_made(place: Shop) -> None:
    place.admin.delete("RoleBinding", "airflow-rollout", place.name)
    with pytest.raises(PermanentAdapterError, match="forbidden"):
        Driver(place, "v2").preflight()
    assert place.made() == []


def _specs(place: Shop) -> list[object]:
    found = [place.get(kind) for kind in ("Deployment", "Service")]
    return [one and one["spec"] for one in found]


def test_everything_a_release_made_is_gone_after_it_and_nothing_else(place: Shop) -> None:
    kind = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bystander"}}
    place.admin.apply(
        {**kind, "spec": {"selector": {"app": "x"}, "ports": [{"port": 1}]}}, place.name
    )
    before = _specs(place)
    release = Driver(place, "v2")
    release.start()
    assert place.made() == ["Deployment", "Service"]
    release.raise_to(10, 0)
    release.go_back()
    assert place.made() == []
    assert _specs(place) == before
    assert place.get("Service", "bystander") is not None


def test_a_canary_that_somebody_made_anew_is_not_deleted(place: Shop) -> None:
    release = Driver(place, "v2")
    release.start()
    place.admin.delete("Deployment", CANARY, place.name)
    place.until(lambda: place.get("Deployment", CANARY) is None, "it is gone")
    _foreign_canary(place)
    release.go_back()
    assert place.made() == ["Deployment"]


def test_aborts_and_raises_that_race_leave_no_weight(place: Shop) -> None:
    """Whoever is quicker: after the abort nothing rises, on each of many releases."""
    for number in range(_RACES):
        release = Driver(place, "v2")
        release.token = replace(release.token, epoch=f"race-{number}")
        release.start()
        ends: dict[str, object] = {}
        both = [
            threading.Thread(target=_keep, args=(ends, "raise", partial(release.raise_to, 10, 0))),
            threading.Thread(target=_keep, args=(ends, "abort", release.seal)),
        ]
        for thread in both if number % 2 else reversed(both):
            thread.start()
        for thread in both:
            thread.join()
        assert isinstance(ends["abort"], Move), ends
        assert ends["raise"] is None or isinstance(ends["raise"], ReleaseRefused), ends
        assert place.weights().get(CANARY, 0) == 0
        split = release.split()
        assert split is not None
        assert split.state is ReleaseState.SEALED
        with pytest.raises(ReleaseRefused):
            release.raise_to(20, 10)
        release.go_back()


def _keep(ends: dict[str, object], name: str, work: Callable[[], object]) -> None:
    try:
        ends[name] = work()
    except RolloutError as error:
        ends[name] = error

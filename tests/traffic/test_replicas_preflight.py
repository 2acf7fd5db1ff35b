"""What keeps a Service from carrying a release is found before any traffic moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kube_api import KubeApi
from replicas_world import (
    BOTH,
    SERVICE,
    TO_CANARY,
    aborted,
    make_api,
    opened,
    pod,
    raised,
    run,
    select,
)

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.traffic.replicas import ReplicasRouter
from airflow_rollout.wire import HttpRequest, HttpResponse


@pytest.fixture
def api() -> KubeApi:
    return make_api()


@pytest.fixture
def router() -> ReplicasRouter:
    return ReplicasRouter(service="shop", namespace="prod")


def test_preflight_finds_nothing_wrong_with_a_sound_service(
    api: KubeApi, router: ReplicasRouter
) -> None:
    assert run(router.preflight(api.send)) == []
    opened(api, router)
    raised(api, router, 10, 0)
    # Another release is open: whoever waits for its turn is not refused for its selector.
    assert run(router.preflight(api.send)) == []


def test_preflight_says_that_clients_stay_where_they_are(
    api: KubeApi, router: ReplicasRouter
) -> None:
    api.change(SERVICE, sessionAffinity="ClientIP")
    (advice,) = run(router.preflight(api.send))
    assert "ClientIP" in advice


def _no_service(api: KubeApi) -> None:
    del api.objects[SERVICE]


def _one_label(api: KubeApi) -> None:
    select(api, track="stable")


def _other_label(api: KubeApi) -> None:
    select(api, app="shop", tier="web")


def _no_selector(api: KubeApi) -> None:
    del api.objects[SERVICE]["spec"]["selector"]


def _the_canarys(api: KubeApi) -> None:
    select(api, **TO_CANARY)


def _left_open(api: KubeApi) -> None:
    router = ReplicasRouter(service="shop", namespace="prod")
    opened(api, router)
    aborted(api, router)
    select(api, **BOTH)
    api.sent.clear()


def _strangers(api: KubeApi) -> None:
    pod(api, "shop-worker", app="shop", track="worker")
    pod(api, "shop-job", app="shop")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (_no_service, "it does not exist"),
        (_one_label, "selects by track, and needs track and a label that both versions have"),
        (_other_label, "selects by app, tier, and needs track .* a second label such as"),
        (_no_selector, "selects by nothing"),
        (_the_canarys, "track=stable-canary, as to a canary's pods"),
        (_left_open, "selects app=shop although no release is open; .* app=shop,track=stable"),
        (_strangers, "app=shop, which leads to pods of neither version: shop-job, shop-worker"),
    ],
)
def test_preflight_refuses_what_cannot_carry_a_release(
    api: KubeApi, router: ReplicasRouter, break_it: Callable[[KubeApi], None], words: str
) -> None:
    break_it(api)
    with pytest.raises(PermanentAdapterError, match=words):
        run(router.preflight(api.send))
    assert not api.writes()


def test_preflight_needs_the_right_to_see_endpoints(api: KubeApi, router: ReplicasRouter) -> None:
    def forbidden(request: HttpRequest) -> HttpResponse | None:
        if "endpointslices" not in request.url:
            return None
        return HttpResponse(status=403, body=b'{"message": "endpointslices is forbidden"}')

    api.before = forbidden
    with pytest.raises(PermanentAdapterError, match="endpointslices is forbidden"):
        run(router.preflight(api.send))


def test_pods_that_end_are_nobodys(api: KubeApi, router: ReplicasRouter) -> None:
    _strangers(api)
    for path, found in api.objects.items():
        if path.endswith(("shop-worker", "shop-job")):
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert run(router.preflight(api.send)) == []

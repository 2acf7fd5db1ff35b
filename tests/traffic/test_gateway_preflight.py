"""What keeps a route from carrying a release is found before any traffic moves."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from gateway_world import (
    CLASS,
    GATEWAY,
    ROUTE,
    opened,
    raised,
    run,
    set_refs,
    status,
)
from kube_api import KubeApi

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.traffic.gateway_api import GatewayApiRouter
from airflow_rollout.wire import HttpRequest, HttpResponse


def test_preflight_finds_nothing_wrong_with_a_sound_route(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    assert run(router.preflight(api.send)) == []
    opened(api, router)
    raised(api, router, 10, 0)
    api.objects[ROUTE]["status"] = status(api.objects[ROUTE]["metadata"]["generation"])
    # Another release is open: whoever waits for its turn is not refused for its weight.
    assert run(router.preflight(api.send)) == []


def test_preflight_says_that_a_controller_lags_behind(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    (advice,) = run(router.preflight(api.send))
    assert advice.startswith("Gateway web has not seen the last change of the route")


def test_preflight_says_what_it_may_not_ask(api: KubeApi, router: GatewayApiRouter) -> None:
    def forbidden(request: HttpRequest) -> HttpResponse | None:
        if request.url != CLASS:
            return None
        return HttpResponse(status=403, body=b'{"message": "gatewayclasses is forbidden"}')

    api.before = forbidden
    (advice,) = run(router.preflight(api.send))
    assert "gatewayclasses is forbidden" in advice


def test_preflight_says_who_may_set_the_weights_back(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    def entry(manager: str, operation: str, fields: dict[str, object]) -> dict[str, object]:
        return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": fields}}

    api.objects[ROUTE]["metadata"]["managedFields"] = [
        entry("argocd-controller", "Apply", {"f:rules": {}, "f:hostnames": {}}),
        entry("names", "Apply", {"f:hostnames": {}}),
        entry("kubectl-edit", "Update", {"f:rules": {}}),
        entry("airflow-rollout", "Apply", {"f:rules": {}}),
    ]
    (advice,) = run(router.preflight(api.send))
    assert advice.startswith("HTTPRoute shop is applied by argocd-controller: applied again in mid")


def _no_route(api: KubeApi) -> None:
    del api.objects[ROUTE]


def _no_rule(api: KubeApi) -> None:
    set_refs(api, [{"name": "other"}])


def _two_rules(api: KubeApi) -> None:
    rules = api.objects[ROUTE]["spec"]["rules"]
    api.change(ROUTE, rules=[*rules, rules[1]])


def _others(api: KubeApi) -> None:
    set_refs(api, [{"name": "shop"}, {"name": "shop-b"}])


def _weight(api: KubeApi) -> None:
    set_refs(api, [{"name": "shop"}, {"name": "shop-canary"}])


def _mirror(api: KubeApi) -> None:
    rules = copy.deepcopy(api.objects[ROUTE]["spec"]["rules"])
    rules[1]["filters"] = [{"type": "RequestMirror"}]
    api.change(ROUTE, rules=rules)


def _refused(api: KubeApi) -> None:
    api.objects[ROUTE]["status"] = status(Accepted="NoMatchingListenerHostname")


def _nobody(api: KubeApi) -> None:
    api.objects[ROUTE]["status"] = {}


def _no_gateway(api: KubeApi) -> None:
    del api.objects[GATEWAY]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (_no_route, "there is no HTTPRoute shop"),
        (_no_rule, "no rule of HTTPRoute shop leads to Service shop; its backends: admin, other"),
        (_two_rules, "rules 1 and 2"),
        (_others, "other backends beside shop: shop-b"),
        (_weight, "50 % of rule 1 is on shop-canary already"),
        (_mirror, "supportedFeatures lacks HTTPRouteRequestMirror"),
        (_refused, "NoMatchingListenerHostname"),
        (_nobody, "no controller has accepted it"),
        (_no_gateway, "there is no Gateway web"),
    ],
)
def test_preflight_refuses_what_cannot_carry_a_release(
    api: KubeApi, router: GatewayApiRouter, break_it: Any, words: str
) -> None:
    break_it(api)
    with pytest.raises(PermanentAdapterError, match=words):
        run(router.preflight(api.send))
    assert not api.writes()

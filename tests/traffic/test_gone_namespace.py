"""A namespace that somebody deletes in mid-release: its Role goes with it."""

from __future__ import annotations

import pytest
from gateway_world import opened, raised, run
from kube_api import KubeApi

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.traffic.gateway_api import GatewayApiRouter
from airflow_rollout.wire import HttpRequest, HttpResponse

_NAMESPACE = "/api/v1/namespaces/prod"


def forbidden(request: HttpRequest) -> HttpResponse | None:
    """Refuse all but questions for the namespace itself."""
    if request.url == _NAMESPACE:
        return None
    return HttpResponse(status=403, body=b'{"message": "everything is forbidden"}')


def test_what_is_forbidden_in_a_namespace_that_is_gone_is_gone(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    raised(api, router, 10, 0)
    api.before = forbidden
    api.gone_namespaces.add("prod")
    assert run(router.read(api.send)) is None
    assert run(router.live(api.send)) == 0


def test_what_is_forbidden_in_a_namespace_that_is_there_is_forbidden(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    api.before = forbidden
    with pytest.raises(PermanentAdapterError, match="everything is forbidden"):
        run(router.read(api.send))


def test_who_may_not_ask_for_the_namespace_is_forbidden(
    api: KubeApi, router: GatewayApiRouter
) -> None:
    opened(api, router)
    api.before = lambda _: HttpResponse(status=403, body=b'{"message": "everything is forbidden"}')
    with pytest.raises(PermanentAdapterError, match="everything is forbidden"):
        run(router.read(api.send))

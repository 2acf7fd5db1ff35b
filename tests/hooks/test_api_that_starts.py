"""An API server that has just started refuses everybody; who asks waits for it."""

from __future__ import annotations

import asyncio

import pytest
from kube_api import KubeApi

from airflow_rollout.cluster import Cluster, RawObject
from airflow_rollout.errors import AccessDenied, TransientAdapterError
from airflow_rollout.wire import HttpRequest, HttpResponse

_PATH = "/api/v1/namespaces/prod/services/shop"


@pytest.fixture
def api() -> KubeApi:
    api = KubeApi()
    api.put(_PATH, {"spec": {}})
    return api


def forbidden(_: HttpRequest) -> HttpResponse:
    return HttpResponse(status=403, body=b'{"message": "services is forbidden"}')


def got(api: KubeApi) -> RawObject | None:
    return asyncio.run(Cluster(api.send, system="gateway_api").get(_PATH))


# It refuses the question for its readiness as well, and later says that it is not ready.
@pytest.mark.parametrize("ready", [403, 500])
def test_a_refusal_of_a_server_that_is_not_ready_may_pass(api: KubeApi, ready: int) -> None:
    api.ready = ready
    api.before = forbidden
    with pytest.raises(TransientAdapterError, match=f"services is forbidden .*answers {ready}: "):
        got(api)


def test_a_server_that_became_ready_after_its_refusal_is_asked_again(api: KubeApi) -> None:
    def once(request: HttpRequest) -> HttpResponse | None:
        return forbidden(request) if len(api.sent) == 1 else None

    api.before = once
    found = got(api)
    assert found is not None
    assert found["metadata"]["name"] == "shop"


# 404: not every proxy in front of a cluster lets this question through.
@pytest.mark.parametrize("ready", [200, 404])
def test_a_refusal_of_a_server_that_is_ready_stays(api: KubeApi, ready: int) -> None:
    api.ready = ready
    api.before = forbidden
    with pytest.raises(AccessDenied, match="services is forbidden"):
        got(api)


def test_a_write_that_was_refused_too_early_is_done_once(api: KubeApi) -> None:
    def once(request: HttpRequest) -> HttpResponse | None:
        return forbidden(request) if len(api.sent) == 1 else None

    api.before = once
    before = api.objects[_PATH]["metadata"]["generation"]
    version = api.objects[_PATH]["metadata"]["resourceVersion"]
    change = [{"op": "add", "path": "/spec/type", "value": "ClusterIP"}]
    cluster = Cluster(api.send, system="gateway_api")
    found = asyncio.run(cluster.patch(_PATH, version, change))
    assert found["spec"] == {"type": "ClusterIP"}
    assert found["metadata"]["generation"] == before + 1

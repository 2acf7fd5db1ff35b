"""What stands beside a Deployment and would reach into its release."""

from __future__ import annotations

import pytest
from kube_api import KubeApi
from shop import SERVICE, V2, make_shop, run

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.wire import HttpRequest, HttpResponse
from airflow_rollout.workloads.base import Beside
from airflow_rollout.workloads.deployment import DeploymentWorkload

_AUTOSCALER = "/apis/autoscaling/v2/namespaces/prod/horizontalpodautoscalers"
_SERVICES = SERVICE.rpartition("/")[0]


def told(api: KubeApi, *reached: str) -> list[str]:
    workload = make_shop()
    assert isinstance(workload, Beside)
    return run(workload.check_beside(reached, api.send))


def _service(api: KubeApi, name: str, selector: dict[str, str] | None) -> None:
    api.put(f"{_SERVICES}/{name}", {"spec": {"selector": selector, "ports": []}})


def test_a_deployment_alone_has_nothing_to_say(api: KubeApi, workload: DeploymentWorkload) -> None:
    assert told(api) == []
    run(workload.deploy(V2, api.send))
    assert told(api, "shop", "shop-canary") == [], "its own Services are no strangers"


@pytest.mark.parametrize("selector", [{"app": "shop"}, {"team": "db"}, {}, None])
def test_a_service_that_does_not_lead_to_the_canary_is_nobodys_business(
    api: KubeApi, selector: dict[str, str] | None
) -> None:
    _service(api, "other", selector)
    assert told(api, "other") == []


def test_a_service_that_leads_to_the_canary_is_told(api: KubeApi) -> None:
    _service(api, "team", {"team": "web"})
    (line,) = told(api, "shop", "elsewhere")
    assert line.startswith("Service team would lead to the canary's pods too, by team=web: who use")


def test_a_service_of_the_same_route_that_leads_to_the_canary_is_refused(api: KubeApi) -> None:
    _service(api, "team", {"team": "web"})
    with pytest.raises(PermanentAdapterError, match="the same route leads to it") as refused:
        told(api, "shop", "team")
    assert "Service team" in str(refused.value)
    assert not api.writes()


@pytest.mark.parametrize(
    ("kind", "name", "count"), [("Deployment", "shop", 1), ("Deployment", "a", 0), ("X", "shop", 0)]
)
def test_an_autoscaler_of_the_deployment_is_told(
    api: KubeApi, kind: str, name: str, count: int
) -> None:
    api.put(f"{_AUTOSCALER}/scaler", {"spec": {"scaleTargetRef": {"kind": kind, "name": name}}})
    found = told(api)
    assert len(found) == count
    assert all("HorizontalPodAutoscaler scaler may take pods from shop" in one for one in found)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (_SERVICES, "whether other Services lead to the canary was not checked: "),
        (_AUTOSCALER, "whether an autoscaler has shop was not checked: "),
    ],
)
def test_what_may_not_be_listed_is_said_and_stops_nobody(
    api: KubeApi, place: str, words: str
) -> None:
    def forbidden(request: HttpRequest) -> HttpResponse | None:
        if request.url != place:
            return None
        return HttpResponse(status=403, body=b'{"message": "the list is forbidden"}')

    api.before = forbidden
    (line,) = told(api)
    assert line.startswith(words)
    assert "forbidden" in line

"""Which routers there are, and what their options may say."""

from __future__ import annotations

import pytest

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.model import TrafficRef
from airflow_rollout.traffic.base import Feature
from airflow_rollout.traffic.registry import ROUTERS, make_router
from airflow_rollout.traffic.traefik_file import TraefikFileRouter


def ref(router: str, *options: tuple[str, str], service: str = "app") -> TrafficRef:
    return TrafficRef(router=router, service=service, conn_id="c", options=options)


@pytest.mark.parametrize("name", ROUTERS)
def test_every_router_is_made_without_options_and_can_set_weights(name: str) -> None:
    router = make_router(ref(name), namespace="prod")
    assert Feature.WEIGHTS in router.features
    assert all(callable(method) for method in (router.read, router.write, router.live))


@pytest.mark.parametrize("name", ROUTERS)
def test_an_unknown_option_names_the_allowed_ones(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_router(ref(name, ("rules", "x")), namespace="prod")
    assert "traffic.rules" in str(caught.value)
    option = {"gateway_api": "route", "replicas": "key", "traefik_file": "rule"}[name]
    assert f"{option} (" in str(caught.value)


def test_an_unknown_router_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match="traefik_file"):
        make_router(ref("traefik"), namespace="prod")


def test_options_reach_the_router() -> None:
    router = make_router(
        ref("traefik_file", ("rule", "Host(`a`)"), ("entry_points", "web, tls")), namespace="prod"
    )
    same = TraefikFileRouter(
        service="app", namespace="prod", rule="Host(`a`)", entry_points=("web", "tls")
    )
    assert vars(router) == vars(same)


def test_entry_points_without_a_rule_are_refused() -> None:
    with pytest.raises(SpecError, match="rule"):
        make_router(ref("traefik_file", ("entry_points", "web")), namespace="prod")


def test_a_service_name_with_a_slash_is_refused_when_the_file_is_parsed() -> None:
    with pytest.raises(SpecError, match=r"traffic\.service"):
        make_router(ref("traefik_file", service="../app"), namespace="prod")


def test_the_registry_is_sorted() -> None:
    assert list(ROUTERS) == sorted(ROUTERS)

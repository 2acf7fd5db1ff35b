"""The router `traefik_file`: the weight that Traefik says it works with."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response


def live(status: int, body: object) -> int | None:
    async def send(request: Request) -> Response:
        assert isinstance(request, HttpRequest)
        assert request.url == "/api/http/services/app@file"
        return HttpResponse(status=status, body=json.dumps(body).encode())

    return asyncio.run(TraefikFileRouter(service="app", namespace="prod").live(send))


def weighted(*weights: tuple[str, int]) -> dict[str, object]:
    services = [{"name": name, "weight": weight} for name, weight in weights]
    return {"weighted": {"services": services}, "status": "enabled", "name": "app@file"}


def test_the_live_weight_is_traefiks_own() -> None:
    assert live(200, weighted(("app-stable", 90), ("app-canary", 10))) == 10
    assert live(200, weighted(("app-stable", 100))) == 0
    assert live(200, weighted(("app-canary", 0))) == 0
    assert live(200, weighted(("app-stable@file", 0), ("app-canary@file", 100))) == 100


def test_a_service_that_traefik_does_not_know_has_no_live_weight() -> None:
    assert live(404, {"message": "service not found: app@file"}) is None


def test_a_service_that_traefik_refuses_says_why() -> None:
    body = {**weighted(("app-canary", 1)), "status": "disabled", "error": ["no such server"]}
    with pytest.raises(PermanentAdapterError, match="no such server"):
        live(200, body)


def test_an_api_in_trouble_is_asked_again_and_a_closed_one_is_not() -> None:
    with pytest.raises(TransientAdapterError):
        live(502, {})
    with pytest.raises(PermanentAdapterError):
        live(401, {})
    with pytest.raises(PermanentAdapterError):
        live(200, "<html>")

"""The plugin's application: every route asks Airflow first."""

from __future__ import annotations

import pytest
from airflow.api_fastapi.app import create_auth_manager
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from airflow_rollout.hooks.links import LINK_NAME, PAGE_PREFIX, ReleaseRecordLink, release_url
from airflow_rollout.ui.app import build_app

PATHS = ["/record/shop/run", "/api/record/shop/run"]


@pytest.fixture(scope="module")
def client() -> TestClient:
    create_auth_manager()
    return TestClient(build_app())


@pytest.mark.parametrize("path", PATHS)
def test_without_a_login_nothing_is_shown(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("where", ["header", "cookie"])
def test_a_login_that_airflow_did_not_give_is_refused(
    client: TestClient, path: str, where: str
) -> None:
    if where == "header":
        answer = client.get(path, headers={"Authorization": "Bearer forged.token.value"})
    else:
        answer = client.get(path, headers={"Cookie": "_token=forged.token.value"})
    assert answer.status_code in (401, 403)
    assert "shop" not in answer.text


def test_every_route_asks_whether_the_user_may_see_the_runs_of_the_dag() -> None:
    routes = [route for route in build_app().routes if isinstance(route, APIRoute)]
    assert {route.path.count("{dag_id}") for route in routes} == {1}
    for route in routes:
        assert route.methods == {"GET"}, "the pages act through Airflow's own API only"
        asked = [dependency.dependency.__qualname__ for dependency in route.dependencies]
        assert any(name.startswith("requires_access_dag") for name in asked), route.path


def test_no_documentation_page_is_open_to_the_world() -> None:
    app = build_app()
    assert (app.docs_url, app.redoc_url, app.openapi_url) == (None, None, None)


def test_a_releases_address_survives_every_name() -> None:
    url = release_url("pay/ments", "manual__2026-11-24T10:00:00+00:00")
    assert url.endswith(
        f"{PAGE_PREFIX}/record/pay%2Fments/manual__2026-11-24T10%3A00%3A00%2B00%3A00"
    )
    assert ReleaseRecordLink().xcom_key == f"_link_{LINK_NAME}"

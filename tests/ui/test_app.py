"""The plugin's application: every route asks Airflow first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.common.db.common import _get_session
from airflow.models.xcom import XComModel
from asking import ask
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from airflow_rollout.hooks.links import LINK_NAME, PAGE_PREFIX, ReleaseRecordLink, release_url
from airflow_rollout.record import Attempt, End, to_piece
from airflow_rollout.release import Arm, Outcome, Token
from airflow_rollout.ui.app import build_app

PATHS = [
    "/record/shop/run",
    "/api/record/shop/run",
    "/feed/run/shop/run",
    "/feed/rollouts",
    "/feed/history/shop",
]


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Return the application beside Airflow's own way of telling users apart."""
    create_auth_manager()
    return build_app()


@pytest.mark.parametrize("path", PATHS)
def test_without_a_login_nothing_is_shown(app: FastAPI, path: str) -> None:
    assert ask(app, path).status_code == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("where", ["header", "cookie"])
def test_a_login_that_airflow_did_not_give_is_refused(app: FastAPI, path: str, where: str) -> None:
    if where == "header":
        answer = ask(app, path, authorization="Bearer forged.token.value")
    else:
        answer = ask(app, path, cookie="_token=forged.token.value")
    assert answer.status_code in (401, 403)
    assert "shop" not in answer.text


def test_every_route_asks_whether_the_user_may_see_runs_and_none_writes() -> None:
    routes = [route for route in build_app().routes if isinstance(route, APIRoute)]
    assert len(routes) == 5
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


# --- what is shown to somebody who may see it ---

ATTEMPT = Attempt(
    token=Token(epoch="e", owner="shop/run", digest="d"),
    canary=Arm(version="v2", target="http://127.0.0.1:2"),
    stable=None,
    opened_at=1000.0,
)


@pytest.fixture
def shown() -> Iterator[FastAPI]:
    """Return the application over a database with the pieces of one run, for a user it knows."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=_ANY_THREAD)
    XComModel.metadata.create_all(engine, tables=[XComModel.__table__])
    pieces = {"attempt": to_piece(ATTEMPT), "other": {"secret": "not shown"}, "events": "no JSON"}
    with engine.begin() as connection:
        for key, value in pieces.items():
            connection.execute(insert(XComModel).values(key=key, value=value, **_PLACE))
        connection.execute(
            insert(XComModel).values(
                key="end", value=json.dumps(_end()), **{**_PLACE, "task_id": "promotion"}
            )
        )
    app = build_app()
    for route in app.routes:
        for dependency in getattr(route, "dependencies", ()):
            app.dependency_overrides[dependency.dependency] = lambda: None
    with Session(engine) as session:
        app.dependency_overrides[_get_session] = lambda: session
        yield app


_ANY_THREAD = {"check_same_thread": False}
_PLACE = {
    "dag_run_id": 1, "dag_id": "shop", "run_id": "run", "task_id": "prepare", "map_index": -1,
    "timestamp": datetime.now(UTC),
}  # fmt: skip


def _end() -> dict[str, object]:
    return to_piece(End(epoch="e", outcome=Outcome.PROMOTED, reason="promoted: v2", at=1100.0))


def test_a_releases_record_is_read_from_what_its_tasks_pushed(shown: FastAPI) -> None:
    answer = ask(shown, "/api/record/shop/run")
    assert answer.status_code == 200
    record = answer.json()
    assert (record["version"], record["outcome"], record["reason"]) == (
        "v2", "promoted", "promoted: v2",
    )  # fmt: skip
    assert "not shown" not in answer.text


def test_the_page_runs_nothing_and_is_kept_nowhere(shown: FastAPI) -> None:
    answer = ask(shown, "/record/shop/run")
    assert answer.headers["content-type"].startswith("text/html")
    assert "promoted: v2" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/record/shop/other", "/api/record/other/run"])
def test_a_run_without_a_release_is_not_found(shown: FastAPI, path: str) -> None:
    answer = ask(shown, path)
    assert answer.status_code == 404
    assert "no release was opened in run" in answer.json()["detail"]

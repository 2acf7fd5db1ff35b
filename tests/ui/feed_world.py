"""The application over Airflow's own tables, for a user whose permissions a test chooses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api.security import get_user
from airflow_tables import Tables
from asking import ask
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from airflow_rollout.ui import app as app_module
from airflow_rollout.ui.app import build_app

__all__ = ["World", "feed_world"]


@dataclass
class World:
    """A user in front of an application over a database."""

    tables: Tables
    app: FastAPI
    permitted: set[str] = field(default_factory=set)
    edit: bool = True
    audit: bool = True

    def session(self) -> Iterator[Session]:
        """Yield a session as Airflow does, one a question."""
        with Session(self.tables.engine) as session:
            yield session

    def get(self, path: str) -> dict[str, Any]:
        answer = ask(self.app, path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def run(self, since: str = "", run_id: str = "r1") -> dict[str, Any]:
        return self.get(f"/feed/run/shop/{run_id}?since={since.replace('+', '%2B')}")

    def rollouts(self, since: str = "") -> dict[str, Any]:
        return self.get(f"/feed/rollouts?since={since}")

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["dag_id"]: row for row in self.rollouts()["rollouts"]}


@contextmanager
def feed_world() -> Iterator[World]:
    """Yield the application over empty tables; only who may do what is not asked of Airflow."""
    create_auth_manager()
    made = World(tables=Tables(), app=build_app())
    manager = SimpleNamespace(
        is_authorized_dag=lambda *, method, **_: made.edit if method == "PUT" else made.audit,
        get_authorized_dag_ids=lambda **_: set(made.permitted),
    )
    for route in made.app.routes:
        if isinstance(route, APIRoute):
            _grant(route, made)
    made.app.dependency_overrides[get_user] = lambda: SimpleNamespace(name="ann")
    made.app.dependency_overrides[_get_session] = made.session
    with (
        patch.object(app_module, "get_auth_manager", lambda: manager),
        patch.object(app_module.DagModel, "get_team_name", lambda dag_id: None),
    ):
        yield made


def _grant(route: APIRoute, made: World) -> None:
    for dependency in route.dependencies:
        made.app.dependency_overrides[dependency.dependency] = lambda: None

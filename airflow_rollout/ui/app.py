"""The plugin's application: feeds for the pages, the record of one release, the pages' files."""

# No `from __future__ import annotations` here: FastAPI would read the dependency aliases as
# query parameters.
import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import (
    GetUserDep,
    requires_access_dag,
)
from airflow.models.dag import DagModel
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from airflow_rollout.hooks.links import release_url
from airflow_rollout.record import ReleaseRecord, assemble_all
from airflow_rollout.ui.feed import ListFeed, May, run_feed
from airflow_rollout.ui.record_page import render
from airflow_rollout.ui.store import pieces_of

__all__ = ["build_app"]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors "
    "'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_STATIC = Path(__file__).parent / "static"

# Below this a packed answer is no smaller.
_LEAST_PACKED_BYTES = 1000

_may_read = [Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.RUN))]


class _Files(StaticFiles):
    """The pages' own files: asked for again each time, so that an upgrade is seen at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Add how the file may be kept."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


class _Answer(JSONResponse):
    """JSON as browsers read it: what is no number is null, what is no character a mark."""

    def render(self, content: Any) -> bytes:
        """Return the text of a value."""
        try:
            return super().render(content)
        except ValueError:
            # Only then is all of it looked through: whoever wrote it wrote no JSON.
            return super().render(_readable(content))


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_readable(key): _readable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_readable(one) for one in value]
    if isinstance(value, str):
        # Half a character of two halves.
        return value.encode(errors="replace").decode()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def build_app() -> FastAPI:
    """Return the application; every route asks Airflow what the user may see, none writes."""
    app = FastAPI(title="Rollout", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(GZipMiddleware, minimum_size=_LEAST_PACKED_BYTES)
    app.add_exception_handler(401, _to_login)
    # The version in the address is for the browser's cache; there is one set of files.
    app.mount("/static/{version}", _Files(directory=_STATIC))
    _add_record(app)
    _add_feeds(app)
    return app


def _add_record(app: FastAPI) -> None:
    @app.get("/record/{dag_id}/{dag_run_id}", dependencies=_may_read)
    def page(dag_id: str, dag_run_id: str, session: SessionDep) -> HTMLResponse:
        records = _records(session, dag_id, dag_run_id)
        return HTMLResponse(render(records), headers=_HEADERS)

    @app.get("/api/record/{dag_id}/{dag_run_id}", dependencies=_may_read)
    def data(
        dag_id: str, dag_run_id: str, session: SessionDep, rollout: str | None = None
    ) -> _Answer:
        records = {one.group: one for one in _records(session, dag_id, dag_run_id)}
        if rollout is None and len(records) > 1:
            names = ", ".join(records)
            raise HTTPException(400, f"this run holds several: name one with ?rollout= of {names}")
        chosen = records.get(rollout) if rollout is not None else next(iter(records.values()))
        if chosen is None:
            raise HTTPException(404, f"no rollout {rollout!r}, only {', '.join(records)}")
        return _Answer(chosen.to_builtins(), headers=_HEADERS)


def _add_feeds(app: FastAPI) -> None:
    rollouts = ListFeed()

    @app.get("/feed/run/{dag_id}/{dag_run_id}", dependencies=_may_read)
    def run(
        dag_id: str, dag_run_id: str, session: SessionDep, user: GetUserDep, since: str = ""
    ) -> _Answer:
        found = run_feed(session, dag_id, dag_run_id, since=since, may=_may(dag_id, user))
        if found is None:
            raise HTTPException(404, f"no run {dag_run_id} of {dag_id}")
        return _Answer(found, headers=_HEADERS)

    @app.get("/feed/rollouts", dependencies=_may_read)
    def everything(session: SessionDep, user: GetUserDep, since: str = "") -> _Answer:
        # Airflow's own filter looks for the auth manager in its application, not in a plugin's.
        permitted = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
        found = rollouts.rollouts(session, permitted=permitted, since=since)
        return _Answer(found, headers=_HEADERS)

    @app.get("/feed/history/{dag_id}", dependencies=_may_read)
    def history(dag_id: str, session: SessionDep) -> _Answer:
        return _Answer(rollouts.history(session, dag_id), headers=_HEADERS)


def _may(dag_id: str, user: Any) -> May:
    manager = get_auth_manager()
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))

    def may(method: Any, entity: DagAccessEntity) -> bool:
        return manager.is_authorized_dag(
            method=method, access_entity=entity, details=details, user=user
        )

    return May(
        edit=may("PUT", DagAccessEntity.TASK_INSTANCE) and may("PUT", DagAccessEntity.RUN),
        audit=may("GET", DagAccessEntity.AUDIT_LOG),
    )


async def _to_login(request: Request, error: Any) -> Response:
    """Lead a person to Airflow's login and back; a program is told 401."""
    place = request.path_params
    is_page = {"dag_id", "dag_run_id"} <= set(place) and "/record/" in request.url.path
    if not is_page or "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    back = release_url(place["dag_id"], place["dag_run_id"])
    base = back.partition("/rollout/record/")[0]
    return RedirectResponse(f"{base}/api/v2/auth/login?next={quote(back, safe='')}")


def _records(session: Any, dag_id: str, run_id: str) -> list[ReleaseRecord]:
    pieces = pieces_of(session, dag_id, run_id)
    records = assemble_all(pieces, dag_id=dag_id, run_id=run_id)
    if not records:
        raise HTTPException(404, f"no release was opened in run {run_id} of {dag_id}")
    return records

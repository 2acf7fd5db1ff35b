"""The plugin's application: the record of one release, as a page and as JSON."""

# No `from __future__ import annotations` here: FastAPI would read the dependency aliases as
# query parameters.
import json
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy import select

from airflow_rollout.record import Key, ReleaseRecord, assemble
from airflow_rollout.ui.record_page import render

__all__ = ["build_app"]

_KEYS = [Key.ATTEMPT, Key.STEP, Key.GATE, Key.EVENTS, Key.END]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors "
    "'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_may_read = [Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.RUN))]


def build_app() -> FastAPI:
    """Return the application; every route asks Airflow whether the user may see the DAG's runs."""
    app = FastAPI(title="Rollout", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/record/{dag_id}/{dag_run_id}", dependencies=_may_read)
    def page(dag_id: str, dag_run_id: str, session: SessionDep) -> HTMLResponse:
        return HTMLResponse(render(_record(session, dag_id, dag_run_id)), headers=_HEADERS)

    @app.get("/api/record/{dag_id}/{dag_run_id}", dependencies=_may_read)
    def data(dag_id: str, dag_run_id: str, session: SessionDep) -> JSONResponse:
        record = _record(session, dag_id, dag_run_id)
        return JSONResponse(record.to_builtins(), headers=_HEADERS)

    return app


def _record(session: Any, dag_id: str, run_id: str) -> ReleaseRecord:
    rows = session.execute(
        select(XComModel.task_id, XComModel.key, XComModel.value).where(
            XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key.in_(_KEYS)
        )
    )
    pieces: dict[str, dict[str, Any]] = {}
    for task_id, key, value in rows:
        pieces.setdefault(task_id, {})[key] = _decode(value)
    record = assemble(pieces, dag_id=dag_id, run_id=run_id)
    if record is None:
        raise HTTPException(404, f"no release was opened in run {run_id} of {dag_id}")
    return record


def _decode(value: Any) -> Any:
    """Return an XCom's value; stored as JSON text or as JSON, depending on the database."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value

"""What Airflow's web server loads: the page of a release.

This module is imported by every Airflow process, so it costs nothing until a page is asked for.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_rollout.hooks.links import PAGE_PREFIX, ReleaseRecordLink

__all__ = ["RolloutPlugin"]


class _LazyApp:
    """An ASGI application that builds the real one at its first request."""

    _app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            # FastAPI and Airflow's permissions cost half a second that only the web server needs.
            from airflow_rollout.ui.app import build_app

            self._app = build_app()
        await self._app(scope, receive, send)


class RolloutPlugin(AirflowPlugin):
    """Register the release's page and the links that lead to it."""

    name = "rollout"
    fastapi_apps = [{"app": _LazyApp(), "url_prefix": PAGE_PREFIX, "name": "Rollout"}]  # noqa: RUF012
    operator_extra_links = [ReleaseRecordLink()]  # noqa: RUF012

"""What Airflow's web server loads: the pages of releases.

This module is imported by every Airflow process, so it costs nothing until a page is asked for.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_rollout import __version__
from airflow_rollout.hooks.links import PAGE_PREFIX, ReleaseRecordLink

__all__ = ["RolloutPlugin"]


# Relative, so that it keeps the prefix of an Airflow that has one. The version makes browsers load
# the new files after an upgrade.
_BUNDLE = f"{PAGE_PREFIX.lstrip('/')}/static/{__version__}/rollout.js"

# Three steps up.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' "
    "stroke='%230891b2' stroke-width='2' stroke-linecap='round' stroke-linejoin='round'%3E"
    "%3Cpath d='M3 20h5v-5h5v-5h5V5h3'/%3E%3C/svg%3E"
)


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
    """Register the pages, what they ask, and the links that lead to them.

    The name of a React app is its label in Airflow and the global that holds it in the browser.
    """

    name = "rollout"
    fastapi_apps = [{"app": _LazyApp(), "url_prefix": PAGE_PREFIX, "name": "Rollout"}]  # noqa: RUF012
    react_apps = [  # noqa: RUF012
        {
            "name": "Rollout",
            "bundle_url": _BUNDLE,
            "destination": "dag_run",
            "url_route": "rollout",
            "icon": _ICON,
        },
        {
            "name": "Rollouts",
            "bundle_url": _BUNDLE,
            "destination": "nav",
            "url_route": "rollouts",
            "icon": _ICON,
            "nav_top_level": True,
        },
    ]
    operator_extra_links = [ReleaseRecordLink()]  # noqa: RUF012

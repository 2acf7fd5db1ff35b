"""The class behind Airflow's connection type `traefik`: it tests a connection from the UI."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from airflow.sdk import BaseHook

from airflow_rollout.errors import RolloutError
from airflow_rollout.hooks.connection import ConnectionInfo, airflow_connections
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.wire import HttpRequest, ask_http, refuse_status

__all__ = ["TraefikHook"]

SYSTEM = "traefik"


class TraefikHook(BaseHook):
    """Test a Traefik connection: its API answers, and its watched directory can be written.

    Releases do not go through this class; they use `open_systems`.

    :param traefik_conn_id: the connection's id.
    """

    conn_name_attr = "traefik_conn_id"
    default_conn_name = "traefik_default"
    conn_type = "traefik"
    hook_name = "Traefik"

    def __init__(self, traefik_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.traefik_conn_id = traefik_conn_id

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the connection works, and what is wrong if it does not."""
        try:
            return asyncio.run(self._test())
        except RolloutError as error:
            return False, str(error)

    async def _test(self) -> tuple[bool, str]:
        info = await airflow_connections()(self.traefik_conn_id)
        async with open_send(info, system=SYSTEM) as send:
            response = await ask_http(send, HttpRequest(url="/api/version", timeout_seconds=5.0))
        refuse_status(response, system=SYSTEM, what="GET /api/version")
        fault = _directory_fault(info)
        return not fault, f"Traefik's API answers; {fault or 'its directory can be written'}"


def _directory_fault(info: ConnectionInfo) -> str:
    """Return why releases could not write from here, empty if they can."""
    directory = Path(str(info.extra.get("directory", "")))
    if not directory.is_absolute():
        return "but `directory` is not given as an absolute path, so no release can write"
    if not directory.is_dir():
        return f"but {directory} is no directory on this machine"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"but {directory} cannot be written by this process"
    return ""

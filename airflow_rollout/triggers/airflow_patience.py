"""Ask Airflow again while it does not answer: a restart of its API is no bad release."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.hooks.connection import Connect, ConnectionInfo, airflow_connections

__all__ = ["NothingThere", "patient_connections", "patiently"]

# How long a trigger waits for an Airflow that is being restarted.
_PATIENCE_SECONDS = 45.0

_PAUSE_SECONDS = 1.0

T = TypeVar("T")


class NothingThere(Exception):
    """Say that Airflow has answered, and has nothing: another question would not change that."""


async def patiently(
    ask: Callable[[], Awaitable[T]],
    warn: Callable[[str], object],
    *,
    seconds: float = _PATIENCE_SECONDS,
) -> T:
    """Return the first answer; the last error when there is none within so many seconds.

    :param warn: told of every error that is not the last.
    """
    now = asyncio.get_running_loop().time
    end = now() + seconds
    while True:
        try:
            return await ask()
        except (NothingThere, PermanentAdapterError):
            raise
        except Exception as error:
            if now() > end:
                raise
            warn(f"Airflow does not answer yet: {error!r}")
        await asyncio.sleep(_PAUSE_SECONDS)


def patient_connections(warn: Callable[[str], object]) -> Connect:
    """Return Airflow's connections, asked for patiently."""
    connect = airflow_connections()

    async def patient(conn_id: str) -> ConnectionInfo:
        return await patiently(lambda: connect(conn_id), warn)

    return patient

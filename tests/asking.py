"""Ask an ASGI application one question, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

__all__ = ["ask"]


def ask(app: Any, path: str, **headers: str) -> httpx.Response:
    """Return the answer to a GET."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(get())

"""Keep a source's answers from telling its own credentials: some repeat what they refuse.

A piece of an answer goes into errors, records and logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from airflow_rollout.wire import HttpResponse, Request, Response, Send

__all__ = ["hiding"]

_HIDDEN = b"***"

# A shorter one is a part of ordinary words and numbers, and hiding it would change what is read.
_SHORTEST_SECRET = 8


def hiding(send: Send, secrets: Iterable[str]) -> Send:
    """Return a `Send` whose answers show none of these values."""
    hidden = sorted(
        {secret.encode() for secret in secrets if len(secret) >= _SHORTEST_SECRET},
        key=len,
        reverse=True,
    )

    async def hid(request: Request) -> Response:
        response = await send(request)
        if not isinstance(response, HttpResponse):
            return response
        body = response.body
        for secret in hidden:
            body = body.replace(secret, _HIDDEN)
        return response if body is response.body else replace(response, body=body)

    return hid

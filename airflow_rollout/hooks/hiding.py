"""Keep a source's answers from telling its own credentials: some repeat what they refuse.

A piece of an answer goes into errors, records and logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from airflow_rollout.wire import HttpResponse, Request, Response, Send

__all__ = ["hiding"]

_HIDDEN = b"***"

# A shorter one is a part of ordinary words and numbers. In a good answer it might be a name or a
# value that is read: there only what is as long as a token is hidden.
_SHORTEST_SECRET = 8
_SHORTEST_TOKEN = 16


def hiding(send: Send, secrets: Iterable[str]) -> Send:
    """Return a `Send` whose answers show none of these values."""
    # The longest first: one may be a part of another.
    hidden = sorted({secret.encode() for secret in secrets}, key=len, reverse=True)

    async def hid(request: Request) -> Response:
        response = await send(request)
        if not isinstance(response, HttpResponse):
            return response
        shortest = _SHORTEST_SECRET if response.status >= 400 else _SHORTEST_TOKEN
        body = response.body
        for secret in hidden:
            if len(secret) >= shortest:
                body = body.replace(secret, _HIDDEN)
        return response if body is response.body else replace(response, body=body)

    return hid

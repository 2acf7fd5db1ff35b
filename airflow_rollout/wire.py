"""Values that adapters send and receive; no I/O happens here.

Adapters are async functions over an injected `Send`. Tests pass a `Send` that replays recorded
answers, operators and triggers pass one made by `airflow_rollout.hooks`.
Timeouts, retries and authentication belong to whoever implements `Send`; an adapter only sees
answers, `TransientAdapterError` or `PermanentAdapterError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

__all__ = [
    "FileContent",
    "FileRead",
    "FileReplace",
    "FileReplaced",
    "HttpRequest",
    "HttpResponse",
    "Request",
    "Response",
    "Send",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """Ask for one HTTP exchange.

    `url` is relative to the connection's base URL, or absolute (probes of an endpoint).
    `timeout_seconds` bounds the whole exchange.
    """

    method: str = "GET"
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """Carry one HTTP answer; header names are lower case. 4xx and 5xx are answers too."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead:
    """Read a file whole; `name` is relative to the connection's directory."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """Carry a file's bytes; None when there is no such file."""

    content: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReplace:
    """Replace a file atomically, under a lock, only if it still holds `expected`.

    `expected` None means: only if there is no such file.
    """

    name: str
    content: bytes
    expected: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReplaced:
    """Say whether the file was replaced; if not, `content` is what it held instead."""

    replaced: bool
    content: bytes | None


Request = HttpRequest | FileRead | FileReplace
Response = HttpResponse | FileContent | FileReplaced
Send = Callable[[Request], Awaitable[Response]]

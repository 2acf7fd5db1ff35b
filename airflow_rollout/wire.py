"""Values that adapters send and receive; no I/O happens here.

Adapters are async functions over an injected `Send`. Tests pass a `Send` that replays recorded
answers, operators and triggers pass one made by `airflow_rollout.hooks`.
Timeouts, retries and authentication belong to whoever implements `Send`; an adapter only sees
answers, `TransientAdapterError` or `PermanentAdapterError`. What a status of HTTP means is said
once, in `refuse_status`, for all adapters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, runtime_checkable

from airflow_rollout.errors import AccessDenied, PermanentAdapterError, TransientAdapterError

__all__ = [
    "ConnectionField",
    "ConnectionForm",
    "FileContent",
    "FileRead",
    "FileReplace",
    "FileReplaced",
    "HttpRequest",
    "HttpResponse",
    "NoteRead",
    "NoteWrite",
    "Preflight",
    "Request",
    "Response",
    "ResultRead",
    "Send",
    "TaskResult",
    "ask_http",
    "asked_to_wait",
    "refuse_status",
]

# Answers that say "not now": anything else from 400 on will not get better by asking again.
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_DENIED = frozenset({401, 403})

# Seconds of the epoch have ten digits; a wait has a few.
_DATE_DIGITS = 8


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

    `expected` None means: only if there is no such file. Urgent is what must be seen before the
    disk has it: a busy disk may take a second for that.
    """

    name: str
    content: bytes
    expected: bytes | None
    is_urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReplaced:
    """Say whether the file was replaced; if not, `content` is what it held instead."""

    replaced: bool
    content: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRead:
    """Read a note: a small file beside the connection's files, which no router reads."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteWrite:
    """Write a note atomically, whatever it held; answered with `FileReplaced`."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRead:
    """Read what another task of the release's run has returned, its XCom of this key."""

    task_id: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """Carry a task's state, empty while it has none, and its XCom if it succeeded.

    The state is None where only the release's gates can see other tasks.
    """

    state: str | None
    value: Any = None


Request = HttpRequest | FileRead | FileReplace | NoteRead | NoteWrite | ResultRead
Response = HttpResponse | FileContent | FileReplaced | TaskResult
Send = Callable[[Request], Awaitable[Response]]


@runtime_checkable
class Preflight(Protocol):
    """An adapter that can find out before a release what would stop it later."""

    async def preflight(self, send: Send) -> list[str]:
        """Return what a person should know; raise `PermanentAdapterError` for what stops it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionField:
    """One field of a connection beyond host, port, login and password; stored in its extra.

    :param secret: whether the UI hides what is typed.
    """

    name: str
    label: str
    description: str
    required: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionForm:
    """What a person fills in to connect an adapter to its system.

    :param conn_type: Airflow's connection type; `http` is the HTTP provider's own.
    :param label: the type's name in the UI.
    :param hook: dotted path of the class behind the type; empty where another provider owns it.
    :param hidden: standard fields that mean nothing here.
    :param relabelled: standard field -> its name here.
    :param placeholders: field -> an example value.
    :param addresses: where the system is, the first that is complete; `{host}` is the connection's
        own address. Empty: that one only.
    :param headers: header -> its value; `{password}` and `{extra.name}` are filled in, and a header
        whose value is not given is left out. Sent for this connection type only.
    :param signing: how requests are signed: empty (not), `aws:<service>` or `google`.
    :param test_path: what the UI's test button asks for; empty: nothing can be asked for free.
    """

    conn_type: str
    label: str
    hook: str = ""
    hidden: tuple[str, ...] = ()
    relabelled: tuple[tuple[str, str], ...] = ()
    placeholders: tuple[tuple[str, str], ...] = ()
    fields: tuple[ConnectionField, ...] = ()
    addresses: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    signing: str = ""
    test_path: str = ""


async def ask_http(send: Send, request: HttpRequest) -> HttpResponse:
    """Send one HTTP request and return its answer, whatever its status."""
    response = await send(request)
    if not isinstance(response, HttpResponse):
        raise TypeError(f"an HttpRequest was answered with {type(response).__name__}")
    return response


def refuse_status(response: HttpResponse, *, system: str, what: str, detail: str = "") -> None:
    """Raise for every status but 2xx; 408, 425, 429 and 5xx are transient, the rest is permanent.

    Of that, 401 and 403 are `AccessDenied`.

    :param what: what was asked for, for the message.
    :param detail: the system's own words, kept short.
    """
    if 200 <= response.status < 300:
        return
    text = f"{what}: HTTP {response.status}{_hint(response.status)}"
    if detail:
        text += f": {detail}"
    if response.status in _TRANSIENT_STATUSES or response.status >= 500:
        raise TransientAdapterError(
            text, system=system, retry_after_seconds=asked_to_wait(response)
        )
    kind = AccessDenied if response.status in _DENIED else PermanentAdapterError
    raise kind(text, system=system)


def _hint(status: int) -> str:
    if status in _DENIED:
        return " (check login and password of the connection)"
    if 300 <= status < 400:
        return " (a redirect; redirects are not followed: give the final address)"
    return ""


def asked_to_wait(response: HttpResponse) -> float | None:
    """Return for how many seconds the system wants to be left alone, None if it does not say.

    `Retry-After` is seconds, or a date told by the answer's own clock. Where it is missing,
    `X-RateLimit-Reset` is read if it is a number of seconds; a number as large as a date is one.
    """
    if response.status not in _TRANSIENT_STATUSES and response.status < 500:
        return None
    reset = response.headers.get("x-ratelimit-reset", "").strip()
    if "retry-after" not in response.headers and reset.isdigit() and len(reset) < _DATE_DIGITS:
        return float(reset)
    return _retry_after(response.headers)


def _retry_after(headers: dict[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        until, now = (parsedate_to_datetime(one) for one in (text, headers.get("date", "")))
        return max(0.0, (until - now).total_seconds())
    # Two dates, one of them without a zone, cannot be subtracted.
    except (ValueError, TypeError):
        return None

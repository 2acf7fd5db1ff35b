"""Connections: where credentials and addresses come from.

`airflow_connections` reads Airflow's own, in a task as in the triggerer; `static_connections` is
for tools that must work when Airflow does not. Both give the same values, and neither shows a
secret in a repr or in an error.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError

__all__ = [
    "Connect",
    "ConnectionInfo",
    "airflow_connections",
    "parse_connection",
    "secrets_of",
    "static_connections",
]

SYSTEM = "connection"

# Airflow answers from memory or with one call to its API server; a secrets backend may be slower.
# Without a bound, a lost answer in the triggerer would hang the gate for ever.
_AIRFLOW_TIMEOUT_SECONDS = 10.0

# Airflow says "not found" also when it could not ask (its API server is away for a moment), so a
# missing connection is believed at the third time only.
_MISSING_PAUSES_SECONDS = (0.3, 0.7)

# Headers whose value opens a door, by the words their names are made of.
_SECRET_WORDS = ("auth", "cookie", "key", "password", "secret", "token")
# The same of extras. Airflow knows `api_key` and not Datadog's `app_key`.
_SECRET_EXTRAS = ("_key", "password", "secret", "token")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConnectionInfo:
    """One connection, as the adapters' transport needs it; its repr shows no secret.

    :param signing: how its requests are signed, empty for not: see `ConnectionForm.signing`.
    :param cloud: the connection whose credentials sign, None for those of the machine.
    """

    conn_id: str
    conn_type: str = ""
    host: str = ""
    port: int | None = None
    schema: str = ""
    login: str = ""
    password: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    signing: str = ""
    cloud: ConnectionInfo | None = None

    def __repr__(self) -> str:
        hidden = "***" if self.password else ""
        return (
            f"ConnectionInfo(conn_id={self.conn_id!r}, conn_type={self.conn_type!r}, "
            f"host={_without_login(self.host)!r}, port={self.port!r}, login={self.login!r}, "
            f"password={hidden!r}, extra={sorted(self.extra)})"
        )


Connect = Callable[[str], Awaitable[ConnectionInfo]]


def airflow_connections() -> Connect:
    """Return a `Connect` that asks Airflow: in a task, in the triggerer, or from environment.

    :raises PermanentAdapterError: from the returned function, when there is no such connection.
    """

    async def connect(conn_id: str) -> ConnectionInfo:
        # Imported here: half a second that tools without Airflow must not pay.
        from airflow.sdk.exceptions import AirflowNotFoundException

        for pause in _MISSING_PAUSES_SECONDS:
            try:
                return await _bounded(conn_id)
            except AirflowNotFoundException:
                await asyncio.sleep(pause)
        try:
            return await _bounded(conn_id)
        except AirflowNotFoundException:
            raise _missing(conn_id, "Airflow has none") from None

    return connect


async def _bounded(conn_id: str) -> ConnectionInfo:
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowNotFoundException,
        AirflowRuntimeError,
    )

    asking = _asking(conn_id)
    # Waited for, not cancelled: it is others' too, and half a question to Airflow would leave its
    # answer for the next one to read.
    done, _ = await asyncio.wait({asking}, timeout=_AIRFLOW_TIMEOUT_SECONDS)
    what = f"Airflow did not give connection {conn_id!r}"
    if not done:
        text = f"{what} within {_AIRFLOW_TIMEOUT_SECONDS:g} s"
        raise TransientAdapterError(text, system=SYSTEM)
    try:
        return asking.result()
    except AirflowNotFoundException:
        raise
    except PermissionError as error:
        raise PermanentAdapterError(f"{what}: access denied", system=SYSTEM) from error
    except (AirflowException, AirflowRuntimeError, OSError) as error:
        text = f"{what}: {type(error).__name__}"
        raise TransientAdapterError(text, system=SYSTEM) from error


# What Airflow still owes an answer, by event loop and connection.
_asked: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[ConnectionInfo]] = {}


def _asking(conn_id: str) -> asyncio.Task[ConnectionInfo]:
    """Return the question that is under way, or ask.

    Fifty gates that begin in one moment want the same two connections; and who gives up waiting and
    asks again would only make the queue longer for which Airflow is late.
    """
    key = (asyncio.get_running_loop(), conn_id)
    if key not in _asked:
        _asked[key] = asyncio.create_task(_from_airflow(conn_id))
        _asked[key].add_done_callback(lambda _: _asked.pop(key))
    return _asked[key]


async def _from_airflow(conn_id: str) -> ConnectionInfo:
    from airflow.sdk import Connection

    found = await Connection.async_get(conn_id)
    extra = await found.aextra_dejson() if found.extra else {}
    info = ConnectionInfo(
        conn_id=conn_id,
        conn_type=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        schema=found.schema or "",
        login=found.login or "",
        password=found.password or "",
        extra=extra if isinstance(extra, dict) else {},
    )
    await _mask(info)
    return info


def static_connections(connections: Mapping[str, str | ConnectionInfo]) -> Connect:
    """Return a `Connect` over given connections; texts are URIs or JSON as Airflow writes them."""

    async def connect(conn_id: str) -> ConnectionInfo:
        found = connections.get(conn_id)
        if found is None:
            raise _missing(conn_id, f"given: {', '.join(sorted(connections)) or 'none'}")
        return found if isinstance(found, ConnectionInfo) else parse_connection(conn_id, found)

    return connect


def environment_connections(
    environment: Mapping[str, str], given: Mapping[str, str] | None = None
) -> Connect:
    """Return a `Connect` over `AIRFLOW_CONN_` variables; `given` ones (id -> URI) go first."""
    prefix = "AIRFLOW_CONN_"
    found = {
        name.removeprefix(prefix).lower(): value
        for name, value in environment.items()
        if name.startswith(prefix)
    }
    found |= {conn_id.lower(): uri for conn_id, uri in (given or {}).items()}
    inner = static_connections(found)

    async def connect(conn_id: str) -> ConnectionInfo:
        return await inner(conn_id.lower())

    return connect


def parse_connection(conn_id: str, text: str) -> ConnectionInfo:
    """Read a connection from a URI or from JSON, as in an `AIRFLOW_CONN_` variable.

    :raises PermanentAdapterError: neither; the text is not shown, it may hold a password.
    """
    try:
        return _from_json(conn_id, text) if text.lstrip().startswith("{") else _from_uri(
            conn_id, text
        )  # fmt: skip
    except (ValueError, TypeError):
        raise PermanentAdapterError(
            f"connection {conn_id!r} is neither a URI nor a JSON object", system=SYSTEM
        ) from None


def _from_json(conn_id: str, text: str) -> ConnectionInfo:
    data = json.loads(text)
    extra = data.get("extra") or {}
    extra = json.loads(extra) if isinstance(extra, str) else extra
    if not isinstance(extra, dict):
        raise TypeError("extra is no object")
    port = data.get("port")
    return ConnectionInfo(
        conn_id=conn_id,
        conn_type=str(data.get("conn_type") or ""),
        host=str(data.get("host") or ""),
        port=None if port in (None, "") else int(port),
        schema=str(data.get("schema") or ""),
        login=str(data.get("login") or ""),
        password=str(data.get("password") or ""),
        extra=extra,
    )


def _from_uri(conn_id: str, text: str) -> ConnectionInfo:
    """Read `type://login:password@host:port/schema?extra`, or `type://scheme://host...`."""
    conn_type, mark, rest = text.partition("://")
    if not mark or not conn_type:
        raise ValueError("no scheme")
    inner, mark, _ = rest.partition("://")
    scheme = inner if mark and inner.isalnum() else ""
    parts = urlsplit(f"//{rest.removeprefix(f'{scheme}://')}" if scheme else f"//{rest}")
    extra: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    whole = extra.get("__extra__")
    host = _hostname(parts)
    return ConnectionInfo(
        conn_id=conn_id,
        conn_type=conn_type.replace("-", "_"),
        host=f"{scheme}://{host}" if scheme else host,
        port=parts.port,
        schema=unquote(parts.path.removeprefix("/")),
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        extra=json.loads(whole) if whole else extra,
    )


def _hostname(parts: SplitResult) -> str:
    """Return the host as Airflow reads it: lower case, unless it is a whole address in quotes."""
    host = unquote(parts.hostname or "")
    if "/" not in host:
        return host
    return unquote(parts.netloc.rpartition("@")[2].partition(":")[0])


def secrets_of(info: ConnectionInfo) -> Iterator[str]:
    """Yield the password, the keys among the extras, and headers that open a door."""
    if info.password:
        yield info.password
        yield b64encode(f"{info.login}:{info.password}".encode()).decode()
    for name, value in info.extra.items():
        if isinstance(value, str) and value and any(word in name for word in _SECRET_EXTRAS):
            yield value
    headers = info.extra.get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if any(word in str(name).lower() for word in _SECRET_WORDS):
            yield str(value)
            # Behind its scheme: `Bearer ...`.
            yield str(value).rpartition(" ")[2]


async def _mask(info: ConnectionInfo) -> None:
    """Keep secrets out of the logs; Airflow masks the password and some extras by itself."""
    from airflow.sdk.log import amask_secret

    for secret in secrets_of(info):
        await amask_secret(secret)


def _missing(conn_id: str, detail: str) -> PermanentAdapterError:
    return PermanentAdapterError(
        f"there is no connection {conn_id!r} ({detail}); create it under Admin > Connections, with "
        f"`airflow connections add {conn_id} ...` or as the environment variable "
        f"AIRFLOW_CONN_{conn_id.upper()}",
        system=SYSTEM,
    )


def _without_login(host: str) -> str:
    scheme, mark, rest = host.partition("://")
    place = rest if mark else scheme
    return f"{scheme}{mark}{place.rpartition('@')[2]}" if mark else place.rpartition("@")[2]

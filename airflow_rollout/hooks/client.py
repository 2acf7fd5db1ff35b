"""One HTTP client from one connection, and the one table of what its errors mean.

A connection of type `http` is read as Airflow's HTTP provider reads it (host with or without
scheme, schema, port, login, password), with these extras: `headers` (an object), `verify` (a
boolean or a path to a CA), `cert` (a path, or certificate and key) and `trust_env`. Other extras
are never sent anywhere.
"""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import httpx

from airflow_rollout.errors import AdapterError, PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.bare import BareClient
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.signing import Signature
from airflow_rollout.wire import HttpRequest

__all__ = ["base_url", "make_client", "our_error"]

SYSTEM = "connection"

# A gate among a thousand looks every ten seconds; httpx forgets its connection after five.
_KEPT_SECONDS = 30.0
_LIMITS = httpx.Limits(
    max_connections=100, max_keepalive_connections=20, keepalive_expiry=_KEPT_SECONDS
)

_USER_AGENT = "airflow-rollout"

# First match wins. The words are ours: a foreign text may hold an address with a password.
_ERRORS: tuple[tuple[type[Exception], type[AdapterError], str], ...] = (
    (httpx.TimeoutException, TransientAdapterError, "no answer in time"),
    (TimeoutError, TransientAdapterError, "no answer in time"),
    (httpx.ConnectError, TransientAdapterError, "cannot connect"),
    (httpx.ProxyError, TransientAdapterError, "the proxy refused"),
    (httpx.UnsupportedProtocol, PermanentAdapterError, "neither http nor https"),
    (httpx.LocalProtocolError, PermanentAdapterError, "no valid HTTP request"),
    (httpx.DecodingError, PermanentAdapterError, "the answer cannot be decoded"),
    (httpx.InvalidURL, PermanentAdapterError, "no valid address"),
    (httpx.HTTPError, TransientAdapterError, "the connection broke off"),
    (OSError, TransientAdapterError, "the connection broke off"),
)


def our_error(error: Exception, request: HttpRequest, *, system: str) -> AdapterError:
    """Return what a client's error means to us; a bad certificate is permanent."""
    what = f"{request.method} {request.url}"
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return PermanentAdapterError(
            f"{what}: the certificate is not trusted ({cause.verify_message})", system=system
        )
    for foreign, ours, words in _ERRORS:
        if isinstance(error, foreign):
            detail = f" ({cause.strerror})" if cause is not None and cause.strerror else ""
            return ours(f"{what}: {words}{detail}", system=system)
    raise error


def _cause(error: BaseException | None) -> OSError | None:
    """Return the error of the operating system or of TLS behind a client's error."""
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            return error
        error = error.__cause__ or error.__context__
    return None


def base_url(info: ConnectionInfo) -> httpx.URL:
    """Return the address a connection stands for.

    :raises PermanentAdapterError: no host, or something that is no address.
    """
    # A URI written as `https://host` has no schema of its own: its type says it.
    scheme = info.schema or ("https" if info.conn_type == "https" else "http")
    bare = f"[{info.host}]" if info.host.count(":") > 1 and "[" not in info.host else info.host
    host = info.host if "://" in info.host else f"{scheme}://{bare}"
    try:
        url = httpx.URL(host)
        url = url.copy_with(port=info.port) if info.port else url
    except (httpx.InvalidURL, ValueError, TypeError):
        url = httpx.URL("")
    if not url.host or url.scheme not in ("http", "https"):
        raise _bad(
            info,
            f"gives no http or https address: host {info.host.rpartition('@')[2]!r}, "
            f"schema {info.schema!r} (a path belongs to the host: http://host:port/path)",
        )
    return url


def make_client(info: ConnectionInfo | None, *, encrypted: bool) -> httpx.AsyncClient | BareClient:
    """Return a client for a connection, or a bare one without credentials and proxies.

    :param encrypted: whether certificates are needed at all; loading them is slow.
    :raises PermanentAdapterError: a certificate or CA that cannot be read, headers of a wrong type.
    """
    if info is None:
        context = _context(True, None) if encrypted else None
        return BareClient(context, user_agent=_USER_AGENT)
    extra = info.extra
    try:
        verify = _context(_verify(info), extra.get("cert")) if encrypted else False
    except OSError as error:
        raise _bad(info, f"names a certificate that cannot be used: {error.strerror}") from None
    headers = _headers(info)
    auth: Any = (info.login, info.password) if info.login or info.password else None
    if info.signing:
        auth = Signature(info)
    return httpx.AsyncClient(
        base_url=base_url(info),
        auth=auth,
        headers={"user-agent": _USER_AGENT, **headers},
        verify=verify,
        limits=_LIMITS,
        trust_env=_flag(extra.get("trust_env", True)),
    )


def _verify(info: ConnectionInfo) -> bool | str:
    value = info.extra.get("verify", info.extra.get("verify_ssl", True))
    if isinstance(value, str) and value.strip().lower() not in ("true", "false", ""):
        return value
    return _flag(value)


def _flag(value: object) -> bool:
    return value.strip().lower() != "false" if isinstance(value, str) else bool(value)


def _context(verify: bool | str, cert: object) -> ssl.SSLContext:
    if isinstance(verify, str):
        path = Path(verify)
        context = ssl.create_default_context(
            cafile=None if path.is_dir() else verify, capath=verify if path.is_dir() else None
        )
    else:
        context = httpx.create_ssl_context(verify=verify)
    if isinstance(cert, str) and cert:
        context.load_cert_chain(cert)
    elif isinstance(cert, (list, tuple)) and cert:
        context.load_cert_chain(*(str(part) for part in cert[:2]))
    return context


def _headers(info: ConnectionInfo) -> dict[str, str]:
    headers: Any = info.extra.get("headers") or {}
    if isinstance(headers, str):
        try:
            headers = json.loads(headers)
        except ValueError:
            headers = None
    if not isinstance(headers, dict):
        raise _bad(info, "has `headers` in its extra that are no object")
    return {str(name): str(value) for name, value in headers.items()}


def _bad(info: ConnectionInfo, why: str) -> PermanentAdapterError:
    return PermanentAdapterError(f"connection {info.conn_id!r} {why}", system=SYSTEM)

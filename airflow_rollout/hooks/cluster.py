"""Log in to a Kubernetes cluster with a connection of Airflow's type `kubernetes`.

The connection is read as its provider reads it (`in_cluster`, `kube_config_path`, `kube_config`,
`cluster_context`, `disable_verify_ssl`), by the official client's own loader: kubeconfig files,
service accounts and the exec plugins of cloud logins. Only the login is its work; requests go
through the transport that all adapters use.

Loading and plugins are slow, so everything is fetched when the connection is opened, and the token
is renewed beside the work: a request, an abort above all, imports and fetches nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import yaml

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.wire import HttpRequest, Request, Response, Send

__all__ = ["CONN_TYPE", "Login", "is_cluster", "log_in", "open_with"]

CONN_TYPE = "kubernetes"

SYSTEM = "connection"

# A login of a cloud starts a program that asks the cloud.
_LOGIN_SECONDS = 30.0

# Well within the minutes by which tokens are renewed before they end.
_RENEW_SECONDS = 20.0

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Login:
    """An API server's address and certificates, and the header that opens it now.

    :param info: a connection that `open_send` takes as it is.
    :param authorization: the header's value, empty where a client certificate is enough.
    """

    info: ConnectionInfo
    authorization: str


def is_cluster(info: ConnectionInfo) -> bool:
    """Say whether a connection leads to a Kubernetes API."""
    return info.conn_type == CONN_TYPE


@asynccontextmanager
async def log_in(info: ConnectionInfo) -> AsyncIterator[Login | None]:
    """Yield the login of a cluster's connection, renewed as long as the context lives.

    None for connections of other types.

    :raises PermanentAdapterError: the connection or its kubeconfig cannot be used.
    :raises TransientAdapterError: a login plugin did not answer in time.
    """
    if not is_cluster(info):
        yield None
        return
    login, read_header = await _in_time(info)
    renewing = asyncio.create_task(_keep_renewed(login, read_header))
    try:
        yield login
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


@asynccontextmanager
async def open_with(
    login: Login | None, info: ConnectionInfo | None, *, system: str
) -> AsyncIterator[Send]:
    """Yield a `Send` with a cluster's login, or for the connection itself where there is none."""
    async with open_send(login.info if login else info, system=system) as send:
        yield _authorized(send, login) if login else send


def _authorized(send: Send, login: Login) -> Send:
    async def authorized(request: Request) -> Response:
        # An absolute address is another server's, which gets no credentials.
        if isinstance(request, HttpRequest) and "://" not in request.url and login.authorization:
            header = ("authorization", login.authorization)
            request = replace(request, headers=(*request.headers, header))
        return await send(request)

    return authorized


async def _in_time(info: ConnectionInfo) -> tuple[Login, Callable[[], str]]:
    try:
        async with asyncio.timeout(_LOGIN_SECONDS):
            return await asyncio.to_thread(_load, info)
    except TimeoutError:
        raise TransientAdapterError(
            f"connection {info.conn_id!r}: the login took longer than {_LOGIN_SECONDS:g} s",
            system=SYSTEM,
        ) from None


async def _keep_renewed(login: Login, read_header: Callable[[], str]) -> None:
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        try:
            login.authorization = await asyncio.to_thread(read_header)
        except Exception as error:  # noqa: BLE001 - the one before may still be good
            _log.warning("could not renew the login of the cluster: %s", type(error).__name__)


def _load(info: ConnectionInfo) -> tuple[Login, Callable[[], str]]:
    # A second of imports that only releases on Kubernetes pay, when they open their connection.
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException

    configuration = Configuration()
    try:
        _fill(configuration, info)
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError) as error:
        raise _bad(info, f"cannot log in to its cluster: {error}") from None
    if getattr(configuration, "tls_server_name", None):
        raise _bad(info, "asks for a `tls-server-name`, which is not supported")
    verified = configuration.verify_ssl and not _flag(info, "disable_verify_ssl")
    extra: dict[str, Any] = {"verify": (configuration.ssl_ca_cert or True) if verified else False}
    if configuration.cert_file:
        extra["cert"] = [configuration.cert_file, configuration.key_file]

    def header() -> str:
        # Renews what has run out: a service account's file is read anew, a plugin asked again.
        settings = configuration.auth_settings()
        return next((str(one["value"]) for one in settings.values() if one["value"]), "")

    reached = ConnectionInfo(
        conn_id=info.conn_id, conn_type="https", host=configuration.host, extra=extra
    )
    return Login(info=reached, authorization=header()), header


def _fill(configuration: Any, info: ConnectionInfo) -> None:
    from kubernetes import config

    context = _text(info, "cluster_context") or None
    given = [name for name in ("in_cluster", "kube_config_path", "kube_config") if _has(info, name)]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} exclude each other")
    if given == ["in_cluster"]:
        config.load_incluster_config(client_configuration=configuration)
    elif given == ["kube_config"]:
        text = info.extra["kube_config"]
        data = yaml.safe_load(text) if isinstance(text, str) else text
        config.load_kube_config_from_dict(data, context=context, client_configuration=configuration)
    elif given:
        path = _text(info, "kube_config_path")
        config.load_kube_config(path, context=context, client_configuration=configuration)
    else:
        _fill_by_place(configuration, context)


def _fill_by_place(configuration: Any, context: str | None) -> None:
    """Do as the provider does where nothing is said: the pod's own account, else the default."""
    from kubernetes import config

    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        config.load_kube_config(context=context, client_configuration=configuration)


def _has(info: ConnectionInfo, name: str) -> bool:
    return _flag(info, name) if name == "in_cluster" else bool(_value(info, name))


def _value(info: ConnectionInfo, name: str) -> Any:
    # Connections that were made before Airflow 2.3 have the long names.
    return info.extra.get(name) or info.extra.get(f"extra__kubernetes__{name}")


def _text(info: ConnectionInfo, name: str) -> str:
    return str(_value(info, name) or "")


def _flag(info: ConnectionInfo, name: str) -> bool:
    return _text(info, name).strip().lower() in ("true", "1")


def _bad(info: ConnectionInfo, why: str) -> PermanentAdapterError:
    return PermanentAdapterError(f"connection {info.conn_id!r} {why}", system=SYSTEM)

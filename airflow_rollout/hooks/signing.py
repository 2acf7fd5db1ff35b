"""Requests signed for a cloud, with credentials that its official Airflow provider finds.

Nothing of a cloud's rules is written anew: `apache-airflow-providers-amazon` and `-google` read
their own connection types, assume roles and refresh tokens; botocore signs. They are extras of this
package and imported when a connection asks for them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo

__all__ = ["Signature"]

SYSTEM = "connection"

# Hop-by-hop and changing headers are no part of an AWS signature.
_SIGNED_HEADERS = ("content-type", "host", "x-amz-target")

Headers = Callable[[httpx.Request], dict[str, str]]


class Signature(httpx.Auth):
    """Sign each request of a client as the connection says.

    Signing runs in a thread: it may have to ask the cloud for credentials first.

    :raises PermanentAdapterError: an unknown way, a missing extra, or no credentials.
    """

    requires_request_body = True

    def __init__(self, info: ConnectionInfo) -> None:
        self._info = info
        self._headers: Headers | None = None
        self._making = asyncio.Lock()

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the headers of the signature."""
        await request.aread()
        async with self._making:
            if self._headers is None:
                self._headers = await asyncio.to_thread(_signer, self._info)
        request.headers.update(await asyncio.to_thread(self._headers, request))
        yield request


def _signer(info: ConnectionInfo) -> Headers:
    way, _, service = info.signing.partition(":")
    if way == "aws":
        return _aws(info, service or str(info.extra.get("service") or "aps"))
    if way == "google":
        return _google(info)
    raise PermanentAdapterError(
        f"connection {info.conn_id!r} has an unknown `auth` {way!r} in its extra; "
        "allowed: aws, google",
        system=SYSTEM,
    )


def _aws(info: ConnectionInfo, service: str) -> Headers:
    """Return a signer by AWS Signature Version 4."""
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise _missing(info, "aws") from None
    region = str(info.extra.get("region_name") or info.extra.get("region") or "") or None
    hook = _given(AwsBaseHook, info.cloud)
    hook = hook(
        aws_conn_id=info.cloud.conn_id if info.cloud else None, client_type="sts",
        region_name=region,
    )  # fmt: skip
    try:
        session = hook.get_session(region_name=region)
        credentials = session.get_credentials()
    except (BotoCoreError, ClientError) as error:
        raise _refused(info, error) from None
    region = region or session.region_name
    if credentials is None or not region:
        raise PermanentAdapterError(
            f"connection {info.conn_id!r}: AWS credentials and a region are needed to sign",
            system=SYSTEM,
        )

    def headers(request: httpx.Request) -> dict[str, str]:
        sent = {name: request.headers[name] for name in _SIGNED_HEADERS if name in request.headers}
        signed = AWSRequest(
            method=request.method, url=str(request.url), data=request.content, headers=sent
        )
        try:
            # Frozen for each request: the credentials of a role are replaced before they expire.
            SigV4Auth(credentials.get_frozen_credentials(), service, region).add_auth(signed)
        except (BotoCoreError, ClientError) as error:
            raise _refused(info, error) from None
        return {name: value for name, value in signed.headers.items() if name not in sent}

    return headers


def _google(info: ConnectionInfo) -> Headers:
    """Return a signer by the token of a service account, refreshed when it expires."""
    try:
        from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
    except ImportError:
        raise _missing(info, "google") from None
    hook = _given(GoogleBaseHook, info.cloud)
    try:
        credentials, _ = hook(
            gcp_conn_id=info.cloud.conn_id if info.cloud else "google_cloud_default"
        ).get_credentials_and_project_id()
    except GoogleAuthError as error:
        raise _refused(info, error) from None

    def headers(request: httpx.Request) -> dict[str, str]:  # noqa: ARG001 - a token signs nothing
        try:
            if not credentials.valid:
                credentials.refresh(Request())
        except GoogleAuthError as error:
            raise _refused(info, error) from None
        return {"Authorization": f"Bearer {credentials.token}"}

    return headers


def _given(hook: Any, info: ConnectionInfo | None) -> Any:
    """Return a hook class that takes this connection instead of asking Airflow for one.

    A hook asks Airflow in the calling thread, which in a triggerer would disturb the only channel.
    """
    if info is None:
        return hook
    from airflow.sdk import Connection

    found = Connection(
        conn_id=info.conn_id, conn_type=info.conn_type, host=info.host or None, port=info.port,
        schema=info.schema or None, login=info.login or None, password=info.password or None,
        extra=_as_json(info.extra),
    )  # fmt: skip

    class Given(hook):  # type: ignore[misc]
        """The same hook with its connection in hand."""

        @classmethod
        def get_connection(cls, conn_id: str) -> Any:  # noqa: ARG003 - the hook's signature
            return found

        @classmethod
        async def aget_connection(cls, conn_id: str) -> Any:  # noqa: ARG003
            return found

    return Given


def _as_json(extra: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in extra.items() if name != "headers"})


def _missing(info: ConnectionInfo, extra: str) -> PermanentAdapterError:
    return PermanentAdapterError(
        f"connection {info.conn_id!r} is signed for {extra}: install airflow-rollout[{extra}]",
        system=SYSTEM,
    )


def _refused(info: ConnectionInfo, error: Exception) -> TransientAdapterError:
    # Only the kind: a cloud's own words may hold a part of a key.
    return TransientAdapterError(
        f"connection {info.conn_id!r}: no credentials to sign with ({type(error).__name__})",
        system=SYSTEM,
    )

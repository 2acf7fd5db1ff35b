"""The client for addresses that are no connection's: probes, with no credentials and no proxy.

Health probes are most of what a triggerer sends, and on httpx each cost it six times the processor
time (1.0 ms against 0.17 ms). All that a connection brings (credentials, signatures, proxies, its
own certificates) stays with httpx, and so does what an error means: what goes wrong here is raised
as httpx would raise it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import aiohttp
import httpx

__all__ = ["BareAnswer", "BareClient"]

# As long a line of an answer's head as httpx takes.
_LONGEST_LINE = 100 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BareAnswer:
    """An answer whose body is not read yet, with the names httpx gives its parts."""

    status_code: int
    headers: Mapping[str, str]
    aiter_bytes: Callable[[], AsyncIterator[bytes]]


class BareClient:
    """Send requests as they stand, over connections that are kept; a context manager.

    Made anywhere, entered in the event loop it is used in.

    :param context: what certificates are checked with.
    :param user_agent: what it calls itself.
    """

    def __init__(self, context: ssl.SSLContext | None, *, user_agent: str) -> None:
        self._context = context
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # A name may lead elsewhere a moment later: whoever is probed may have moved.
            connector=aiohttp.TCPConnector(ssl=self._context or True, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": self._user_agent},
            # Whoever sends bounds the whole exchange.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            # Nobody reads what a probe is answered: it need not be packed, nor unpacked.
            skip_auto_headers=("Accept-Encoding",),
            auto_decompress=False,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        params: list[tuple[str, str]] | None,
        headers: list[tuple[str, str]],
        content: bytes | None,
        timeout: float,  # noqa: ARG002 - the caller's own covers all of it
    ) -> AsyncIterator[BareAnswer]:
        """Send a request and yield its answer, as `httpx.AsyncClient.stream` does.

        :raises httpx.HTTPError: no connection, or one that broke off.
        :raises httpx.InvalidURL: no address.
        """
        try:
            async with self._session.request(
                method, url, params=params, headers=headers, data=content, allow_redirects=False
            ) as response:
                yield BareAnswer(
                    status_code=response.status,
                    headers=response.headers,
                    aiter_bytes=response.content.iter_any,
                )
        except aiohttp.ClientError as error:
            raise _as_httpx(error) from _cause(error)


def _as_httpx(error: aiohttp.ClientError) -> httpx.HTTPError | httpx.InvalidURL:
    if isinstance(error, aiohttp.NonHttpUrlClientError):
        return httpx.UnsupportedProtocol(str(error))
    if isinstance(error, aiohttp.InvalidURL):
        return httpx.InvalidURL(str(error))
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        return httpx.ConnectError(str(error))
    return httpx.ReadError(str(error))


def _cause(error: aiohttp.ClientError) -> Exception:
    """Return the error of the operating system or of TLS, in its own words."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return error.os_error
    if isinstance(error, aiohttp.ClientOSError) and error.errno:
        return OSError(error.errno, os.strerror(error.errno))
    return error

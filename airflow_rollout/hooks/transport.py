"""Send what adapters ask for: HTTP through one client a connection, files through `files`.

Nothing is retried here: every caller is a loop that asks again, and only it knows how often.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.bare import BareClient
from airflow_rollout.hooks.client import base_url, make_client, our_error
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.files import read_file, read_note, replace_file, write_note
from airflow_rollout.wire import (
    FileContent,
    FileRead,
    HttpRequest,
    HttpResponse,
    NoteRead,
    NoteWrite,
    Request,
    Response,
    ResultRead,
    Send,
    TaskResult,
)

__all__ = ["FILE_THREAD", "open_send"]

# Larger than any sane metrics page or query result; a larger one would stall the triggerer.
LARGEST_BODY = 32 * 1024 * 1024

# Longer than the wait for a lock and any fsync worth waiting for.
FILE_SECONDS = 10.0

# At most so many requests of one connection wait for its file system; a gate has three at a time.
FILES_AT_ONCE = 16

# What the names of the threads that do file work begin with.
FILE_THREAD = "rollout-file"

T = TypeVar("T")


@asynccontextmanager
async def open_send(
    info: ConnectionInfo | None, *, system: str, largest_body: int = LARGEST_BODY
) -> AsyncIterator[Send]:
    """Yield a `Send` for one connection; it lives as long as the context, in one event loop.

    Relative URLs go to the connection's address with its credentials and headers. Absolute ones
    go where they say, with none of them: they are probes of something else.

    :param info: None for absolute URLs only.
    :param system: the adapter's name, for error messages.
    """
    async with AsyncExitStack() as stack:
        sender = _Sender(info, system, largest_body, stack)
        yield sender.send


class _Sender:
    """The clients of one connection, each made when it is first needed."""

    def __init__(
        self, info: ConnectionInfo | None, system: str, largest_body: int, stack: AsyncExitStack
    ) -> None:
        self._info = info
        self._system = system
        self._largest_body = largest_body
        self._stack = stack
        self._clients: dict[str, httpx.AsyncClient | BareClient] = {}
        self._making = asyncio.Lock()
        self._files = threading.BoundedSemaphore(FILES_AT_ONCE)

    async def send(self, request: Request) -> Response:
        """Carry out one request.

        :raises TransientAdapterError: timeout, refused, reset, name not found.
        :raises PermanentAdapterError: bad address, bad certificate, too large an answer.
        """
        if isinstance(request, HttpRequest):
            return await self._http(request)
        if isinstance(request, ResultRead):
            # A connection knows nothing of tasks; who does answers before it gets here.
            return TaskResult(state=None)
        directory = self._directory()
        if isinstance(request, FileRead):
            read = partial(read_file, directory, request.name, system=self._system)
            return FileContent(content=await self._in_thread(read))
        if isinstance(request, NoteRead):
            read = partial(read_note, directory, request.name, system=self._system)
            return FileContent(content=await self._in_thread(read))
        if isinstance(request, NoteWrite):
            note = (request.name, request.content)
            return await self._in_thread(partial(write_note, directory, *note, system=self._system))
        change = partial(
            replace_file, directory, request.name, request.content, request.expected,
            is_urgent=request.is_urgent, system=self._system,
        )  # fmt: skip
        return await self._in_thread(change)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do file work beside the event loop; a file system that hangs must not hang a gate.

        Work that was given up on may still be done later; its comparison makes that harmless.
        """
        if not self._files.acquire(blocking=False):
            raise TransientAdapterError(
                f"the file system has not answered {FILES_AT_ONCE} requests", system=self._system
            )
        try:
            async with asyncio.timeout(FILE_SECONDS):
                return await _in_own_thread(work, self._files.release)
        except TimeoutError:
            raise TransientAdapterError(
                f"the file system has not answered for {FILE_SECONDS:g} s", system=self._system
            ) from None

    async def _http(self, request: HttpRequest) -> HttpResponse:
        try:
            async with asyncio.timeout(request.timeout_seconds):
                client = await self._client(request)
                return await self._exchange(client, request)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise our_error(error, request, system=self._system) from None

    async def _exchange(
        self, client: httpx.AsyncClient | BareClient, request: HttpRequest
    ) -> HttpResponse:
        async with client.stream(
            request.method,
            request.url,
            params=list(request.params) or None,
            headers=list(request.headers),
            content=request.body,
            timeout=request.timeout_seconds,
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._largest_body:
                    raise PermanentAdapterError(
                        f"{request.method} {request.url}: the answer is larger than "
                        f"{self._largest_body} bytes",
                        system=self._system,
                    )
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpResponse(status=response.status_code, headers=headers, body=bytes(body))

    async def _client(self, request: HttpRequest) -> httpx.AsyncClient | BareClient:
        """Return the connection's client, or one without credentials for an absolute URL."""
        scheme, absolute, _ = request.url.partition("://")
        info = None if absolute else self._connection()
        scheme = scheme.lower() if absolute else base_url(self._connection()).scheme
        key = f"{'other' if info is None else 'own'} {scheme}"
        async with self._making:
            if key not in self._clients:
                # In a thread: reading the system's certificates takes tens of milliseconds.
                client = await asyncio.to_thread(make_client, info, encrypted=scheme == "https")
                self._clients[key] = await self._stack.enter_async_context(client)
            return self._clients[key]

    def _connection(self) -> ConnectionInfo:
        if self._info is None:
            raise PermanentAdapterError("needs a connection with an address", system=self._system)
        return self._info

    def _directory(self) -> Path:
        info = self._connection()
        directory = info.extra.get("directory")
        if not isinstance(directory, str) or not Path(directory).is_absolute():
            raise PermanentAdapterError(
                f"connection {info.conn_id!r} has no absolute `directory` in its extra",
                system=self._system,
            )
        return Path(directory)


def _in_own_thread(work: Callable[[], T], release: Callable[[], None]) -> asyncio.Future[T]:
    """Begin work in a thread of its own, and call `release` there when it is over.

    Not in the event loop's few threads: all of its gates' name lookups share them, and a name
    server that hangs would keep a way back waiting.
    """
    own = ThreadPoolExecutor(max_workers=1, thread_name_prefix=FILE_THREAD)
    try:
        done = own.submit(work)
    except RuntimeError:
        # No thread more can be started now: nothing is under way that would release it.
        release()
        raise
    own.shutdown(wait=False)
    done.add_done_callback(lambda _: release())
    return asyncio.wrap_future(done)

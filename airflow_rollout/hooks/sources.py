"""What the gates of one process have in common: a source's clients, its patience, its answers.

A triggerer holds hundreds of gates, and many of them ask the same source, some the same question.
Each source is opened once an event loop and a connection; what is asked twice at the same moment is
sent once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import msgspec

from airflow_rollout.errors import AdapterError
from airflow_rollout.hooks.connection import ConnectionInfo, secrets_of
from airflow_rollout.hooks.hiding import hiding
from airflow_rollout.hooks.patience import patient
from airflow_rollout.hooks.timer import LOOP_TIMER, Timer
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response, Send

__all__ = ["SingleFlight", "Source", "open_source"]

# Those who ask at the same moment do so within this time, however many there are and however long
# it takes them to get their turn on the event loop.
_KEPT_SECONDS = 5.0

# A page of a router can be large: rather ask again than keep many of them.
_KEPT_BYTES = 16 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class _Flight:
    """One exchange, under way or over. `began` is when it was first asked for."""

    began: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    answer: Response | AdapterError | None = None

    @property
    def size(self) -> int:
        return len(self.answer.body) if isinstance(self.answer, HttpResponse) else 0


class SingleFlight:
    """Answer equal questions of the same moment with one exchange.

    The moment is the end of the window that is asked about. Requests without a time in them (a
    metrics page) are equal for ever; an answer of an earlier moment is never given for a later one.
    """

    def __init__(self, timer: Timer = LOOP_TIMER) -> None:
        self._timer = timer
        self._flights: dict[tuple[float, HttpRequest], _Flight] = {}
        self._size = 0

    def at(self, moment: float, send: Send) -> Send:
        """Return a `Send` for questions of one moment (epoch seconds), reads all of them.

        Whoever comes second waits; if the first is cancelled, the second asks itself.
        """

        async def shared(request: Request) -> Response:
            if not isinstance(request, HttpRequest):
                return await send(request)
            flight = self._flight((moment, request))
            async with flight.lock:
                if flight.answer is None:
                    try:
                        flight.answer = await send(request)
                    except AdapterError as error:
                        flight.answer = error
                    self._size += flight.size
            if isinstance(flight.answer, AdapterError):
                raise flight.answer
            return flight.answer

        return shared

    def _flight(self, key: tuple[float, HttpRequest]) -> _Flight:
        now = self._timer.now()
        self._forget(now - _KEPT_SECONDS)
        if key not in self._flights:
            self._flights[key] = _Flight(began=now)
        return self._flights[key]

    def _forget(self, before: float) -> None:
        """Drop what is old, and the oldest where it is too much; never what is under way."""
        over = []
        for key, flight in self._flights.items():
            if flight.began > before and self._size <= _KEPT_BYTES:
                break
            if not flight.lock.locked():
                over.append(key)
                self._size -= flight.size
        for key in over:
            del self._flights[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A metric system as one event loop sees it.

    :param flights: what is asked of it now.
    """

    send: Send
    flights: SingleFlight


@dataclass(slots=True, kw_only=True)
class _Opened:
    source: Source
    stack: AsyncExitStack
    users: int = 0


# Clients belong to the event loop they were made in.
_OPENED: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bytes, _Opened]] = WeakKeyDictionary()


@asynccontextmanager
async def open_source(info: ConnectionInfo, *, system: str) -> AsyncIterator[Source]:
    """Yield the source behind a connection; the last one to leave closes it.

    A connection whose credentials were changed is another one: gates that have the old ones keep
    them to their end.
    """
    opened = _OPENED.setdefault(asyncio.get_running_loop(), {})
    key = _key(info, system)
    if key not in opened:
        stack = AsyncExitStack()
        send = await stack.enter_async_context(open_send(info, system=system))
        send = hiding(patient(send, system=system), secrets_of(info))
        source = Source(send=send, flights=SingleFlight())
        opened[key] = _Opened(source=source, stack=stack)
    mine = opened[key]
    mine.users += 1
    try:
        yield mine.source
    finally:
        mine.users -= 1
        if not mine.users:
            del opened[key]
            await mine.stack.aclose()


def _key(info: ConnectionInfo, system: str) -> bytes:
    """Return what tells connections apart; a digest, so that no secret is kept twice."""
    told = msgspec.json.encode((system, info), order="sorted")
    return hashlib.blake2b(told, digest_size=16).digest()

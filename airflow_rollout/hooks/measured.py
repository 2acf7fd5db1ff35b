"""Keep what a metric was read from: the requests as they went out, and a piece of each answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_rollout.analysis.readings import (
    CounterSeries,
    Cumulative,
    Increments,
    NoData,
    ReadFailure,
    Reading,
    Value,
)
from airflow_rollout.errors import shorten
from airflow_rollout.metrics.answers import LONGEST_WORDS, plain_words
from airflow_rollout.metrics.base import Window
from airflow_rollout.seen import Answer, Exchange
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response, Send

__all__ = ["Measurement", "listening", "shown"]

# A remote judge is asked many times for one answer; the last ones say what came of it.
_EXCHANGES = 3

# A remote judge is sent its whole configuration; a gate saves its answers every few seconds.
_LONGEST_ASKED = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One answer to one metric's question, with its window and what it was read from."""

    metric: str
    reading: Reading
    window: Window
    exchanges: tuple[Exchange, ...]

    def answer(self) -> Answer:
        """Return it as the record keeps it."""
        return Answer(
            metric=self.metric,
            start=self.window.start,
            end=self.window.end,
            text=_words(self.reading),
            exchanges=tuple(
                replace(one, asked=one.asked[:_LONGEST_ASKED])
                for one in self.exchanges[-_EXCHANGES:]
            ),
        )


def listening(send: Send, heard: list[Exchange], *, about: str) -> Send:
    """Return a `Send` that notes what goes through it; headers, which may hold secrets, are not.

    :param about: a word that the telling lines of a long answer hold.
    """

    async def noting(request: Request) -> Response:
        place = len(heard)
        heard.append(Exchange(asked=shown(request), excerpt=""))
        response = await send(request)
        heard[place] = Exchange(asked=heard[place].asked, excerpt=_excerpt(response, about))
        return response

    return noting


def shown(request: Request) -> str:
    """Return a request as a person reads it, without its headers."""
    if not isinstance(request, HttpRequest):
        return str(request)
    query = "&".join(f"{name}={value}" for name, value in request.params)
    mark = "&" if "?" in request.url else "?"
    body = " " + request.body.decode(errors="replace") if request.body else ""
    return f"{request.method} {request.url}{mark + query if query else ''}{body}"


def _excerpt(response: Response, about: str) -> str:
    if not isinstance(response, HttpResponse):
        return shorten(response)
    body = response.body
    if len(body) > LONGEST_WORDS:
        body = _lines_with(about.encode(), body) or body
    return f"HTTP {response.status}: {plain_words(body)}"


def _lines_with(word: bytes, body: bytes) -> bytes:
    """Return the first lines of a text that hold a word, as many as are shown."""
    found = bytearray()
    end = 0
    while len(found) < LONGEST_WORDS and (place := body.find(word, end)) >= 0:
        begin = body.rfind(b"\n", 0, place) + 1
        end = body.find(b"\n", place)
        end = len(body) if end < 0 else end
        found += body[begin:end] + b"\n"
    return bytes(found)


def _words(reading: Reading) -> str:
    if isinstance(reading, ReadFailure):
        return f"cannot be read: {reading.reason}"
    if isinstance(reading, NoData):
        return f"no data: {reading.reason}"
    if isinstance(reading, Value):
        behind = "" if reading.requests is None else f" ({reading.requests} requests)"
        return f"no number{behind}" if reading.canary is None else f"{reading.canary:g}{behind}"
    return f"counts of {_requests(reading)}"


def _requests(reading: Cumulative | Increments) -> str:
    if isinstance(reading, Increments):
        canary, stable = reading.canary.requests, reading.stable.requests
    else:
        canary, stable = _total(reading.canary), _total(reading.stable)
    return f"{canary} canary and {stable} stable requests"


def _total(arm: tuple[CounterSeries, ...]) -> int:
    return sum(series.points[-1].requests for series in arm if series.points)

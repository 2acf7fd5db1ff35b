"""What every metric system has to make of every kind of answer, as a table.

The recorded answers of a system, `<key>_answers.py`, export a `CONTRACT`: what is asked, and for
each case the answers that were recorded for it, or why there can be none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Cumulative, Increments, NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.registry import make_provider
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Send

__all__ = [
    "EXPECTED", "START", "WINDOW", "Case", "Contract", "Outcome", "Recorded", "Replay",
    "ask_metric", "body", "outcome", "page", "read", "read_with",
]  # fmt: skip

# Every test's window: the answers are recorded or made for it. On a full minute.
START = 1_795_500_000.0
WINDOW = Window(start=START, end=START + 120.0, earliest=START)


class Outcome(StrEnum):
    VALUE = "value"
    COUNTS = "counts"
    NO_DATA = "no data"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


class Case(StrEnum):
    """The kinds of answers that differ from system to system."""

    VALUE = "a value"
    COUNTS = "counts of both arms"
    EMPTY = "an answer without series or rows"
    NULL = "null where the number should be"
    NAN = "NaN"
    INFINITE = "infinity"
    SEVERAL = "several series where one number was asked for"
    PARTIAL = "data that the system itself calls incomplete"
    OPEN = "a newest bucket that is not over yet"
    INSIDE = "an error inside an answer with status 200"


# What each case has to end in; a recording may say otherwise where a system differs, and why.
EXPECTED: dict[Case, Outcome] = {
    Case.VALUE: Outcome.VALUE,
    Case.COUNTS: Outcome.COUNTS,
    Case.EMPTY: Outcome.NO_DATA,
    Case.NULL: Outcome.NO_DATA,
    Case.NAN: Outcome.NO_DATA,
    Case.INFINITE: Outcome.NO_DATA,
    Case.SEVERAL: Outcome.PERMANENT,
    Case.PARTIAL: Outcome.TRANSIENT,
    Case.OPEN: Outcome.VALUE,
    Case.INSIDE: Outcome.PERMANENT,
}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Answers in the order in which they are given, and what has to come of them.

    :param asked: another question than the contract's own.
    :param options: other options than the contract's own.
    :param value: the number that has to be read.
    :param counts: requests and bad requests of the canary that have to be counted at the last time.
    :param words: what the error or reason has to keep of the system's own words.
    """

    answers: tuple[HttpResponse, ...]
    asked: MetricQuery | None = None
    options: tuple[tuple[str, str], ...] | None = None
    outcome: Outcome | None = None
    value: float | None = None
    requests: int | None = None
    counts: tuple[int, int] | None = None
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """All that is known of one system's answers.

    :param asked: what is asked in every case that names no other question.
    :param refusal: the body of an error as the system itself writes it.
    :param refusal_words: the part of it that has to be kept.
    :param cases: what was recorded; a text says why there can be no such answer.
    :param not_it: what comes of a page of something else with status 200.
    """

    provider: str
    asked: MetricQuery
    refusal: bytes
    refusal_words: str
    cases: Mapping[Case, Recorded | str]
    options: tuple[tuple[str, str], ...] = ()
    not_it: Outcome = Outcome.PERMANENT
    malformed: Outcome = Outcome.PERMANENT


@dataclass
class Replay:
    """Answer in turn and remember what was asked; the last answer is given again and again."""

    answers: list[HttpResponse]
    asked: list[HttpRequest] = field(default_factory=list)

    async def __call__(self, request: Request) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def ask_metric(
    expression: str | None = None, question: Question = Question.VALUE, **fields: Any
) -> MetricQuery:
    """Return a question about the service `app` in `prod`."""
    known: dict[str, Any] = {
        "name": "m",
        "router": "traefik_file",
        "service": "app",
        "namespace": "prod",
        "expression": expression,
        "question": question,
    }
    return MetricQuery(**{**known, **fields})


def body(data: object, status: int = 200, **headers: str) -> HttpResponse:
    """Return a JSON answer."""
    kinds = {"content-type": "application/json", **headers}
    return HttpResponse(status=status, headers=kinds, body=json.dumps(data).encode())


def page(text: str | bytes, status: int = 200, kind: str = "text/plain") -> HttpResponse:
    """Return an answer that is no JSON."""
    raw = text if isinstance(text, bytes) else text.encode()
    return HttpResponse(status=status, headers={"content-type": kind}, body=raw)


async def read_with(
    contract: Contract, recorded: Recorded | None, send: Send, window: Window = WINDOW
) -> Reading:
    """Read through a contract's provider, however the answers come."""
    options = contract.options
    if recorded is not None and recorded.options is not None:
        options = recorded.options
    source = MetricSource(
        provider=contract.provider, conn_id="c", every_seconds=5.0, options=options
    )
    asked = (recorded and recorded.asked) or contract.asked
    return await make_provider(source).read(asked, window, send)


def read(contract: Contract, *answers: HttpResponse, **fields: Any) -> Reading:
    """Read answers that are given in turn."""
    recorded = replace(Recorded(answers=answers), **fields)
    return asyncio.run(read_with(contract, recorded, Replay(list(answers))))


def outcome(contract: Contract, recorded: Recorded | None, send: Send) -> tuple[Outcome, str, Any]:
    """Return what came of it, its words and the reading."""
    try:
        reading = asyncio.run(read_with(contract, recorded, send))
    except TransientAdapterError as error:
        return Outcome.TRANSIENT, str(error), error
    except PermanentAdapterError as error:
        return Outcome.PERMANENT, str(error), error
    kinds = {NoData: Outcome.NO_DATA, Value: Outcome.VALUE}
    counted = isinstance(reading, Cumulative | Increments)
    words = reading.reason if isinstance(reading, NoData) else ""
    return Outcome.COUNTS if counted else kinds[type(reading)], words, reading

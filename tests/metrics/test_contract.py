"""Every metric system, every kind of answer: value, counts, no data, transient or permanent."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from contract import EXPECTED, Case, Contract, Outcome, Recorded, Replay, outcome, page, read_with
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_servers import ODD_SERVERS, serving

from airflow_rollout.analysis.readings import Cumulative, Increments, Value
from airflow_rollout.errors import AdapterError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.registry import PROVIDERS
from airflow_rollout.wire import HttpResponse, Request, Response, Send

CONTRACTS: dict[str, Contract] = {
    name: import_module(f"{name}_answers").CONTRACT for name in PROVIDERS
}

STATUSES = {
    400: Outcome.PERMANENT,
    401: Outcome.PERMANENT,
    403: Outcome.PERMANENT,
    404: Outcome.PERMANENT,
    429: Outcome.TRANSIENT,
    500: Outcome.TRANSIENT,
    503: Outcome.TRANSIENT,
}

# Smaller than what the endless server sends, larger than any recorded answer.
LARGEST_BODY = 1_000_000

ODD_OUTCOMES = {
    "no answer in time": Outcome.TRANSIENT,
    "an answer that is cut off": Outcome.TRANSIENT,
    "a connection that is closed at once": Outcome.TRANSIENT,
    "an answer that is too large": Outcome.PERMANENT,
}

by_provider = pytest.mark.parametrize("provider", PROVIDERS)


@by_provider
@pytest.mark.parametrize("case", Case)
def test_a_kind_of_answer_ends_as_it_must(provider: str, case: Case) -> None:
    contract = CONTRACTS[provider]
    recorded = contract.cases.get(case)
    assert recorded is not None, f"{provider} says nothing about {case.value}"
    if isinstance(recorded, str):
        assert len(recorded) > 10, f"{provider}: why can there be no {case.value}?"
        return
    found, words, reading = outcome(contract, recorded, Replay(list(recorded.answers)))
    assert found is (recorded.outcome or EXPECTED[case]), words
    assert recorded.words in words
    if found is Outcome.VALUE:
        _check_value(reading, recorded)
    if found is Outcome.COUNTS:
        _check_counts(reading, recorded)


def _check_value(reading: object, recorded: Recorded) -> None:
    assert isinstance(reading, Value)
    assert recorded.value is not None, "a recording of a value says which"
    assert reading.canary == pytest.approx(recorded.value)
    assert reading.requests == recorded.requests


def _check_counts(reading: object, recorded: Recorded) -> None:
    assert recorded.counts is not None, "a recording of counts says which"
    if isinstance(reading, Increments):
        assert (reading.canary.requests, reading.canary.bad[0]) == recorded.counts
        return
    assert isinstance(reading, Cumulative)
    newest = max(point.at for one in reading.canary for point in one.points)
    last = [p for one in reading.canary for p in one.points if p.at == newest]
    assert (sum(p.requests for p in last), sum(p.bad[0] for p in last)) == recorded.counts


@by_provider
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_ends_as_it_must_and_keeps_the_systems_words(provider: str, status: int) -> None:
    contract = CONTRACTS[provider]
    answer = HttpResponse(status=status, body=contract.refusal)
    found, words, _ = outcome(contract, None, Replay([answer]))
    assert found is STATUSES[status]
    assert str(status) in words
    assert contract.refusal_words in words


@by_provider
def test_a_busy_system_says_how_long_to_wait(provider: str) -> None:
    contract = CONTRACTS[provider]
    answer = HttpResponse(status=429, headers={"retry-after": "17"}, body=contract.refusal)
    _, _, error = outcome(contract, None, Replay([answer]))
    assert isinstance(error, TransientAdapterError)
    assert error.retry_after_seconds == 17


@by_provider
def test_a_page_of_something_else_is_no_answer(provider: str) -> None:
    contract = CONTRACTS[provider]
    answer = page("<html><title>Sign in</title></html>", kind="text/html")
    found, words, _ = outcome(contract, None, Replay([answer]))
    assert found is contract.not_it, words


@by_provider
def test_malformed_text_is_no_answer(provider: str) -> None:
    contract = CONTRACTS[provider]
    answer = HttpResponse(status=200, body=b'{"a": 1, "b" 2}')
    found, words, _ = outcome(contract, None, Replay([answer]))
    assert found is contract.malformed, words


@by_provider
@pytest.mark.parametrize("name", ODD_SERVERS)
def test_what_happens_below_http_is_told_apart(provider: str, name: str) -> None:
    contract = CONTRACTS[provider]

    async def test() -> Outcome:
        async with serving(ODD_SERVERS[name]) as port:
            return await _through_the_transport(contract, port)

    assert asyncio.run(test()) is ODD_OUTCOMES[name]


@by_provider
def test_a_refused_connection_may_be_accepted_the_next_time(provider: str) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else can answer there.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        found = asyncio.run(_through_the_transport(CONTRACTS[provider], port))
    assert found is Outcome.TRANSIENT


async def _through_the_transport(contract: Contract, port: int) -> Outcome:
    info = ConnectionInfo(conn_id="c", conn_type="http", host=f"http://127.0.0.1:{port}")
    async with open_send(info, system=contract.provider, largest_body=LARGEST_BODY) as send:
        try:
            await read_with(contract, None, _impatient(send))
        except TransientAdapterError:
            return Outcome.TRANSIENT
        except AdapterError:
            return Outcome.PERMANENT
    return Outcome.VALUE


def _impatient(send: Send) -> Send:
    """Return a `Send` that waits for half a second only: the test's time, not the adapter's."""

    async def asking(request: Request) -> Response:
        object.__setattr__(request, "timeout_seconds", 0.5)
        return await send(request)

    return asking


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4),
    st.just([]), st.just({}), st.just([[]]), st.just([{}]), st.just({"a": None}),
)  # fmt: skip


def _spots(data: Any, spot: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every part of a JSON document."""
    yield spot
    named = (
        data if isinstance(data, dict) else dict(enumerate(data if isinstance(data, list) else ()))
    )
    for name, child in named.items():
        yield from _spots(child, (*spot, name))


def _with_junk(data: Any, spot: tuple[Any, ...], junk: object) -> Any:
    if not spot:
        return junk
    found = copy.copy(data)
    found[spot[0]] = _with_junk(data[spot[0]], spot[1:], junk)
    return found


def _recordings(provider: str) -> list[tuple[Recorded, HttpResponse]]:
    return [
        (recorded, answer)
        for recorded in CONTRACTS[provider].cases.values()
        if isinstance(recorded, Recorded)
        for answer in recorded.answers
        if answer.body[:1] in (b"{", b"[")
    ]


@by_provider
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_part_of_an_answer_may_be_anything(provider: str, data: st.DataObject) -> None:
    recordings = _recordings(provider)
    if not recordings:
        return
    recorded, answer = data.draw(st.sampled_from(recordings))
    whole = json.loads(answer.body)
    spot = data.draw(st.sampled_from(list(_spots(whole))))
    changed = json.dumps(_with_junk(whole, spot, data.draw(JUNK))).encode()
    answers = [
        replace(one, body=changed if one is answer else one.body) for one in recorded.answers
    ]
    found, words, _ = outcome(CONTRACTS[provider], recorded, Replay(answers))
    assert found in Outcome, words


def test_the_table_says_what_every_case_has_to_end_in() -> None:
    assert set(EXPECTED) == set(Case)
    assert set(ODD_OUTCOMES) == set(ODD_SERVERS)

"""The `splunk` source: programs, streams of events, and their ends."""

from __future__ import annotations

import asyncio

import pytest
from contract import START, Recorded, Replay, page, read, read_with
from splunk_answers import CONTRACT, START_EVENT, event, point, stream

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.credentials import fill_in
from airflow_rollout.metrics.splunk import CONNECTION


def test_a_program_is_executed_over_the_window_at_once() -> None:
    replay = Replay([stream(point(START + 100, 1))])
    asyncio.run(read_with(CONTRACT, Recorded(answers=()), replay))
    (request,) = replay.asked
    assert (request.method, request.url) == ("POST", "/v2/signalflow/execute")
    assert request.body == b"data('app.errors').sum().publish()"
    assert dict(request.params) == {
        "start": f"{START:.0f}000", "stop": f"{START + 120:.0f}000", "immediate": "true",
    }  # fmt: skip


def test_a_channel_that_is_aborted_may_be_opened_again() -> None:
    aborted = event(
        "control-message", event="CHANNEL_ABORT", abortInfo={"sf_job_abortReason": "too busy"}
    )
    with pytest.raises(TransientAdapterError, match="too busy"):
        read(CONTRACT, stream(aborted))


def test_an_event_that_is_not_whole_is_not_read() -> None:
    half = page(START_EVENT + 'event: data\ndata: {"logicalTim', kind="text/event-stream")
    with pytest.raises(TransientAdapterError, match="cut off"):
        read(CONTRACT, half)


def test_an_event_that_is_no_json_is_refused() -> None:
    with pytest.raises(PermanentAdapterError, match="not an answer"):
        read(CONTRACT, stream("event: data\ndata: {nope}\n\n"))


def test_the_token_is_a_header_and_the_realm_an_address() -> None:
    info = ConnectionInfo(
        conn_id="s", conn_type="splunk_observability", password="t0k", extra={"realm": "eu0"}
    )
    found = fill_in(info, CONNECTION)
    assert found.host == "https://stream.eu0.signalfx.com"
    assert found.extra["headers"] == {"X-SF-TOKEN": "t0k"}

"""The `wavefront` source: what is asked, and with which token."""

from __future__ import annotations

import asyncio

from contract import START, Recorded, Replay, read_with
from wavefront_answers import CONTRACT, chart

from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.credentials import fill_in
from airflow_rollout.metrics.wavefront import CONNECTION


def test_a_query_is_asked_by_the_minute_and_within_the_window() -> None:
    replay = Replay([chart({START: 1})])
    asyncio.run(read_with(CONTRACT, Recorded(answers=()), replay))
    assert dict(replay.asked[0].params) == {
        "q": "sum(ts(app.errors, version=v2))", "s": f"{START:.0f}000",
        "e": f"{START + 120:.0f}000", "g": "m", "strict": "true",
    }  # fmt: skip


def test_the_token_is_a_header() -> None:
    info = ConnectionInfo(conn_id="w", conn_type="wavefront", host="h", password="t0k")
    assert fill_in(info, CONNECTION).extra["headers"] == {"Authorization": "Bearer t0k"}

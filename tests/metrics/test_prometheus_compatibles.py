"""What those that speak Prometheus' API do differently."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qsl

from contract import Recorded, Replay, ask_metric, page, read, read_with
from prometheus_answers import CONTRACT, answers

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import NoData


def test_warnings_stay_beside_an_empty_answer() -> None:
    away = json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": []},
         "warnings": ["store thanos-b is away"]}
    )  # fmt: skip
    reading = read(CONTRACT, page(away), asked=ask_metric(question=Question.ERRORS))
    assert isinstance(reading, NoData)
    assert "store thanos-b is away" in reading.reason


def test_a_database_that_takes_post_only_is_asked_the_same() -> None:
    asked = []
    for method in ("get", "post"):
        replay = Replay(list(answers("vector")))
        recorded = Recorded(
            answers=(), asked=ask_metric('sum(x{a="b"})'), options=(("method", method),)
        )
        asyncio.run(read_with(CONTRACT, recorded, replay))
        asked += replay.asked
    got, posted = asked
    assert (posted.method, posted.params) == ("POST", ())
    assert dict(parse_qsl((posted.body or b"").decode())) == dict(got.params)
    assert dict(posted.headers) == {"content-type": "application/x-www-form-urlencoded"}

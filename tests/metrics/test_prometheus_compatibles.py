"""What those that speak Prometheus' API do differently."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from contract import Recorded, Replay, ask_metric, body, page, read, read_with
from prometheus_answers import CONTRACT, answers

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Cumulative, NoData
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.wire import HttpResponse


def test_warnings_stay_beside_an_empty_answer() -> None:
    away = json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": []},
         "warnings": ["store thanos-b is away"]}
    )  # fmt: skip
    reading = read(CONTRACT, page(away), asked=ask_metric(question=Question.ERRORS))
    assert isinstance(reading, NoData)
    assert "store thanos-b is away" in reading.reason


def test_an_arm_that_a_partial_answer_lacks_is_not_taken_for_one_without_requests() -> None:
    (whole, *_) = answers("errors")
    data = json.loads(whole.body)
    result = data["data"]["result"]
    kept = [one for one in result if "canary" not in one["metric"].get("service", "")]
    assert 0 < len(kept) < len(result)
    errors = ask_metric(question=Question.ERRORS)
    assert isinstance(read(CONTRACT, *_with(data, kept), asked=errors), Cumulative)
    with pytest.raises(TransientAdapterError, match=r"app-canary@file .*not whole.*thanos-b"):
        read(CONTRACT, *_with(data, kept, "store thanos-b is away"), asked=errors)


def test_a_warning_beside_both_arms_leaves_them_as_they_are() -> None:
    (whole, *_) = answers("errors")
    data = json.loads(whole.body)
    found = _with(data, data["data"]["result"], "store thanos-b is away")
    assert isinstance(
        read(CONTRACT, *found, asked=ask_metric(question=Question.ERRORS)), Cumulative
    )


def _with(data: dict[str, Any], result: list[Any], *warnings: str) -> list[HttpResponse]:
    """Return an answer with these series, and that no process said when it started."""
    first = {**data, "data": {**data["data"], "result": result}, "warnings": list(warnings)}
    starts = {**data, "data": {**data["data"], "result": []}}
    return [body(first), body(starts)]


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

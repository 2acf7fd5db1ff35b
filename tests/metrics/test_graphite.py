"""The `graphite` source: targets as they are, and the newest datapoint that is over."""

from __future__ import annotations

import asyncio

import pytest
from contract import START, Recorded, Replay, ask_metric, body, page, read, read_with
from graphite_answers import CONTRACT, render

from airflow_rollout.analysis.readings import NoData, Value
from airflow_rollout.errors import PermanentAdapterError


def params(target: str) -> dict[str, str]:
    replay = Replay([render(1, 2)])
    asyncio.run(read_with(CONTRACT, Recorded(answers=(), asked=ask_metric(target)), replay))
    assert replay.asked[0].url == "/render"
    return dict(replay.asked[0].params)


def test_a_target_keeps_its_blanks_and_gets_the_window() -> None:
    target = "alias(summarize(app.errors, '1min', 'sum'), 'my errors')"
    assert params(target) == {
        "target": target, "from": f"{START:.0f}", "until": f"{START + 120:.0f}", "format": "json",
    }  # fmt: skip


def test_a_query_string_keeps_its_own_window() -> None:
    found = params("target=sumSeries(app.*.errors)&from=-5min&until=-1min")
    assert found["target"] == "sumSeries(app.*.errors)"
    assert (found["from"], found["until"]) == ("-5min", "-1min")


def test_the_time_of_a_number_is_the_end_of_its_bucket() -> None:
    reading = read(CONTRACT, render(1, 2, None))
    assert isinstance(reading, Value)
    assert (reading.canary, reading.at) == (2, START + 120)


def test_a_number_from_before_the_release_is_not_taken() -> None:
    reading = read(CONTRACT, render(1, 2, end=START - 600))
    assert isinstance(reading, NoData)
    assert "before this release" in reading.reason


def test_a_delay_leaves_the_newest_buckets_alone() -> None:
    reading = read(CONTRACT, render(1, 2, 3, 4, 5), options=(("delay", "20s"),))
    assert isinstance(reading, Value)
    assert reading.canary == 2


@pytest.mark.parametrize("answer", [body({"error": 1}), page("<html>", kind="text/html")])
def test_what_is_not_graphites_is_refused(answer: object) -> None:
    with pytest.raises(PermanentAdapterError):
        read(CONTRACT, answer)  # type: ignore[arg-type]

"""The `prometheus` source on answers recorded from Prometheus 2.42, and on made ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import (
    CounterSeries,
    Cumulative,
    NoData,
    Reading,
    Value,
)
from airflow_rollout.errors import AdapterError, PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.prometheus import PrometheusProvider
from airflow_rollout.wire import HttpRequest, HttpResponse, Request

RECORDED = json.loads((Path(__file__).parent / "recordings" / "prometheus_2_42.json").read_text())
TARGET = {"instance": "traefik:8080", "job": "traefik"}
START = 1000.0


class Replay:
    """Answers in turn and remembers what was asked."""

    def __init__(self, *answers: HttpResponse) -> None:
        self.answers = list(answers)
        self.params: list[dict[str, str]] = []

    async def __call__(self, request: Request) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        assert request.url == "/api/v1/query"
        self.params.append(dict(request.params))
        return self.answers.pop(0)


def recorded(name: str) -> Replay:
    return Replay(
        *(
            HttpResponse(status=one["status"], body=json.dumps(one["body"]).encode())
            for one in RECORDED[name]
        )
    )


def matrix(*series: dict[str, Any]) -> HttpResponse:
    data = {"resultType": "matrix", "result": list(series)}
    return HttpResponse(status=200, body=json.dumps({"status": "success", "data": data}).encode())


def series(name: str, points: dict[float, object], **labels: str) -> dict[str, Any]:
    values = [[at, str(value)] for at, value in points.items()]
    return {"metric": {"__name__": name, **TARGET, **labels}, "values": values}


def requests(
    points: dict[float, object], code: str = "200", arm: str = "canary", **labels: str
) -> Any:
    service = f"app-{arm}@file"
    return series("traefik_service_requests_total", points, code=code, service=service, **labels)


def alive(*times: float, **labels: str) -> Any:
    return series("traefik_config_reloads_total", dict.fromkeys(times, 1), **labels)


def started(at: float, *times: float) -> Any:
    return series("process_start_time_seconds", dict.fromkeys(times, at))


def read(
    replay: Replay,
    question: Question = Question.ERRORS,
    *,
    expression: str | None = None,
    start: float = START,
    end: float = START + 60,
    provider: PrometheusProvider | None = None,
) -> Reading:
    query = MetricQuery(
        name="m",
        question=question,
        router="traefik_file",
        service="app",
        namespace="prod",
        expression=expression,
    )
    return asyncio.run(
        (provider or PrometheusProvider()).read(query, Window(start=start, end=end), replay)
    )


def cumulative(*found: dict[str, Any], starts: tuple[dict[str, Any], ...] = ()) -> Cumulative:
    reading = read(Replay(matrix(*found), matrix(*starts)))
    assert isinstance(reading, Cumulative)
    return reading


def totals(arm: tuple[CounterSeries, ...]) -> tuple[int, tuple[int, ...]]:
    """Return requests and bad at the newest point of each series, added up."""
    newest = [one.points[-1] for one in arm]
    return sum(p.requests for p in newest), tuple(
        map(sum, zip(*(p.bad for p in newest), strict=True))
    )


def test_recorded_errors_are_raw_counts_of_both_arms() -> None:
    reading = read(recorded("errors"))
    assert isinstance(reading, Cumulative)
    assert totals(reading.canary) == (24, (2,))
    assert totals(reading.stable) == (25, (3,))
    assert reading.at == reading.canary[0].points[-1].at


def test_recorded_latency_has_the_routers_boundaries_and_all_clients() -> None:
    reading = read(recorded("latency"), Question.LATENCY)
    assert isinstance(reading, Cumulative)
    assert reading.boundaries == (0.005, 0.025, 0.1, 0.25, 0.4, 0.5, 1.0, 2.5)
    assert totals(reading.canary) == (25, (3, 3, 3, 2, 0, 0, 0, 0))
    assert totals(reading.stable) == (26, (3, 3, 3, 2, 0, 0, 0, 0))


def test_a_recorded_counter_that_was_born_in_the_window_says_when_it_was_zero() -> None:
    reading = read(recorded("errors"))
    assert isinstance(reading, Cumulative)
    for one in (*reading.canary, *reading.stable):
        assert one.born_at is not None
        assert one.born_at < one.points[0].at <= one.born_at + 1.1


def test_the_window_never_reaches_before_its_start() -> None:
    replay = Replay(matrix(alive(1030.0)), matrix())
    read(replay, start=1000.0007, end=1060.0003)
    query, time = replay.params[0]["query"], float(replay.params[0]["time"])
    length = int(query.rpartition("[")[2].removesuffix("ms]")) / 1000
    assert time <= 1060.0003
    assert time - length >= 1000.0007
    assert length > 59.99


def test_an_empty_window_asks_nothing() -> None:
    replay = Replay()
    reading = read(replay, start=1000.0, end=1000.0)
    assert isinstance(reading, NoData)
    assert replay.params == []


def test_both_arms_and_the_alive_family_are_asked_for_with_one_request() -> None:
    replay = Replay(matrix(alive(1030.0)), matrix())
    read(
        replay, provider=PrometheusProvider(matchers='job="traefik"', arm_label="exported_service")
    )
    query = replay.params[0]["query"]
    assert query.startswith(
        '{__name__=~"traefik_service_requests_total|traefik_config_reloads_total",'
        'exported_service=~"app\\\\-canary@file|app\\\\-stable@file|",job="traefik"}['
    )
    assert 'instance=~"traefik:8080"' in replay.params[1]["query"]


def test_an_arm_without_a_series_at_a_scraped_router_is_at_zero() -> None:
    reading = cumulative(alive(1010.0, 1020.0), requests({1010.0: 5, 1020.0: 9}, arm="stable"))
    (zero,) = reading.canary
    assert [(p.at, p.requests, p.bad) for p in zero.points] == [(1010, 0, (0,)), (1020, 0, (0,))]
    assert totals(reading.stable) == (9, (0,))


def test_the_other_arm_is_enough_where_the_alive_family_is_not_kept() -> None:
    reading = cumulative(requests({1010.0: 5, 1020.0: 9}, arm="stable"))
    assert totals(reading.canary) == (0, (0,))


def test_nothing_at_all_is_no_data() -> None:
    reading = read(Replay(matrix()))
    assert isinstance(reading, NoData)
    assert "scraped" in reading.reason


def test_a_series_that_appears_between_two_scrapes_was_zero_at_the_first() -> None:
    reading = cumulative(alive(1010.0, 1020.0, 1030.0), requests({1030.0: 100}))
    (canary,) = reading.canary
    assert canary.born_at == 1020.0


def test_a_series_there_from_the_first_scrape_has_no_known_birth() -> None:
    reading = cumulative(alive(1010.0, 1020.0), requests({1010.0: 100, 1020.0: 110}))
    assert reading.canary[0].born_at is None


def test_a_series_there_from_the_first_scrape_was_zero_when_the_process_started() -> None:
    reading = cumulative(
        alive(1010.0, 1020.0),
        requests({1010.0: 100, 1020.0: 110}),
        starts=(started(700.0, 1010.0, 1020.0),),
    )
    assert reading.canary[0].born_at == 700.0


def test_a_restart_begins_a_new_life_even_if_the_counter_came_back_higher() -> None:
    times = (1010.0, 1020.0, 1030.0)
    reading = cumulative(
        alive(*times),
        requests({1010.0: 3, 1020.0: 3, 1030.0: 5}, code="500"),
        starts=({**started(900.0), "values": [[1010, "900"], [1020, "900"], [1030, "1024.5"]]},),
    )
    before, after = reading.canary
    assert before.key != after.key
    assert [p.requests for p in before.points] == [3, 3]
    assert [(p.requests, p.bad) for p in after.points] == [(5, (5,))]
    assert after.born_at == 1024.5


def test_a_time_of_another_replica_is_no_scrape_to_infer_from() -> None:
    reading = cumulative(
        alive(1010.0, 1020.0),
        requests({1010.4: 1_000_000, 1020.4: 1_000_010}),
        requests({1010.0: 7, 1020.0: 9}, arm="stable"),
    )
    assert reading.canary[0].born_at is None


def test_a_start_after_the_scrape_is_another_clock_and_ignored() -> None:
    reading = cumulative(alive(1010.0), requests({1010.0: 9}), starts=(started(5000.0, 1010.0),))
    assert reading.canary[0].born_at is None


def test_two_routers_are_two_series() -> None:
    other = {"instance": "traefik-b:8080"}
    reading = cumulative(
        alive(1010.0), alive(1012.0, **other),
        requests({1010.0: 9}), requests({1012.0: 20}, **other),
    )  # fmt: skip
    assert len({one.key for one in reading.canary}) == 2
    assert totals(reading.canary) == (29, (0,))


def test_statuses_are_counted_by_whose_fault_they_are() -> None:
    at = 1010.0
    reading = cumulative(
        alive(at),
        requests({at: 10}), requests({at: 4}, code="404"), requests({at: 3}, code="503"),
        requests({at: 50}, code="499"),
    )  # fmt: skip
    assert totals(reading.canary) == (17, (3,))


def bucket(le: str, points: dict[float, object], arm: str = "canary") -> Any:
    name = "traefik_service_request_duration_seconds_bucket"
    return series(name, points, code="200", service=f"app-{arm}@file", le=le)


def test_a_scrape_with_missing_buckets_is_left_to_the_next_one() -> None:
    found = matrix(
        alive(1010.0, 1020.0),
        bucket("0.1", {1010.0: 5, 1020.0: 7}),
        bucket("+Inf", {1020.0: 9}),
    )
    reading = read(Replay(found, matrix()), Question.LATENCY)
    assert isinstance(reading, Cumulative)
    assert [(p.at, p.requests, p.bad) for p in reading.canary[0].points] == [(1020.0, 9, (2,))]


def test_different_buckets_are_refused() -> None:
    found = matrix(
        alive(1010.0),
        bucket("0.1", {1010.0: 5}),
        bucket("+Inf", {1010.0: 9}),
        bucket("0.2", {1010.0: 5}, arm="stable"),
        bucket("+Inf", {1010.0: 9}, arm="stable"),
    )
    with pytest.raises(PermanentAdapterError, match="different buckets"):
        read(Replay(found, matrix()), Question.LATENCY)


def test_no_bucket_anywhere_is_no_data() -> None:
    reading = read(Replay(matrix(alive(1010.0)), matrix()), Question.LATENCY)
    assert isinstance(reading, NoData)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "2.5", "x", "", None])
def test_a_sample_that_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(PermanentAdapterError):
        read(Replay(matrix(alive(1010.0), requests({1010.0: value})), matrix()))


@pytest.mark.parametrize(("name", "number"), [("vector", 1.0), ("scalar", 42.0)])
def test_a_query_of_ones_own_gives_one_number(name: str, number: float) -> None:
    reading = read(recorded(name), Question.VALUE, expression="x")
    assert isinstance(reading, Value)
    assert reading.canary == number
    assert reading.at > RECORDED["window"][0]


@pytest.mark.parametrize("name", ["empty", "nan", "infinite"])
def test_nothing_and_no_number_are_no_data(name: str) -> None:
    assert isinstance(read(recorded(name), Question.VALUE, expression="x"), NoData)


@pytest.mark.parametrize("name", ["string", "bad_query", "many", "execution"])
def test_a_query_that_can_never_answer_is_permanent(name: str) -> None:
    with pytest.raises(PermanentAdapterError):
        read(recorded(name), Question.VALUE, expression="x")


def test_prometheus_own_words_are_kept() -> None:
    with pytest.raises(PermanentAdapterError, match="unclosed left parenthesis"):
        read(recorded("bad_query"), Question.VALUE, expression="sum(")


def test_warnings_are_shown_where_there_is_no_data() -> None:
    body = {
        "status": "success",
        "data": {"resultType": "vector", "result": []},
        "warnings": ["store down"],
    }
    answer = HttpResponse(status=200, body=json.dumps(body).encode())
    reading = read(Replay(answer), Question.VALUE, expression="x")
    assert isinstance(reading, NoData)
    assert "store down" in reading.reason


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, '{"status":"error","errorType":"timeout","error":"too slow"}', TransientAdapterError),
        (200, '{"status":"error","errorType":"timeout","error":"x"}', TransientAdapterError),
        (200, '{"status":"error","errorType":"bad_data","error":"x"}', PermanentAdapterError),
        (200, '{"status":"error"}', PermanentAdapterError),
        (422, '{"status":"error","errorType":"422","error":"x"}', PermanentAdapterError),
        (429, "slow down", TransientAdapterError),
        (502, "<html>Bad Gateway</html>", TransientAdapterError),
        (401, "<html>Sign in</html>", PermanentAdapterError),
        (403, "", PermanentAdapterError),
        (200, "<html>Sign in</html>", PermanentAdapterError),
        (200, "[]", PermanentAdapterError),
        (200, '{"status":"success"}', PermanentAdapterError),
        (200, '{"status":"success","data":{"resultType":"vector"}}', PermanentAdapterError),
    ],
)
def test_every_bad_answer_has_its_error(status: int, body: str, error: type[AdapterError]) -> None:
    answer = HttpResponse(status=status, body=body.encode())
    with pytest.raises(error):
        read(Replay(answer))


def test_a_template_or_a_missing_query_never_reaches_prometheus() -> None:
    replay = Replay()
    with pytest.raises(PermanentAdapterError, match="template"):
        read(replay, Question.VALUE, expression="rate(x{{ y }})")
    with pytest.raises(PermanentAdapterError, match="no query"):
        read(replay, Question.VALUE)
    assert replay.params == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["status", "data", "result", "resultType", "metric", "values", "value"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_ends_in_a_reading_or_an_adapter_error(junk: object) -> None:
    bodies = (
        junk,
        {"status": "success", "data": {"resultType": "matrix", "result": junk}},
        {"status": "success", "data": {"resultType": "matrix", "result": [junk]}},
        {"status": "success", "data": {"resultType": "vector", "result": [junk]}},
        {"status": "success", "data": {"resultType": "scalar", "result": junk}},
    )
    for one in bodies:
        answer = HttpResponse(status=200, body=json.dumps(one).encode())
        for expression in (None, "x"):
            try:
                reading = read(Replay(answer, matrix()), expression=expression)
            except AdapterError:
                continue
            assert isinstance(reading, NoData | Cumulative | Value)

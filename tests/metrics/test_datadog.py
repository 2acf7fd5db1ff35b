"""What is asked of Datadog, held against its own models, and its traps."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from contract import START, WINDOW, Case, Recorded, Replay, ask_metric, body, read, read_with
from datadog_answers import (
    BOTH_ARMS,
    CONTRACT,
    ERRORS,
    FORMULA,
    LAST,
    classic,
    scalar,
    timeseries,
)
from datadog_models import convert
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Cumulative, NoData, Value
from airflow_rollout.errors import PermanentAdapterError, SpecError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.credentials import fill_in
from airflow_rollout.metrics.datadog import CONNECTION, make
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import HttpRequest

LATENCY = ask_metric(question=Question.LATENCY, quantile=0.99, boundary_seconds=0.4)


def asked(recorded: Recorded) -> HttpRequest:
    """Return the one request that was sent for a recording."""
    replay = Replay(list(recorded.answers))
    asyncio.run(read_with(CONTRACT, recorded, replay))
    (request,) = replay.asked
    return request


def sent(request: HttpRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body or b"")
    return found


def test_errors_of_both_arms_are_one_request_of_four_queries() -> None:
    request = asked(Recorded(answers=(BOTH_ARMS,), asked=ERRORS))
    attributes = sent(request)["data"]["attributes"]
    assert [one["query"] for one in attributes["queries"]] == [
        f"sum:trace.http.request.hits.by_http_status{{{tags}}}.as_count().rollup(sum, 10)"
        for arm in ("service:app-canary", "service:app-stable")
        for tags in (arm, f"{arm},http.status_class:5xx")
    ]
    assert attributes["from"] == START * 1000
    assert attributes["to"] == (START + 90) * 1000
    assert attributes["interval"] == 10_000


def test_names_and_tags_of_ones_own_are_asked_for() -> None:
    options = (
        ("canary", "kube_service:{service},track:canary,kube_namespace:{namespace}"),
        ("hits", "traefik.requests"), ("bad", "code:500"), ("bucket", "20s"),
    )  # fmt: skip
    request = asked(Recorded(answers=(timeseries({}, {}, {}, {}),), asked=ERRORS, options=options))
    queries = [one["query"] for one in sent(request)["data"]["attributes"]["queries"]]
    scope = "kube_service:app,track:canary,kube_namespace:prod"
    assert queries[1] == (f"sum:traefik.requests{{{scope},code:500}}.as_count().rollup(sum, 20)")


def test_latency_is_counted_at_the_limit_and_at_the_usual_boundaries() -> None:
    # Of 50 canary requests 10 took longer than 0.1 s and 2 longer than 0.4 s.
    within = [{LAST: count} for count in (50, 40, 45, 48, 49, 50, 50)]
    answer = timeseries(*within, *({LAST: 500} for _ in range(7)))
    reading = read(CONTRACT, answer, asked=LATENCY)
    assert isinstance(reading, Cumulative)
    assert reading.boundaries == (0.1, 0.25, 0.4, 0.5, 1.0, 2.5)
    (canary,) = reading.canary
    assert canary.points[0].requests == 50
    assert canary.points[0].bad == (10, 5, 2, 1, 0, 0)


def test_an_answer_on_another_grid_is_refused() -> None:
    with pytest.raises(PermanentAdapterError, match="not of 10 s"):
        read(CONTRACT, timeseries({LAST + 5: 1}, {}, {}, {}), asked=ERRORS)


def test_the_rate_limit_says_itself_how_long_to_wait() -> None:
    limited = body({"errors": ["slow down"]}, status=429, **{"x-ratelimit-reset": "23"})
    with pytest.raises(TransientAdapterError) as caught:
        read(CONTRACT, limited)
    assert caught.value.retry_after_seconds == 23


def test_errors_beside_data_in_a_formulas_answer_are_errors() -> None:
    with pytest.raises(PermanentAdapterError, match="unknown metric"):
        read(CONTRACT, scalar(0.5, 10, errors="unknown metric"), asked=FORMULA)


def test_a_group_by_gives_several_numbers_and_is_refused() -> None:
    with pytest.raises(PermanentAdapterError, match="3 series"):
        read(CONTRACT, scalar(0.5, 10, rows=3), asked=FORMULA)


def test_a_value_without_the_requests_behind_it_rests_on_none() -> None:
    reading = read(CONTRACT, scalar(0.5, None), asked=FORMULA)
    assert isinstance(reading, Value)
    assert reading.requests == 0


def test_a_point_from_before_the_release_is_not_taken() -> None:
    assert isinstance(read(CONTRACT, classic([[START - 600, 0.1]])), NoData)
    # Half of this bucket is from before.
    assert isinstance(read(CONTRACT, classic([[START - 5, 0.1]])), NoData)


def test_seconds_in_the_first_version_and_milliseconds_in_the_second() -> None:
    first = asked(Recorded(answers=(classic([[LAST, 1]]),)))
    assert dict(first.params)["to"] == f"{WINDOW.end:.0f}"
    second = asked(Recorded(answers=(scalar(1, 1),), asked=FORMULA))
    assert sent(second)["data"]["attributes"]["to"] == (START + 90) * 1000


@pytest.mark.parametrize(
    "text",
    [
        "{", '{"queries": {}}', '{"queries": []}', '{"queries": {"a": "x", "b": "y"}}',
        '{"queries": {"a": "x"}, "aggregator": "median"}', '{"queries": {"a": "x"}, "limit": 1}',
    ],
)  # fmt: skip
def test_a_formula_that_is_none_is_refused_before_it_is_asked(text: str) -> None:
    with pytest.raises(PermanentAdapterError, match=r"formula|queries"):
        read(CONTRACT, asked=ask_metric(text))


def test_a_pattern_with_an_unknown_name_is_refused() -> None:
    options = (("canary", "service:{servce}"),)
    source = MetricSource(provider="datadog", conn_id="c", every_seconds=5.0, options=options)
    with pytest.raises(SpecError, match=r"source\.canary"):
        make(source)


def test_the_keys_are_those_of_airflows_own_connection() -> None:
    info = ConnectionInfo(
        conn_id="d", conn_type="datadog", host="agent-host",
        extra={"api_key": "A" * 32, "app_key": "B" * 40, "api_host": "api.datadoghq.eu"},
    )  # fmt: skip
    found = fill_in(info, CONNECTION)
    assert found.host == "https://api.datadoghq.eu"
    assert found.extra["headers"] == {
        "DD-API-KEY": "A" * 32, "DD-APPLICATION-KEY": "B" * 40,
    }  # fmt: skip
    bare = ConnectionInfo(conn_id="d", conn_type="datadog", host="agent-host")
    assert fill_in(bare, CONNECTION).host == "https://api.datadoghq.com"


def test_requests_are_what_datadogs_models_ask_for() -> None:
    from datadog_api_client.model_utils import model_to_dict

    for recorded, kind in (
        (Recorded(answers=(BOTH_ARMS,), asked=ERRORS), "timeseries"),
        (Recorded(answers=(timeseries(*[{}] * 14),), asked=LATENCY), "timeseries"),
        (Recorded(answers=(scalar(1, 1),), asked=FORMULA), "scalar"),
    ):
        request = asked(recorded)
        assert request.url == f"/api/v2/query/{kind}"
        module = f"v2.model.{kind}_formula_query_request"
        model = convert(sent(request), module, f"{kind.title()}FormulaQueryRequest")
        assert model_to_dict(model, serialize=True) == sent(request)


def test_datadogs_models_refuse_what_they_do_not_know() -> None:
    request = sent(asked(Recorded(answers=(scalar(1, 1),), asked=FORMULA)))
    request["data"]["attributes"]["from"] = "now"
    with pytest.raises(Exception, match="from"):
        convert(request, "v2.model.scalar_formula_query_request", "ScalarFormulaQueryRequest")


def test_the_answers_of_these_tests_are_what_datadogs_models_allow() -> None:
    models = {
        "timeseries": (
            "v2.model.timeseries_formula_query_response",
            "TimeseriesFormulaQueryResponse",
        ),
        "scalar": ("v2.model.scalar_formula_query_response", "ScalarFormulaQueryResponse"),
        "series": ("v1.model.metrics_query_response", "MetricsQueryResponse"),
    }
    seen = set()
    for recorded in CONTRACT.cases.values():
        assert isinstance(recorded, Recorded)
        for answer in recorded.answers:
            data = json.loads(answer.body)
            kind = str(data.get("data", {}).get("type", "series")).partition("_")[0]
            seen.add(kind)
            convert(data, *models[kind])
    assert seen == set(models)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["data", "attributes", "series", "times", "values", "columns", "pointlist",
                         "type", "query_index", "interval", "errors", "status"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_json_ends_in_a_reading_or_an_adapter_error(junk: object) -> None:
    shapes = (
        junk, {"series": junk}, {"series": [junk]}, {"series": [{"pointlist": junk}]},
        {"data": {"attributes": junk}}, {"data": {"attributes": {"columns": [junk]}}},
        {"data": {"attributes": {"series": [junk], "times": [START * 1000], "values": [junk]}}},
    )  # fmt: skip
    for shape in shapes:
        for question in (CONTRACT.asked, ERRORS, FORMULA):
            try:
                reading = read(CONTRACT, body(shape), asked=question)
            except (PermanentAdapterError, TransientAdapterError):
                continue
            assert isinstance(reading, NoData | Cumulative | Value)


def test_every_case_of_the_contract_is_recorded() -> None:
    assert all(isinstance(CONTRACT.cases[case], Recorded) for case in Case)

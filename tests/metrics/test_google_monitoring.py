"""The `google_monitoring` source: filters, typed values, and its address."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jsonschema
import pytest
from contract import START, Case, Recorded, Replay, ask_metric, read, read_with
from google_models import check_answer, listing
from google_monitoring_answers import CONTRACT, listed

from airflow_rollout.analysis.readings import Value
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.credentials import fill_in
from airflow_rollout.metrics.google_monitoring import CONNECTION
from airflow_rollout.wire import HttpRequest


def asked(text: str) -> HttpRequest:
    replay = Replay([listed({START: 1})])
    asyncio.run(read_with(CONTRACT, Recorded(answers=(), asked=ask_metric(text)), replay))
    return replay.asked[0]


def test_a_filter_is_asked_by_the_minute() -> None:
    request = asked('metric.type="a"')
    assert request.url == "/v3/projects/shop-1/timeSeries"
    assert dict(request.params) == {
        "filter": 'metric.type="a"',
        "interval.startTime": "2026-11-24T06:00:00Z",
        "interval.endTime": "2026-11-24T06:02:00Z",
        "aggregation.alignmentPeriod": "60s",
        "aggregation.perSeriesAligner": "ALIGN_RATE",
        "aggregation.crossSeriesReducer": "REDUCE_SUM",
    }


def test_an_object_says_how_series_are_put_together() -> None:
    text = json.dumps(
        {"filter": "f", "aligner": "ALIGN_PERCENTILE_99", "reducer": "REDUCE_MAX", "period": 120}
    )
    found = dict(asked(text).params)
    assert found["aggregation.perSeriesAligner"] == "ALIGN_PERCENTILE_99"
    assert found["aggregation.alignmentPeriod"] == "120s"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ({"int64Value": "7"}, 7.0),
        ({"doubleValue": 0.5}, 0.5),
        ({"boolValue": True}, 1.0),
        ({"distributionValue": {"count": "4", "mean": 0.25}}, 0.25),
    ],
)
def test_a_value_has_a_type(value: dict[str, Any], number: float) -> None:
    reading = read(CONTRACT, listed({START + 60: value}))
    assert isinstance(reading, Value)
    assert reading.canary == number


@pytest.mark.parametrize("text", ["{", "{}", '{"filter": "a", "period": "x"}', '{"filtre": "a"}'])
def test_an_object_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PermanentAdapterError, match="filter, aligner"):
        read(CONTRACT, listed(), asked=ask_metric(text))


def test_the_connection_is_googles_own_and_signs() -> None:
    info = ConnectionInfo(conn_id="g", conn_type="google_cloud_platform", extra={"keyfile": "x"})
    found = fill_in(info, CONNECTION)
    assert found.host == "https://monitoring.googleapis.com"
    assert found.signing == "google"
    assert found.cloud is info


def test_what_is_asked_is_what_googles_discovery_document_takes() -> None:
    request, method = asked('metric.type="a"'), listing()
    assert request.method == method["httpMethod"]
    assert request.url == "/" + method["path"].replace("{+name}", "projects/shop-1")
    sent, known = dict(request.params), method["parameters"]
    assert set(sent) < set(known)
    for name, value in sent.items():
        assert value in known[name].get("enum", [value]), name
    assert CONNECTION.addresses[-1] + "/" == "https://monitoring.googleapis.com/"


# Google writes what no JSON number is as a text, and an error instead of a list.
_NO_LISTS = (Case.NAN, Case.INFINITE, Case.INSIDE)


@pytest.mark.parametrize("case", [case for case in Case if case not in _NO_LISTS])
def test_the_answers_of_these_tests_are_googles(case: Case) -> None:
    recorded = CONTRACT.cases[case]
    for answer in () if isinstance(recorded, str) else recorded.answers:
        check_answer(json.loads(answer.body))


def test_another_answer_is_not_googles() -> None:
    with pytest.raises(jsonschema.ValidationError):
        check_answer({"timeSeries": [{"points": [{"value": {"float": 1}}]}]})

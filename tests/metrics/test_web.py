"""The `web` source: what is asked of any API, and where a path leads."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from contract import Recorded, Replay, ask_metric, body, page, read, read_with
from web_answers import CONTRACT

from airflow_rollout.analysis.readings import NoData, Value
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.wire import HttpRequest


def asked(expression: str) -> HttpRequest:
    replay = Replay([body({"n": 1})])
    asyncio.run(read_with(CONTRACT, Recorded(answers=(), asked=ask_metric(expression)), replay))
    return replay.asked[0]


def test_an_address_and_a_path_are_a_get() -> None:
    request = asked("/api/x?service=a&since=5m $.n")
    assert (request.method, request.url, request.body) == ("GET", "/api/x?service=a&since=5m", None)


def test_an_object_can_send_a_body() -> None:
    request = asked(
        json.dumps({"url": "/q", "method": "post", "body": {"service": "a"}, "path": "$.n"})
    )
    assert (request.method, request.body) == ("POST", b'{"service": "a"}')
    assert dict(request.headers) == {"content-type": "application/json"}


def test_a_text_is_sent_as_it_is() -> None:
    request = asked(
        json.dumps(
            {
                "url": "/q",
                "method": "PUT",
                "body": "select",
                "headers": {"Accept": "a/b"},
                "path": "n",
            }
        )
    )
    assert (request.method, request.body) == ("PUT", b"select")
    assert dict(request.headers) == {"Accept": "a/b"}


@pytest.mark.parametrize(
    ("path", "data", "number"),
    [
        ("", 7, 7.0),
        ("$", "7.5", 7.5),
        ("$.a[0].b", {"a": [{"b": 3}]}, 3.0),
        ("{$.a}", {"a": 1}, 1.0),
        ("$.a[?(@.name=='x')].value", {"a": [{"name": "x", "value": 4}]}, 4.0),
    ],
)
def test_a_path_leads_to_a_number(path: str, data: Any, number: float) -> None:
    reading = read(CONTRACT, body(data), asked=ask_metric(f"/api {path}"))
    assert isinstance(reading, Value)
    assert reading.canary == number


def test_a_page_that_is_one_number_is_one() -> None:
    reading = read(CONTRACT, page("0.5\n"), asked=ask_metric("/rate"))
    assert isinstance(reading, Value)
    assert reading.canary == 0.5


@pytest.mark.parametrize("value", [True, {"a": 1}, [1], "soon"])
def test_what_is_no_number_is_refused_and_shown(value: Any) -> None:
    with pytest.raises(PermanentAdapterError, match="number"):
        read(CONTRACT, body({"data": {"rate": value}}))


@pytest.mark.parametrize(
    "text",
    ["{", '{"path": "$.a"}', '{"url": 5}', '{"url": "/a", "method": "DELETE"}',
     '{"url": "/a", "paht": "$"}', "/a $.[", "/a $$$"],
)  # fmt: skip
def test_a_query_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PermanentAdapterError, match=r"query|JSONPath"):
        read(CONTRACT, body({"a": 1}), asked=ask_metric(text))


def test_requests_that_are_not_there_are_none() -> None:
    query = ask_metric(json.dumps({"url": "/a", "path": "$.r", "requests": "$.n"}))
    reading = read(CONTRACT, body({"r": 0.1}), asked=query)
    assert isinstance(reading, Value)
    assert reading.requests == 0


def test_a_path_that_leads_nowhere_is_no_data_and_named() -> None:
    reading = read(CONTRACT, body({"other": 1}))
    assert isinstance(reading, NoData)
    assert "$.data.rate" in reading.reason

"""The `skywalking` source, executed on a schema of the documented part, and its clock."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from contract import START, Recorded, Replay, ask_metric, body, read, read_with
from graphql import build_schema, graphql_sync
from skywalking_answers import CONTRACT, result

from airflow_rollout.analysis.readings import Value
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.metrics.base import Window
from airflow_rollout.wire import HttpRequest, HttpResponse, Request

SCHEMA = build_schema("""
type Query {
  execExpression(expression: String!, entity: Entity!, duration: Duration!): ExpressionResult!
}
input Entity { scope: Scope  serviceName: String  normal: Boolean  serviceInstanceName: String }
enum Scope { All Service ServiceInstance Endpoint }
input Duration { start: String!  end: String!  step: Step!  coldStage: Boolean }
enum Step { DAY HOUR MINUTE SECOND }
type ExpressionResult { type: ExpressionResultType!  results: [MQEValues!]!  error: String }
enum ExpressionResultType {
  UNKNOWN SINGLE_VALUE TIME_SERIES_VALUES SORTED_LIST RECORD_LIST
}
type MQEValues { values: [MQEValue!]! }
type MQEValue { id: ID  value: String }
""")


class Oap:
    """Execute what it is asked on the schema."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, request: Request) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        sent = json.loads(request.body or b"")
        done = graphql_sync(
            SCHEMA, sent["query"], root_value={"execExpression": self.execute},
            variable_values=sent["variables"],
        )  # fmt: skip
        return body(done.formatted)

    def execute(self, info: Any, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        values = [{"id": str(round(START * 1000)), "value": "42"}]
        return {"type": "TIME_SERIES_VALUES", "results": [{"values": values}]}


def execute(text: str, *options: tuple[str, str]) -> dict[str, Any]:
    oap = Oap()
    recorded = Recorded(answers=(), asked=ask_metric(text), options=options)
    reading = asyncio.run(read_with(CONTRACT, recorded, oap))
    assert isinstance(reading, Value)
    assert reading.canary == 42
    return oap.asked[0]


def test_an_expression_is_asked_about_the_canary_in_complete_minutes() -> None:
    asked = execute("service_sla/100")
    assert asked["expression"] == "service_sla/100"
    assert asked["entity"] == {"serviceName": "app-canary", "normal": True}
    assert asked["duration"] == {
        "start": "2026-11-24 0600", "end": "2026-11-24 0600", "step": "MINUTE",
    }  # fmt: skip


def test_the_servers_clock_may_be_another() -> None:
    asked = execute("x", ("utc_offset", "8"))
    assert asked["duration"]["start"] == "2026-11-24 1400"


def test_an_object_names_another_service() -> None:
    asked = execute('{"expression": "x", "service": "shop"}')
    assert asked["entity"]["serviceName"] == "shop"


def test_a_single_value_is_of_the_whole_window() -> None:
    reading = read(CONTRACT, result({0: 7}, kind="SINGLE_VALUE"))
    assert isinstance(reading, Value)
    assert (reading.canary, reading.at) == (7, START + 120)


@pytest.mark.parametrize("text", ["{", "{}", "{1}"])
def test_an_object_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PermanentAdapterError, match="expression"):
        read(CONTRACT, result(), asked=ask_metric(text))


def test_nothing_is_asked_before_a_minute_is_complete() -> None:
    replay = Replay([result()])
    window = Window(start=START, end=START + 50, earliest=START)
    asyncio.run(read_with(CONTRACT, Recorded(answers=()), replay, window))
    assert replay.asked == []

"""What is asked of CloudWatch, held against botocore's model, answered by moto, and its traps."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudwatch_answers import ARMS, CONTRACT, ERRORS, data, metric, result
from contract import START, WINDOW, Recorded, Replay, ask_metric, body, read, read_with

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Cumulative, NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo, static_connections
from airflow_rollout.hooks.credentials import connect_source
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.base import Window
from airflow_rollout.metrics.cloudwatch import CONNECTION
from airflow_rollout.wire import HttpRequest

LATENCY = ask_metric(question=Question.LATENCY, quantile=0.99, boundary_seconds=0.4)


def asked(recorded: Recorded) -> tuple[HttpRequest, dict[str, Any]]:
    replay = Replay(list(recorded.answers) or [data()])
    asyncio.run(read_with(CONTRACT, recorded, replay))
    request = replay.asked[0]
    return request, json.loads(request.body or b"")


def test_both_arms_are_one_request_of_four_queries() -> None:
    request, sent = asked(Recorded(answers=(), asked=ERRORS, options=ARMS))
    assert dict(request.headers)["x-amz-target"].endswith(".GetMetricData")
    assert [(one["Id"], one["MetricStat"]["Metric"]["MetricName"]) for one in
            sent["MetricDataQueries"]] == [
        ("c0", "RequestCount"), ("c1", "HTTPCode_Target_5XX_Count"),
        ("s0", "RequestCount"), ("s1", "HTTPCode_Target_5XX_Count"),
    ]  # fmt: skip
    dimensions = sent["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"]
    assert dimensions == [{"Name": "TargetGroup", "Value": "targetgroup/app-canary/1"}]
    assert (sent["StartTime"], sent["EndTime"]) == (START, START + 60)


def test_latency_is_counted_by_what_was_fast_enough() -> None:
    _, sent = asked(Recorded(answers=(), asked=LATENCY, options=ARMS))
    stats = [one["MetricStat"]["Stat"] for one in sent["MetricDataQueries"]][:7]
    assert stats == ["SampleCount", "TC(:0.1)", "TC(:0.25)", "TC(:0.4)", "TC(:0.5)", "TC(:1)",
                     "TC(:2.5)"]  # fmt: skip
    within = (50, 40, 45, 48, 49, 50, 50)
    answer = data(*(result(f"c{k}", {START: count}) for k, count in enumerate(within)))
    reading = read(CONTRACT, answer, asked=LATENCY, options=ARMS)
    assert isinstance(reading, Cumulative)
    assert reading.canary[0].points[0].bad == (10, 5, 2, 1, 0, 0)


def test_a_metric_that_is_not_written_while_it_is_zero_is_zero() -> None:
    answer = data(result("c0", {START: 50}), result("s0", {START: 9}))
    reading = read(CONTRACT, answer, asked=ERRORS, options=ARMS)
    assert isinstance(reading, Cumulative)
    assert reading.canary[0].points[0].bad == (0,)


@pytest.mark.parametrize("kind", ["Throttling", "ThrottlingException", "TooManyRequestsException"])
def test_throttling_comes_with_status_400(kind: str) -> None:
    busy = body({"__type": f"x#{kind}", "message": "Rate exceeded"}, status=400)
    with pytest.raises(TransientAdapterError, match="Rate exceeded"):
        read(CONTRACT, busy)


@pytest.mark.parametrize(("state", "value"), [("OK", 0.0), ("ALARM", 1.0)])
def test_an_alarm_is_a_number(state: str, value: float) -> None:
    answer = body({"MetricAlarms": [{"StateValue": state}], "CompositeAlarms": []})
    reading = read(CONTRACT, answer, asked=ask_metric('{"alarm": "a"}'))
    assert isinstance(reading, Value)
    assert reading.canary == value


def test_an_alarm_that_does_not_know_is_no_data_and_a_missing_one_an_error() -> None:
    alarm = ask_metric('{"alarm": "a"}')
    unsure = body({"MetricAlarms": [{"StateValue": "INSUFFICIENT_DATA"}]})
    assert isinstance(read(CONTRACT, unsure, asked=alarm), NoData)
    with pytest.raises(PermanentAdapterError, match="no alarm 'a'"):
        read(CONTRACT, body({"MetricAlarms": []}), asked=alarm)


@pytest.mark.parametrize("text", ["{", "[]", "[1]", '{"alarms": "a"}', "SELECT 1"])
def test_a_query_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PermanentAdapterError, match="MetricDataQueries"):
        read(CONTRACT, data(), asked=ask_metric(text))


def test_arms_without_dimensions_are_refused() -> None:
    with pytest.raises(PermanentAdapterError, match="`canary` and `stable`"):
        read(CONTRACT, data(), asked=ERRORS)


def test_requests_are_what_botocores_model_asks_for() -> None:
    # Imported here: half of these tests' time, which the others need not pay.
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    model = get_session().get_service_model("cloudwatch")
    assert "json" in model.metadata["protocols"]
    for recorded in (
        Recorded(answers=(), asked=ERRORS, options=ARMS),
        Recorded(answers=(), asked=LATENCY, options=ARMS),
        Recorded(answers=(), asked=ask_metric(json.dumps([metric(ReturnData=True)]))),
    ):
        request, sent = asked(recorded)
        target, _, action = dict(request.headers)["x-amz-target"].partition(".")
        assert target == model.metadata["targetPrefix"]
        shape = model.operation_model(action).input_shape
        assert not ParamValidator().validate(sent, shape).has_errors()


class _Moto:
    """A moto server on loopback, and a connection to it."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)

    def __enter__(self) -> _Moto:
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.info = ConnectionInfo(
            conn_id="aws", conn_type="aws", login="AKIDEXAMPLE", password="s3cret",
            extra={"region_name": "eu-west-1", "endpoint_url": self.url},
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "cloudwatch", region_name="eu-west-1", endpoint_url=self.url,
            aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="s3cret",
        )  # fmt: skip

    def read(self, recorded: Recorded, window: Window = WINDOW) -> Reading:
        async def reading() -> Reading:
            connect = static_connections({"aws": self.info})
            info = await connect_source("aws", CONNECTION, connect)
            async with open_send(info, system="cloudwatch") as send:
                return await read_with(CONTRACT, recorded, send, window)

        return asyncio.run(reading())


def test_a_signed_request_to_a_server_counts_both_arms_and_reads_an_alarm() -> None:
    with _Moto() as moto:
        client = moto.client()
        # Full minutes, two ago: complete whatever second it is.
        minute = time.time() // 60 * 60 - 180
        for arm, name, count in (
            ("canary", "RequestCount", 50), ("canary", "HTTPCode_Target_5XX_Count", 3),
            ("stable", "RequestCount", 410),
        ):  # fmt: skip
            client.put_metric_data(
                Namespace="AWS/ApplicationELB",
                MetricData=[{
                    "MetricName": name, "Value": count,
                    "Timestamp": datetime.fromtimestamp(minute + 5, UTC),
                    "Dimensions": [{"Name": "TargetGroup", "Value": f"targetgroup/app-{arm}/1"}],
                }],
            )  # fmt: skip
        client.put_metric_alarm(
            AlarmName="a", MetricName="x", Namespace="App", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
        )  # fmt: skip
        client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="test")
        window = Window(start=minute, end=time.time(), earliest=minute)
        counted = moto.read(Recorded(answers=(), asked=ERRORS, options=ARMS), window)
        assert isinstance(counted, Cumulative)
        (canary,), (stable,) = counted.canary, counted.stable
        assert (canary.points[0].requests, canary.points[0].bad) == (50, (3,))
        assert (stable.points[0].requests, stable.points[0].bad) == (410, (0,))
        alarm = moto.read(Recorded(answers=(), asked=ask_metric('{"alarm": "a"}')), window)
        assert isinstance(alarm, Value)
        assert alarm.canary == 1.0

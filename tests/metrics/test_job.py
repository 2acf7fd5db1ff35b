"""The `job` source: how a Job ended, and of which release."""

from __future__ import annotations

import asyncio

import pytest
from contract import WINDOW, Recorded, Replay, ask_metric, read, read_with
from job_answers import CONTRACT, job

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.wire import Request, Response, ResultRead, TaskResult


def test_a_failed_job_is_zero() -> None:
    reading = read(CONTRACT, job("FailureTarget", "Failed"))
    assert isinstance(reading, Value)
    assert reading.canary == 0.0


def test_a_job_of_an_earlier_release_is_no_data() -> None:
    reading = read(CONTRACT, job("Complete", at="2026-11-24T05:00:00Z"))
    assert isinstance(reading, NoData)
    assert "before the release" in reading.reason


def test_the_namespace_is_the_rollouts_unless_the_query_says_another() -> None:
    for text, place in (("smoke", "prod"), ("shop/smoke", "shop")):
        replay = Replay([job("Complete")])
        asyncio.run(read_with(CONTRACT, Recorded(answers=(), asked=ask_metric(text)), replay))
        assert replay.asked[0].url == f"/apis/batch/v1/namespaces/{place}/jobs/smoke"


def test_the_answers_of_these_tests_are_jobs_to_kubernetes_own_client() -> None:
    # Imported here: it takes longer to load than the tests do to run.
    from kubernetes.client import ApiClient

    class Answer:
        data = job("SuccessCriteriaMet", "Complete", active=1).body.decode()

    found = ApiClient().deserialize(Answer(), "V1Job")
    assert found.kind == "Job"
    assert [one.type for one in found.status.conditions] == ["SuccessCriteriaMet", "Complete"]
    assert found.status.conditions[0].last_transition_time.year == 2026
    assert found.status.active == 1


def of_task(result: TaskResult, text: str = "xcom:quality.check") -> tuple[Reading, Request]:
    asked: list[Request] = []

    async def send(request: Request) -> Response:
        asked.append(request)
        return result

    recorded = Recorded(answers=(), asked=ask_metric(text))
    return asyncio.run(read_with(CONTRACT, recorded, send)), asked[0]


@pytest.mark.parametrize(("value", "number"), [(0.25, 0.25), (3, 3.0), (True, 1.0), ("7", 7.0)])
def test_the_number_that_a_task_returned_is_a_measurement(value: object, number: float) -> None:
    reading, request = of_task(TaskResult(state="success", value=value))
    assert reading == Value(at=WINDOW.end, canary=number)
    assert request == ResultRead(task_id="quality.check", key="return_value")


def test_a_key_may_be_named() -> None:
    _, request = of_task(TaskResult(state="success", value=1), "xcom:check/null_share")
    assert request == ResultRead(task_id="check", key="null_share")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (TaskResult(state="failed", value=0), "task 'quality.check' is failed"),
        (TaskResult(state="running"), "is running"),
        (TaskResult(state=""), "is not begun"),
        (TaskResult(state="success"), "left no number as return_value"),
        (TaskResult(state="success", value=float("nan")), "left no number"),
        (TaskResult(state=None), "gates of a release only"),
    ],
)
def test_a_task_that_has_not_returned_a_number_is_no_data(result: TaskResult, words: str) -> None:
    reading, _ = of_task(result)
    assert isinstance(reading, NoData)
    assert words in reading.reason


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(PermanentAdapterError, match="no number"):
        of_task(TaskResult(state="success", value={"rows": 1}))

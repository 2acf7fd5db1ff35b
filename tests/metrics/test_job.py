"""The `job` source: how a Job ended, and of which release."""

from __future__ import annotations

import asyncio

from contract import Recorded, Replay, ask_metric, read, read_with
from job_answers import CONTRACT, job

from airflow_rollout.analysis.readings import NoData, Value


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

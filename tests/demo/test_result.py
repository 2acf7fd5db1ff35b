"""What came of a release, and whether the demo went as it should."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from release_values import (
    REASON,
    RULES,
    answer,
    dag_run,
    demo_version,
    gate,
    judgement,
    record,
    result,
)

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.demo.processes import LabError
from airflow_rollout.demo.result import Report, result_of, unreleased, write_report
from airflow_rollout.release import Outcome

PROMOTED, ROLLED_BACK = Outcome.PROMOTED, Outcome.ROLLED_BACK

ANSWERS = [
    answer(99.0, 500, version="v2"),  # before the release
    answer(101.0, version="v2"),
    answer(102.0, 500, version="v2"),
    answer(103.0, version="v2", latency_ms=700),
    answer(103.5, 500),
    answer(105.25, version="v2"),
    answer(108.0),
]


def sum_up(name: str = "v2", **changes: object) -> object:
    values: dict[str, object] = {
        "run": dag_run("failed"), "record": record(ROLLED_BACK, gate(judgement(at=105.0))),
        "answers": ANSWERS, "since": 100.0, "url": "http://u", "rules": RULES, **changes,
    }  # fmt: skip
    return result_of(demo_version(name), **values)  # type: ignore[arg-type]


def test_a_rolled_back_release_is_summed_up_from_record_and_answers() -> None:
    assert sum_up() == result(
        "v2",
        ROLLED_BACK,
        url="http://u",
        took_seconds=10.0,
        exposure_seconds=3.25,
        verdict_to_safe_seconds=0.25,
        requests=6,
        canary_requests=4,
        failed_requests=2,
        slow_requests=1,
        interval_alone_seconds=360.0,
    )


def test_traffic_that_is_safe_before_the_verdict_took_no_time_after_it() -> None:
    late = record(ROLLED_BACK, gate(judgement(at=106.0)))
    assert sum_up(record=late).verdict_to_safe_seconds == 0.0  # type: ignore[attr-defined]


def test_slow_requests_are_bad_from_the_files_own_limit_on() -> None:
    slow = [answer(101.0, version="v3", latency_ms=501), answer(104.0, version="v3")]
    found = sum_up("v3", answers=slow)
    assert (found.exposure_seconds, found.failed_requests) == (3.0, 0)  # type: ignore[attr-defined]
    fine = [replace(slow[0], latency_ms=500), slow[1]]
    assert sum_up("v3", answers=fine).exposure_seconds is None  # type: ignore[attr-defined]


def test_a_promoted_release_exposed_nobody_and_costs_no_interval() -> None:
    good = record(PROMOTED, gate(judgement(Verdict.PASS)), version="v5")
    found = sum_up("v5", record=good, run=dag_run("success"), answers=[answer(101, version="v5")])
    assert found == result(
        "v5", PROMOTED, run_id="release-v2", run_state="success", url="http://u",
        took_seconds=10.0, requests=1, canary_requests=1,
    )  # fmt: skip
    assert found.problem == ""  # type: ignore[attr-defined]


def test_a_release_stopped_by_a_person_has_no_verdict_to_count_from() -> None:
    assert sum_up(record=record(Outcome.ABORTED)).verdict_to_safe_seconds is None  # type: ignore[attr-defined]


def test_a_run_without_a_record_released_nothing() -> None:
    found = sum_up(record=None)
    assert found.outcome is None  # type: ignore[attr-defined]
    assert found.problem == (  # type: ignore[attr-defined]
        "v2 did not end: its run left no record: nothing was released"
    )


@pytest.mark.parametrize(
    ("name", "outcome", "run_state", "problem"),
    [
        ("v2", ROLLED_BACK, "failed", ""),
        ("v5", PROMOTED, "success", ""),
        ("v2", PROMOTED, "success", f"v2 was promoted and should have been rolled back: {REASON}"),
        ("v5", ROLLED_BACK, "failed",
         f"v5 was rolled back and should have been promoted: {REASON}"),
        ("v2", ROLLED_BACK, "success", "v2 was rolled back, but its run is success"),
        ("v2", Outcome.FAILED_TO_ROLL_BACK, "failed",
         f"v2 was failed to roll back and should have been rolled back: {REASON}"),
    ],
)  # fmt: skip
def test_outcome_and_colour_of_the_run_must_both_be_as_expected(
    name: str, outcome: Outcome, run_state: str, problem: str
) -> None:
    assert result(name, outcome, run_state=run_state).problem == problem


GOOD = Report(
    releases=[result(name, ROLLED_BACK) for name in ("v2", "v3", "v4")]
    + [result("v5", PROMOTED, run_state="success")]
)


def test_the_exit_code_is_0_only_if_every_version_ended_as_it_should() -> None:
    assert GOOD.exit_code == 0
    for index in range(4):
        releases = list(GOOD.releases)
        releases[index] = unreleased(demo_version(releases[index].version), "it was not released")
        assert replace(GOOD, releases=releases).exit_code == 1


def test_the_exit_code_is_1_when_the_demo_ended_early_or_its_set_up_failed() -> None:
    assert replace(GOOD, problem="it was interrupted").exit_code == 1
    first = replace(result("v5", ROLLED_BACK), version="v1")
    assert replace(GOOD, first=first).problems == [first.problem]


def test_the_report_has_a_release_for_each_version_with_the_promised_fields(
    tmp_path: Path,
) -> None:
    path = tmp_path / "demo.json"
    failed = unreleased(demo_version("v4"), "it was not released")
    write_report(replace(GOOD, releases=[*GOOD.releases[:2], failed, GOOD.releases[3]]), path)
    found = json.loads(path.read_text())
    promised = {
        "version", "outcome", "exposure_seconds", "verdict_to_safe_seconds", "failed_requests",
        "verdict",
    }  # fmt: skip
    assert [promised - release.keys() for release in found["releases"]] == [set()] * 4
    assert [release["version"] for release in found["releases"]] == ["v2", "v3", "v4", "v5"]
    assert [release["outcome"] for release in found["releases"]] == [
        "rolled_back", "rolled_back", None, "promoted",
    ]  # fmt: skip
    assert found["problems"] == ["v4 did not end: it was not released"]
    assert found["as_expected"] is False


def test_a_report_that_cannot_be_written_is_said_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "demo.json"
    with pytest.raises(LabError, match=r"missing/demo\.json"):
        write_report(GOOD, path)

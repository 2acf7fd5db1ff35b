"""The figures of a release, read off its record and the answers of its clients."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.http.notifications.http import HttpNotifier
from rich.console import Console

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.processes import LabError
from airflow_rollout.record import GatePiece, ReleaseRecord, Stop
from airflow_rollout.release import Outcome
from benchmarks.releases import part
from benchmarks.releases.cases import BAD, CASES, GOOD, SERVICE, SILENT, TOLD, schedule
from benchmarks.releases.deaf import SETTINGS, deaf_receiver
from benchmarks.releases.figures import bad_figures, good_figures, load_figures, told_figures
from benchmarks.releases.measured import Played, measure
from benchmarks.releases.stage import DAGS

START = 1_700_000_000.0
V2 = BAD[0]


def run(state: str, end: float) -> DagRun:
    def moment(at: float) -> datetime:
        return datetime.fromtimestamp(START + at, tz=UTC)

    return DagRun(
        dag_id="payment-service", run_id="release-v2", state=state, conf={},
        queued_at=moment(0.5), start_date=moment(1), end_date=moment(end), note="",
    )  # fmt: skip


def gate(step_id: str, written: float, at: float, verdict: Verdict, stop: Stop | None = None):
    return GatePiece(
        epoch="e1", step_id=step_id, weight=10, written_at=START + written, hold_seconds=5.0,
        judgement=Judgement(at=START + at, verdict=verdict, ends=True, reason=verdict.name),
        stop=stop,
    )  # fmt: skip


def record(outcome: Outcome | None, gates: list[GatePiece], ended: float) -> ReleaseRecord:
    return ReleaseRecord(
        schema=1, dag_id="payment-service", run_id="release-v2", version="v2-01",
        target="http://127.0.0.1:1", stable="v1", outcome=outcome, reason="the reason", weight=0,
        started_at=START, ended_at=START + ended, gates=gates, timeline=[],
    )  # fmt: skip


def answer(sent: float, version: str, status: int = 200, latency_ms: float = 2.0) -> Answer:
    sent += START
    return Answer(
        sent=sent, done=sent + latency_ms / 1000, status=status, version=version,
        latency_ms=latency_ms,
    )  # fmt: skip


STOPPED = gate(
    "step_01", 10, 16, Verdict.FAIL,
    Stop(decided_at=START + 16, written_at=START + 16.05, seen_at=START + 16.3, tries=1),
)  # fmt: skip
ROLLED_BACK = Played(
    case=V2, version="v2-01", since=START, run=run("failed", 18),
    record=record(Outcome.ROLLED_BACK, [STOPPED], 17),
)  # fmt: skip
PROMOTED = Played(
    case=GOOD, version="good-01", since=START, run=run("success", 30),
    record=record(
        Outcome.PROMOTED,
        [gate("step_01", 5, 10.25, Verdict.PASS), gate("step_full", 12, 17.5, Verdict.PASS)],
        19,
    ),
)  # fmt: skip
SEEN = [
    answer(1, "v1"),
    answer(11, "v2-01"),
    answer(12, "v2-01", 500),
    answer(13, "v1"),
    answer(14, "v2-01", 500),
    answer(16.2, "v2-01"),
    answer(17, "v1"),
]


def measured(played: Played = ROLLED_BACK, answers: list[Answer] = SEEN, until: float = 100):
    return measure(played, answers, until=START + until)


def test_exposure_runs_from_the_first_bad_request_to_the_last_on_the_canary() -> None:
    one = measured()
    assert one.exposure_seconds == pytest.approx(4.2)
    assert one.failed_requests == 2
    assert (one.requests, one.canary_requests) == (7, 4)


def test_times_after_the_verdict_are_told_apart() -> None:
    one = measured()
    assert one.detection_seconds == pytest.approx(4)
    assert one.write_to_verdict_seconds == pytest.approx(6)
    assert one.verdict_to_written_seconds == pytest.approx(0.05)
    assert one.verdict_to_seen_seconds == pytest.approx(0.3)
    assert one.verdict_to_safe_seconds == pytest.approx(0.2)


def test_no_request_after_the_verdict_is_safe_at_once() -> None:
    answers = [it for it in SEEN if it.sent < START + 16]
    assert measured(answers=answers).verdict_to_safe_seconds == 0


def test_release_stopped_before_any_bad_request_has_no_exposure() -> None:
    one = measured(answers=[answer(11, "v2-01"), answer(12, "v1")])
    assert one.exposure_seconds == 0
    assert one.detection_seconds is None


def test_write_that_never_came_has_no_time() -> None:
    unsafe = replace(STOPPED, stop=Stop(decided_at=START + 16, error="refused"))
    played = replace(ROLLED_BACK, record=record(Outcome.ROLLED_BACK, [unsafe], 17))
    one = measured(played)
    assert one.verdict_to_written_seconds is None
    assert one.verdict_to_seen_seconds is None


def test_slow_answers_are_bad_requests_too() -> None:
    one = measured(answers=[answer(11, "v2-01", latency_ms=602), answer(15, "v2-01")])
    assert one.slow_requests == 1
    assert one.exposure_seconds == pytest.approx(4)


def test_requests_of_other_releases_do_not_count() -> None:
    answers = [answer(-1, "v0", 500), *SEEN, answer(50, "v1", 500)]
    assert measured(answers=answers, until=40).failed_requests == 2
    assert measured(answers=answers, until=60).failed_requests == 3


def test_requests_on_the_canary_after_the_end_are_counted() -> None:
    assert measured().canary_requests_after_end == 0
    assert measured(answers=[*SEEN, answer(19, "v2-01")]).canary_requests_after_end == 1


def test_time_of_a_step_beyond_its_hold() -> None:
    one = measured(PROMOTED, [])
    assert [step.step_id for step in one.steps] == ["step_01", "step_full"]
    assert [step.verdict_seconds for step in one.steps] == pytest.approx([0.25, 0.5])
    assert [step.move_seconds for step in one.steps] == pytest.approx([1.75, 1.5])
    assert [step.beyond_seconds for step in one.steps] == pytest.approx([2, 2])


def test_time_of_a_whole_release_beyond_its_holds() -> None:
    one = measured(PROMOTED, [])
    assert one.beyond_holds_seconds == pytest.approx(29.5 - 10)
    assert one.start_seconds == pytest.approx(4.5)
    assert one.end_seconds == pytest.approx(11)


@pytest.mark.parametrize(
    ("played", "fine"),
    [
        (ROLLED_BACK, True),
        (PROMOTED, True),
        (replace(ROLLED_BACK, run=run("success", 18)), False),
        (replace(ROLLED_BACK, case=GOOD), False),
        (replace(PROMOTED, case=V2), False),
        (replace(ROLLED_BACK, trouble="still running after 480 s"), False),
        (replace(ROLLED_BACK, record=None), False),
        (replace(ROLLED_BACK, record=record(None, [STOPPED], 17)), False),
        (Played(case=V2, version="v2-01", since=START, trouble="not started"), False),
    ],
)
def test_only_the_right_outcome_with_the_right_colour_is_as_expected(
    played: Played, fine: bool
) -> None:
    assert measured(played).is_as_expected is fine


def test_missing_measurement_misses_what_was_wanted() -> None:
    lost = measured(replace(ROLLED_BACK, record=None))
    figures = {it.name: it for it in bad_figures([measured(), lost], alone=360.0)}
    exposed = figures["first bad request -> last one on the canary"]
    assert (len(exposed.values), exposed.expected, exposed.met) == (1, 2, False)
    assert figures["not rolled back, of 2"].met is False


def test_figures_of_good_releases() -> None:
    figures = {it.name: it for it in good_figures([measured(PROMOTED, [])])}
    assert figures["not promoted, of 1"].met is True
    assert figures["a step beyond its hold"].values == pytest.approx((2, 2))
    assert figures["a whole release beyond its holds, by step"].values == pytest.approx((9.75,))


def seen_after(seconds: float) -> ReleaseRecord:
    stop = Stop(decided_at=START + 16, written_at=START + 16, seen_at=START + 16 + seconds)
    return record(Outcome.ROLLED_BACK, [replace(STOPPED, stop=stop)], 17)


@pytest.mark.parametrize(("told", "met"), [((0.3, 0.5, 0.4), True), ((0.3, 30.0, 30.4), False)])
def test_receiver_that_never_answers_may_not_make_traffic_wait(
    told: tuple[float, ...], met: bool
) -> None:
    played = [(SILENT, 0.3), *((TOLD, seconds) for seconds in told)]
    many = [
        measured(replace(ROLLED_BACK, case=case, record=seen_after(seconds)))
        for case, seconds in played
    ]
    figures = {it.name: it for it in told_figures(many)}
    ratio = figures["verdict -> weight 0 seen: with such a receiver / without"]
    assert ratio.values == pytest.approx((sorted(told)[1] / 0.3,))
    assert ratio.met is met
    alone = {it.name: it for it in bad_figures(many, alone=360.0)}
    assert len(alone["verdict -> last request on the canary"].values) == 1


def test_ratio_without_its_other_half_is_missed() -> None:
    only = measured(replace(ROLLED_BACK, case=TOLD))
    assert told_figures([only])[-1].met is False
    assert told_figures([measured()]) == []


def test_receiver_takes_connections_and_never_answers() -> None:
    with deaf_receiver() as connections, pytest.raises(httpx.ReadTimeout):
        httpx.post(connections["deaf"], json="the reason", timeout=0.3)


def test_rollout_that_tells_is_the_measured_one_but_for_that() -> None:
    bundles = json.loads(str(SETTINGS["dag_processor"]["dag_bundle_config_list"]))
    folders = [bundle["kwargs"].get("path", DAGS) for bundle in bundles]
    dags = {}
    for folder in folders:
        dags |= DagBag(folder, safe_mode=True).dags
    plain, told = (dags[name] for name in (SERVICE, TOLD.rollout))
    assert set(plain.task_ids) == set(told.task_ids)
    assert told.get_task("rollback").spec == plain.get_task("rollback").spec
    assert plain.get_task("rollback").on_event == {}
    assert [type(it) for it in told.get_task("rollback").on_event["rolled_back"]] == [HttpNotifier]


def test_failures_outside_of_releases_are_not_lost() -> None:
    answers = [answer(-5, "", 0), *SEEN]
    figures = {it.name: it for it in load_figures([measured()], answers, since=START - 5)}
    assert figures["failed outside of releases"].values == (1,)
    assert figures["failed outside of releases"].met is False
    assert figures["requests in all"].values == (8,)


def test_schedule_has_all_of_them_evenly() -> None:
    cases = schedule(count=10, good=20)
    assert len(cases) == 60
    for case in CASES:
        assert cases.count(case) == (20 if case is GOOD else 10)
    first, second = cases[:30], cases[30:]
    assert all(abs(first.count(case) - second.count(case)) <= 1 for case in CASES)


def test_schedule_of_one_kind() -> None:
    assert schedule(count=0, good=2) == [GOOD, GOOD]
    assert schedule(count=1, good=0) == [*BAD, TOLD]


def test_run_that_ends_before_its_first_release_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(part, "Lab", interrupted)
    report = part.run(Console(file=io.StringIO()), count=1, good=2, rate=100)
    assert report.interrupted
    assert report.faults == ("6 releases were not played",)
    assert report.details["releases"] == []


def test_lab_that_does_not_start_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise LabError("no free port")

    monkeypatch.setattr(part, "Lab", broken)
    report = part.run(Console(file=io.StringIO()), count=1, good=0, rate=100)
    assert not report.interrupted
    assert report.faults == ("ended early: no free port", "4 releases were not played")


def test_file_read_alone_takes_six_minutes() -> None:
    assert part.alone_seconds() == 360

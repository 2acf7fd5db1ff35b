"""`airflow-rollout release` says what happens and exits 0 only when the version was promoted."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from airflow_answers import BAD_PARAM, RUN, UNKNOWN_DAG, URL, Answer, Recorded, api_with, run_raw

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.cli import release
from airflow_rollout.cli.airflow_options import api_from
from airflow_rollout.cli.main import main
from airflow_rollout.cli.watch import Line, follow, read_record
from airflow_rollout.record import Attempt, End, Event, GatePiece, Key, events_piece, to_piece
from airflow_rollout.release import Arm, Outcome, Token

AT = 1_795_499_300.0
EPOCH = "e1"
ENVIRONMENT = {
    "AIRFLOW_ROLLOUT_URL": URL,
    "AIRFLOW_ROLLOUT_USER": "ci",
    "AIRFLOW_ROLLOUT_PASSWORD": "secret-1",
}
RUN_PATH = "/api/v2/dags/checkout/dagRuns/release-v2"


def attempt() -> dict[str, Any]:
    return to_piece(
        Attempt(
            token=Token(epoch=EPOCH, owner="checkout/release-v2", digest="d"),
            canary=Arm(version="v2", target="http://127.0.0.1:9002"),
            stable=Arm(version="v1", target="http://127.0.0.1:9001"),
            opened_at=AT,
        )
    )


def gate(reason: str, verdict: Verdict, *, at: float, ends: bool) -> dict[str, Any]:
    return to_piece(
        GatePiece(
            epoch=EPOCH, step_id="step_01", weight=5, written_at=AT + 1, hold_seconds=120,
            judgement=Judgement(at=at, verdict=verdict, ends=ends, reason=reason),
        )
    )  # fmt: skip


def events(*lines: tuple[float, str, str]) -> dict[str, Any]:
    return events_piece(Event(at=at, task=task, text=text, epoch=EPOCH) for at, task, text in lines)


def end(outcome: Outcome, reason: str) -> dict[str, Any]:
    return to_piece(End(epoch=EPOCH, outcome=outcome, reason=reason, at=AT + 9))


class Airflow:
    """An Airflow whose run moves on by one moment each time it is asked for.

    Each moment is the run's state, the tasks' states and all XComs so far.
    """

    def __init__(
        self,
        *moments: tuple[str, dict[str, str], dict[tuple[str, str], Any]],
        posted: Answer | None = None,
        is_paused: bool = False,
    ) -> None:
        self.moments = list(moments)
        self.posted = posted or (200, run_raw(state="queued", start_date=None))
        self.is_paused = is_paused
        self.values_read: list[str] = []
        self.now = -1
        self.transport = Recorded(handler=self.answer)

    def answer(self, request: httpx.Request) -> Answer:
        path = request.url.path
        if request.method == "POST":
            return self.posted
        if path == RUN_PATH:
            self.now = min(self.now + 1, len(self.moments) - 1)
            return (200, run_raw(state=self.moments[self.now][0]))
        if path == "/api/v2/dags/checkout":
            return (200, {"is_paused": self.is_paused, "is_stale": False})
        if path == "/api/v2/importErrors":
            return (200, {"import_errors": [{"filename": "a.py", "stack_trace": "boom"}]})
        return self.details(path.removeprefix(RUN_PATH))

    def details(self, path: str) -> Answer:
        _, tasks, xcoms = self.moments[self.now]
        if path == "/taskInstances":
            found = [
                {
                    "task_id": task, "map_index": -1, "state": state, "try_number": 1,
                    "start_date": None, "end_date": None,
                }
                for task, state in tasks.items()
            ]  # fmt: skip
            return (200, {"task_instances": found})
        if path == "/taskInstances/~/xcomEntries":
            return (200, {"xcom_entries": [self.entry(*name) for name in xcoms]})
        found_path = re.fullmatch(r"/taskInstances/(.+)/xcomEntries/(.+)", path)
        assert found_path, path
        self.values_read.append("/".join(found_path.groups()))
        return (200, {"value": xcoms[found_path[1], found_path[2]]})

    def entry(self, task: str, key: str) -> dict[str, Any]:
        value = self.moments[self.now][2][task, key]
        since = next(
            i for i, moment in enumerate(self.moments) if moment[2].get((task, key)) == value
        )
        stamp = f"2026-11-24T05:48:{since:02d}.000000Z"
        return {"task_id": task, "map_index": -1, "key": key, "timestamp": stamp}


PREPARED = {
    ("prepare", Key.ATTEMPT): attempt(),
    ("prepare", Key.EVENTS): events((AT, "prepare", "opened for v2")),
}
JUDGING = {
    **PREPARED,
    ("step_01.promote", Key.EVENTS): events((AT + 1, "step_01.promote", "0 % -> 5 %")),
    ("step_01.gate", Key.GATE): gate(
        "evidence 3.1 of 100", Verdict.INCONCLUSIVE, at=AT + 2, ends=False
    ),
}
VERDICT = "errors: 7 of 80 against 1 of 1520, evidence 140 >= 100"
STOPPED = {
    **JUDGING,
    ("step_01.gate", Key.GATE): gate(VERDICT, Verdict.FAIL, at=AT + 5, ends=True),
    ("step_01.gate", Key.EVENTS): events((AT + 5, "step_01.gate", VERDICT)),
    ("rollback", Key.END): end(Outcome.ROLLED_BACK, VERDICT),
}
PROMOTED = {**JUDGING, ("released", Key.END): end(Outcome.PROMOTED, "v2 is stable")}

BAD_RUN = (
    ("queued", {"prepare": ""}, {}),
    ("running", {"prepare": "success"}, PREPARED),
    ("running", {"prepare": "success", "step_01.gate": "deferred"}, JUDGING),
    ("failed", {"prepare": "success", "step_01.gate": "failed"}, STOPPED),
)
GOOD_RUN = (("running", {}, JUDGING), ("success", {"step_01.gate": "success"}, PROMOTED))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_rollout.cli.watch.time.sleep", lambda seconds: None)


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `airflow-rollout release` against an Airflow; return exit code, output and errors."""

    def called(airflow: Airflow, *words: str, rollout: str = "checkout") -> tuple[int, str, str]:
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(
            release, "api_from", lambda options, environment: api_with(airflow.transport)
        )
        code = main(["release", rollout, "--version", "v2", "--run-id", "release-v2", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return called


def test_a_stopped_release_tells_its_story_and_exits_1(call: Call) -> None:
    code, out, err = call(Airflow(*BAD_RUN), "--wait", "--url", "http://127.0.0.1:9002")
    assert code == 1
    texts = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in out.splitlines()]
    run_url = f"{URL}/dags/checkout/runs/release-v2"
    assert texts[0] == f"release release-v2 of checkout: {run_url}"
    assert texts[-1] == f"v2 rolled back: {VERDICT}"
    story = [
        "prepare  opened for v2",
        "step_01.promote  0 % -> 5 %",
        "step_01  evidence 3.1 of 100",
    ]
    assert [text for text in texts if text in story] == story
    assert sum(VERDICT in text for text in texts[:-1]) == 1, "a verdict is said once"
    assert "step_01.gate  failed" in texts
    assert err == ""


def test_a_promoted_release_exits_0(call: Call) -> None:
    code, out, _ = call(Airflow(*GOOD_RUN), "--wait")
    assert (code, out.splitlines()[-1]) == (0, "v2 promoted: v2 is stable")


def test_without_wait_it_exits_0_once_started(call: Call) -> None:
    airflow = Airflow(*BAD_RUN)
    code, out, _ = call(airflow)
    assert code == 0
    assert out.startswith("release release-v2 of checkout: ")
    assert airflow.transport.asked == ["POST /api/v2/dags/checkout/dagRuns"]


def test_only_what_was_said_is_sent(call: Call) -> None:
    airflow = Airflow(*GOOD_RUN)
    call(airflow, "--url", "http://127.0.0.1:9002", "--interval", "1m", "--dispersion", "2.5")
    assert json.loads(airflow.transport.requests[-1].content)["conf"] == {
        "version": "v2",
        "url": "http://127.0.0.1:9002",
        "interval": "60s",
        "dispersion": 2.5,
    }


def test_a_hotfix_sends_its_reason(call: Call) -> None:
    airflow = Airflow(*GOOD_RUN)
    call(airflow, "--skip-analysis", "CVE-2026-1")
    assert json.loads(airflow.transport.requests[-1].content)["conf"] == {
        "version": "v2",
        "skip_analysis": True,
        "reason": "CVE-2026-1",
    }


def test_json_lines_carry_the_record(call: Call) -> None:
    code, out, _ = call(Airflow(*BAD_RUN), "--wait", "--format", "json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[0]["what"] == "start"
    assert {line["what"] for line in lines} == {"start", "run", "event", "verdict", "task", "end"}
    last = lines[-1]
    assert (last["outcome"], last["run_state"], code) == ("rolled_back", "failed", 1)
    assert last["record"]["reason"] == VERDICT
    assert last["record"]["timeline"][0]["text"] == "opened for v2"


@pytest.mark.parametrize(
    ("state", "xcoms", "text"),
    [
        ("success", {}, "left no record: nothing was released"),
        ("failed", JUDGING, "ended as failed before the release did: evidence 3.1 of 100"),
        ("failed", PROMOTED, "v2 promoted: v2 is stable (but the run ended as failed)"),
        (
            "failed",
            {**JUDGING, ("ensure_safe", Key.END): end(Outcome.FAILED_TO_ROLL_BACK, "no answer")},
            "v2 failed to roll back: no answer; look at the router now",
        ),
    ],
)
def test_anything_but_a_clean_promotion_exits_1(
    call: Call, state: str, xcoms: dict[tuple[str, str], Any], text: str
) -> None:
    code, out, _ = call(Airflow((state, {}, xcoms)), "--wait")
    assert code == 1
    assert text in out.splitlines()[-1]


def test_a_timeout_leaves_the_release_alone_and_says_so(call: Call) -> None:
    airflow = Airflow(("running", {}, JUDGING))
    code, out, _ = call(airflow, "--wait", "--timeout", "0s")
    assert code == 1
    assert "timed out: release-v2 is still running after 0 s; it goes on: " in out
    assert all(not asked.startswith(("PATCH", "DELETE")) for asked in airflow.transport.asked)


def test_ctrl_c_leaves_the_release_alone_and_says_so(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("airflow_rollout.cli.watch.time.sleep", interrupted)
    airflow = Airflow(("running", {}, JUDGING))
    code, out, _ = call(airflow, "--wait")
    assert code == 130
    assert "no longer watching; it goes on: http" in out.splitlines()[-1]
    assert all(not asked.startswith(("PATCH", "DELETE")) for asked in airflow.transport.asked)


def test_a_paused_dag_is_warned_of(call: Call) -> None:
    _, out, err = call(Airflow(*GOOD_RUN, is_paused=True), "--wait")
    assert "DAG checkout is paused" in err
    assert "paused" not in out


def test_a_bad_value_is_the_apis_reason(call: Call) -> None:
    code, out, err = call(Airflow(posted=(400, BAD_PARAM)), "--interval", "0s")
    assert (code, out) == (1, "")
    assert err.startswith("no release of checkout was started: ")
    assert "Invalid input for param interval: '0s'" in err


def test_an_unknown_rollout_names_the_files_airflow_cannot_read(call: Call) -> None:
    code, _, err = call(Airflow(posted=(404, UNKNOWN_DAG)), rollout="chekcout")
    assert code == 1
    assert "no rollout 'chekcout' at http://airflow.example:8080" in err
    assert "Airflow cannot read: a.py" in err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["checkout"],
        ["checkout", "--version", "v2", "--url", "http://a", "--image", "b:1"],
        ["checkout", "--version", "v2", "--interval", "soon"],
        ["checkout", "--version", "v2", "--run-id", "a b"],
        ["checkout", "--version", "v2", "--dispersion", "much"],
        ["checkout", "--version", "v2", "--timeout", "5m"],
        ["checkout", "--version", "v2", "--skip-analysis", " "],
        ["checkout", "--version", "v2", "--skip-analysis"],
    ],
)
def test_a_wrong_call_exits_2_and_starts_nothing(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert main(["release", *words]) == 2


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ("AIRFLOW_ROLLOUT_URL", "give --airflow-url or set AIRFLOW_ROLLOUT_URL"),
        ("AIRFLOW_ROLLOUT_PASSWORD", "no login for http://airflow.example:8080"),
    ],
)
def test_a_missing_airflow_or_login_exits_2(
    missing: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    monkeypatch.delenv("AIRFLOW_ROLLOUT_TOKEN", raising=False)
    assert main(["release", "checkout", "--version", "v2"]) == 2
    assert text in capsys.readouterr().err


def options(**given: str) -> argparse.Namespace:
    names = ("airflow_url", "airflow_user", "airflow_password", "airflow_token")
    return argparse.Namespace(**{name: given.get(name) for name in names})


def test_options_go_before_the_environment() -> None:
    environment = {**ENVIRONMENT, "AIRFLOW_ROLLOUT_TOKEN": "from-environment"}
    transport = Recorded((200, RUN))
    api = api_from(options(airflow_user="me", airflow_password="mine"), environment)
    assert api.url == URL
    sent: list[str] = []
    for given in (
        options(),
        options(airflow_token="mine"),
        options(airflow_user="me", airflow_password="mine"),
    ):
        session = api_from(given, environment).session
        sent.append(session._login.token or f"{session._login.user}:{session._login.password}")
        session.close()
    assert sent == ["from-environment", "mine", "me:mine"]
    transport.close()


def test_a_value_is_read_again_only_when_it_changed() -> None:
    airflow = Airflow(*BAD_RUN)
    lines: list[Line] = []
    run, record = follow(api_with(airflow.transport), "checkout", "release-v2", lines.append)
    assert run.state == "failed"
    assert record is not None
    assert record.outcome is Outcome.ROLLED_BACK
    assert sorted(airflow.values_read) == sorted(
        [
            "prepare/attempt", "prepare/events", "step_01.promote/events",
            "step_01.gate/gate", "step_01.gate/gate", "step_01.gate/events", "rollback/end",
        ]
    )  # fmt: skip
    assert [line.what for line in lines if line.what == "run"] == ["run"] * 3


def test_the_record_of_a_release_can_be_read_at_any_time() -> None:
    airflow = Airflow(("running", {}, JUDGING))
    record = read_record(api_with(airflow.transport), "checkout", "release-v2")
    assert record is not None
    assert (record.outcome, record.reason) == (None, "evidence 3.1 of 100")
    assert (
        read_record(api_with(Airflow(("queued", {}, {})).transport), "checkout", "release-v2")
        is None
    )


def test_run_ids_are_what_airflow_allows_and_differ() -> None:
    one = release.new_run_id("2026.1+b/eta:3 @home")
    assert re.fullmatch(r"[A-Za-z0-9_.~:+-]+", one)
    assert one.startswith("release-2026.1-b-eta-3-home-")
    assert len(release.new_run_id("v" * 200)) < 120

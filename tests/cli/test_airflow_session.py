"""Logging in, trying again, and saying why not."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from airflow_answers import (
    BAD_PARAM,
    DUPLICATE,
    RUN,
    UNKNOWN_DAG,
    VALIDATION,
    Recorded,
    api_with,
    run_raw,
)

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import (
    AirflowSession,
    ApiConflict,
    ApiForbidden,
    ApiNotFound,
    ApiRefused,
    ApiUnavailable,
    Login,
)

CONF = RUN["conf"]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let pauses pass at once, on a clock that only they move."""
    pauses: list[float] = []
    monkeypatch.setattr("airflow_rollout.cli.airflow_session.time.sleep", pauses.append)
    monkeypatch.setattr(
        "airflow_rollout.cli.airflow_session.time.monotonic", lambda: 1000 + sum(pauses)
    )
    return pauses


def test_it_logs_in_once_and_sends_the_token() -> None:
    transport = Recorded((200, RUN), (200, RUN))
    api = api_with(transport)
    api.run("checkout", "release-v2")
    api.run("checkout", "release-v2")
    assert transport.logins == 1
    assert json.loads(transport.requests[0].content) == {"username": "ci", "password": "secret-1"}
    assert transport.requests[1].headers["Authorization"] == "Bearer token-1"


def test_a_given_token_needs_no_login() -> None:
    transport = Recorded((200, RUN))
    api_with(transport, Login(token="mine")).run("checkout", "release-v2")
    assert transport.logins == 0
    assert transport.requests[0].headers["Authorization"] == "Bearer mine"


def test_an_expired_token_is_renewed_once() -> None:
    transport = Recorded((401, {"detail": "Token expired"}), (200, RUN))
    api_with(transport).run("checkout", "release-v2")
    assert transport.logins == 2


def test_a_token_that_stays_refused_is_no_endless_loop() -> None:
    transport = Recorded(*[(401, {"detail": "Token expired"})] * 2)
    with pytest.raises(ApiForbidden, match="Token expired"):
        api_with(transport).run("checkout", "release-v2")
    assert transport.logins == 2


def test_a_given_token_that_is_refused_is_said() -> None:
    transport = Recorded((401, {"detail": "Invalid JWT token"}))
    with pytest.raises(ApiForbidden, match="Invalid JWT token"):
        api_with(transport, Login(token="mine")).run("checkout", "release-v2")


def test_a_wrong_password_is_said_without_the_password() -> None:
    transport = Recorded(logins=[(401, {"detail": "Invalid credentials"})])
    with pytest.raises(ApiForbidden) as error:
        api_with(transport).run("checkout", "release-v2")
    assert "does not know user 'ci'" in str(error.value)
    assert "secret-1" not in str(error.value)
    assert "secret-1" not in repr(Login(user="ci", password="secret-1", token="mine"))


def test_an_auth_manager_without_passwords_is_said() -> None:
    transport = Recorded(logins=[(200, {"login": "elsewhere"})])
    with pytest.raises(ApiRefused, match="pass a token instead"):
        api_with(transport).run("checkout", "release-v2")


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("gone"),
        (500, "oops"),
        (503, {"detail": "starting"}),
        (429, "slow down"),
    ],
)
def test_what_may_pass_is_tried_again(fault: object, no_pauses: list[float]) -> None:
    transport = Recorded(fault, fault, (200, RUN))  # type: ignore[arg-type]
    assert api_with(transport).run("checkout", "release-v2").state == "running"
    assert no_pauses == [0.2, 0.4]


def test_out_of_reach_ends_at_the_deadline_with_the_cause(no_pauses: list[float]) -> None:
    transport = Recorded(*[httpx.ConnectError("connection refused")] * 50)
    with pytest.raises(ApiUnavailable, match=r"GET .*dagRuns/release-v2: connection refused"):
        api_with(transport).run("checkout", "release-v2")
    assert 1 < sum(no_pauses) <= 2


@pytest.mark.parametrize(
    ("status", "content", "kind", "text"),
    [
        (400, BAD_PARAM, ApiRefused, "400: Invalid input for param interval: '0s' does not match"),
        (422, VALIDATION, ApiRefused, r"422: body.logical_date: Field required"),
        (404, UNKNOWN_DAG, ApiNotFound, "404: Dag with dag_id: 'chekcout' not found"),
        (403, {"detail": "Forbidden"}, ApiForbidden, "403: Forbidden"),
        (405, {"detail": "Method Not Allowed"}, ApiRefused, "405: Method Not Allowed"),
        (404, "<html>nginx</html>", ApiNotFound, "404: <html>nginx</html>"),
        (302, "", ApiRefused, "302: Found"),
        (200, "<html>login</html>", ApiRefused, "the answer is no JSON; is this URL an Airflow 3"),
    ],
)
def test_refusals_are_not_repeated_and_keep_the_reason(
    status: int, content: object, kind: type[ApiRefused], text: str
) -> None:
    transport = Recorded((status, content))
    with pytest.raises(kind, match=text) as error:
        api_with(transport).trigger("checkout", run_id="release-v2", conf=CONF)
    assert error.value.status == status
    assert transport.asked == ["POST /api/v2/dags/checkout/dagRuns"]


def test_a_release_that_was_started_before_its_answer_was_lost_is_the_same_one() -> None:
    transport = Recorded(httpx.ReadTimeout("slow"), (409, DUPLICATE), (200, RUN))
    run = api_with(transport).trigger("checkout", run_id="release-v2", conf=CONF)
    assert run.run_id == "release-v2"
    assert transport.asked[-1] == "GET /api/v2/dags/checkout/dagRuns/release-v2"


def test_an_id_that_is_used_for_something_else_is_a_conflict() -> None:
    transport = Recorded((409, DUPLICATE), (200, run_raw(conf={"version": "v1"})))
    with pytest.raises(ApiConflict, match="exists already with other values"):
        api_with(transport).trigger("checkout", run_id="release-v2", conf=CONF)


def test_what_is_sent_to_start_a_run_is_what_the_api_demands() -> None:
    transport = Recorded((200, RUN))
    api_with(transport).trigger("checkout", run_id="release-v2", conf=CONF, note="by CI")
    assert json.loads(transport.requests[-1].content) == {
        "dag_run_id": "release-v2",
        "logical_date": None,
        "conf": CONF,
        "note": "by CI",
    }


def test_an_airflow_on_this_machine_is_asked_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(RUN).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        with AirflowSession(url, Login(token="mine"), retry_seconds=0) as session:
            assert AirflowApi(session).run("checkout", "release-v2").state == "running"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_names_are_quoted_in_paths() -> None:
    transport = Recorded((200, RUN))
    api_with(transport).run("a/b", "manual__2026-11-24T05:48:26+00:00")
    assert transport.requests[-1].url.raw_path == (
        b"/api/v2/dags/a%2Fb/dagRuns/manual__2026-11-24T05%3A48%3A26%2B00%3A00"
    )


def test_long_lists_are_read_page_by_page() -> None:
    def task(number: int) -> dict[str, object]:
        return {
            "task_id": f"t{number}", "map_index": -1, "state": None, "try_number": 0,
            "start_date": None, "end_date": None,
        }  # fmt: skip

    transport = Recorded(
        (200, {"task_instances": [task(number) for number in range(100)], "total_entries": 130}),
        (200, {"task_instances": [task(number) for number in range(100, 130)]}),
    )
    found = api_with(transport).task_instances("checkout", "release-v2")
    assert [one.task_id for one in found] == [f"t{number}" for number in range(130)]
    assert [request.url.params["offset"] for request in transport.requests[1:]] == ["0", "100"]

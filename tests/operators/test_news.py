"""One piece of news: what a receiver is told, and that none of them can hold it up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from airflow.providers.http.notifications.http import HttpNotifier
from airflow.sdk.bases.notifier import BaseNotifier
from notifiers import Broken, Deaf, ForTheTriggerer, Notebook

from airflow_rollout import rollout_dag
from airflow_rollout.operators.news import check_on_event, send

SPEC = Path(__file__).parents[2] / "dags" / "specs" / "checkout.yaml"
RELEASE = {"outcome": "rolled_back", "reason": "FAIL errors 5 %", "url": "http://airflow/page"}

# Nobody who answers needs as long; who does not costs a test this much.
PATIENCE_SECONDS = 20.0
GIVEN_UP_SECONDS = 0.3

# So many that one after the other would take far longer than a slow machine.
MANY = 60


@pytest.fixture
def receiver() -> Iterator[tuple[int, list[Any]]]:
    """Return the port of a web server and the documents that it has got."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, got
        server.shutdown()


def sent(*notifiers: BaseNotifier, seconds: float = PATIENCE_SECONDS) -> list[str]:
    return send(notifiers, {}, RELEASE, timeout_seconds=seconds)


# --- one piece of news ---


def test_airflows_own_notifier_delivers_the_rendered_release(
    receiver: tuple[int, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, got = receiver
    monkeypatch.setenv("AIRFLOW_CONN_HOOK", f"http://127.0.0.1:{port}")
    body = {"text": "{{ release.outcome }}: {{ release.reason }}", "at": "{{ release.url }}"}
    lines = sent(HttpNotifier(http_conn_id="hook", endpoint="/news", json=body))
    assert got == [{"text": "rolled_back: FAIL errors 5 %", "at": "http://airflow/page"}]
    assert lines == ["news rolled_back by HttpNotifier: sent"]


def test_receiver_that_answers_500_is_a_failure(
    receiver: tuple[int, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HOOK", f"http://127.0.0.1:{receiver[0]}")
    (line,) = sent(HttpNotifier(http_conn_id="hook", endpoint="/broken", json={"text": "x"}))
    assert line.startswith("news rolled_back by HttpNotifier: FAILED, ")


def test_templates_are_still_there_for_the_next_release() -> None:
    notebook = Notebook()
    sent(notebook)
    send([notebook], {}, {**RELEASE, "outcome": "aborted"}, timeout_seconds=PATIENCE_SECONDS)
    assert notebook.told == ["rolled_back: FAIL errors 5 %", "aborted: FAIL errors 5 %"]


def test_notifier_that_only_knows_the_asynchronous_way_is_told() -> None:
    notifier = ForTheTriggerer()
    assert sent(notifier) == ["news rolled_back by ForTheTriggerer: sent"]
    assert notifier.told == ["FAIL errors 5 %"]


def test_notifier_that_can_do_nothing_is_a_failure() -> None:
    assert "FAILED, NotImplementedError" in sent(BaseNotifier())[0]


def test_template_that_cannot_be_rendered_is_a_failure() -> None:
    assert "FAILED, TemplateSyntaxError" in sent(Notebook("{{ release. }}"))[0]


def test_receivers_that_never_answer_are_given_up_together(deaf: Deaf) -> None:
    notebook = Notebook()
    began = time.monotonic()
    lines = sent(*[deaf] * MANY, notebook, seconds=GIVEN_UP_SECONDS)
    took = time.monotonic() - began
    assert took < MANY * GIVEN_UP_SECONDS / 2, "they were waited for one after the other"
    assert lines[0] == "news rolled_back by Deaf 1: FAILED, no answer within 0.3 s"
    assert lines[MANY - 1].startswith(f"news rolled_back by Deaf {MANY}: FAILED")
    assert lines[MANY] == "news rolled_back by Notebook: sent"


def test_failure_keeps_its_words_and_so_its_secrets_out_of_the_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = "https://hooks.example/services/T0/B0/very-secret"
    (line,) = sent(Broken(RuntimeError(f"cannot reach {secret}")))
    assert line == (
        "news rolled_back by Broken: FAILED, RuntimeError; the log of this task has its words"
    )
    assert secret in caplog.text, "the log, which Airflow masks, tells why"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_notifier_that_ends_its_thread_has_not_told() -> None:
    assert sent(Broken(SystemExit(0))) == ["news rolled_back by Broken: FAILED, it ended itself"]


_ENDING_PROCESS = """
import asyncio, socket, sys
from airflow.sdk.bases.notifier import BaseNotifier
from airflow_rollout.operators.news import send

class Deaf(BaseNotifier):
    def notify(self, context):
        with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
            connection.recv(1)

class DeafInALoop(BaseNotifier):
    async def async_notify(self, context):
        await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
        await asyncio.Event().wait()

release = {"outcome": "promoted", "reason": "why"}
for line in send([Deaf(), DeafInALoop()], {}, release, timeout_seconds=0.5):
    print(line)
"""


def test_process_ends_though_its_receivers_hang(deaf: Deaf) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ENDING_PROCESS, str(deaf.port)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("FAILED, no answer within 0.5 s") == 2


# --- what a DAG file may say ---


@pytest.mark.parametrize(
    ("on_event", "words"),
    [
        ({"rolledback": []}, "no release ends as 'rolledback'; allowed: ['promoted', "),
        ({"rolled_back": ["ops@shop.example"]}, "on_event['rolled_back']: 'ops@shop.example' is"),
        ({"promoted": print}, "on_event['promoted']: <built-in function print> is no Airflow"),
        ([Notebook()], "does not say who is told when"),
    ],
)
def test_wrong_receivers_stop_the_import(on_event: Any, words: str) -> None:
    with pytest.raises(ValueError, match=r"^on_event") as caught:
        rollout_dag(SPEC, on_event=on_event)
    assert words in str(caught.value)


def test_one_notifier_needs_no_list() -> None:
    notebook = Notebook()
    assert check_on_event({"promoted": notebook}) == {"promoted": (notebook,)}
    assert check_on_event(None) == {}

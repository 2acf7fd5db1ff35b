"""`airflow-rollout check`: what is asked, and what real servers on loopback answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from airflow_rollout.cli.main import main

SPEC = """\
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {name: checkout}
spec:
  workload: {kind: endpoints}
  traffic: {router: traefik_file, service: app, conn_id: router}
  canary:
    steps: [{weight: 10, hold: 1m}]
  analysis:
    source: {provider: PROVIDER, conn_id: metrics, every: 1s}
    metrics:
      - {name: http_500_rate, max: 1%}
      - {name: p99_latency, max: 400ms}
"""
PAGE = (Path(__file__).parents[1] / "metrics/recordings/traefik_3_7_page.txt").read_text()


@contextmanager
def serving(page: str) -> Iterator[str]:
    """Serve a metrics page on which the 200s of the stable version rise by 10 at each look."""
    looks = [0]
    pattern = re.compile(r'(_requests_total\{code="200".*app-stable@file"\}) (\d+)')

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            looks[0] += 1
            body = pattern.sub(
                lambda found: f"{found[1]} {int(found[2]) + 10 * looks[0]}", page
            ).encode()
            self.send_response(200 if self.path == "/metrics" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://user:s3cr3t@127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "checkout.yaml"
    path.write_text(SPEC.replace("PROVIDER", "scrape"))
    return path


def run(
    capsys: pytest.CaptureFixture[str], file: Path, *words: str, metrics: str = ""
) -> tuple[int, str]:
    """Return the exit code and everything that was printed."""
    router = json.dumps({"conn_type": "traefik", "host": "http://127.0.0.1:1",
                         "extra": {"directory": str(file.parent)}})  # fmt: skip
    conns = ["--conn", f"router={router}", *(["--conn", f"metrics={metrics}"] if metrics else [])]
    code = main(["check", str(file), *words, *conns])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_it_shows_what_would_be_asked_and_asks_nobody(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    file.write_text(SPEC.replace("PROVIDER", "prometheus"))
    code, out = run(capsys, file)
    assert code == 0
    assert "GET /api/v1/query?query={__name__=~" in out
    assert "stable@file" in out
    assert "5xx rate at most 1 %" in out
    assert out.count("not asked") == 2


def test_a_live_look_shows_the_stable_versions_number(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    with serving(PAGE) as url:
        code, out = run(capsys, file, "--live", "--format", "json", metrics=url)
    found = json.loads(out)
    errors = found["metrics"][0]
    assert errors["ok"]
    assert errors["value"] == 0.0
    assert errors["requests"] == 10
    assert errors["asked"] == ["GET /metrics"]
    # The recorded histogram stands still: nobody was slow, and nobody was there.
    assert code == 1
    assert "no request" in found["metrics"][1]["text"]


def test_no_login_is_printed(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    with serving(PAGE) as url:
        for words in ([], ["--format", "json"]):
            _, out = run(capsys, file, "--live", *words, metrics=url)
            assert "s3cr3t" not in out


def test_a_page_that_is_not_the_routers_is_named(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    with serving("up 1\n") as url:
        code, out = run(capsys, file, "--live", metrics=url)
    assert code == 1
    assert "http_500_rate: NOT OK: no data: the page has no traefik_config_reloads_total" in out


def test_a_source_that_is_away_is_named(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    with serving(PAGE) as url:
        pass
    code, out = run(capsys, file, "--live", metrics=url)
    assert code == 1
    assert "cannot be read: scrape: GET /metrics: cannot connect" in out


def test_a_missing_connection_is_named(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    code, out = run(capsys, file, "--live")
    assert code == 1
    assert "there is no connection 'metrics'" in out


def test_a_router_that_cannot_be_read_is_a_fault(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    (file.parent / "default.app.yaml").mkdir()
    with serving(PAGE) as url:
        code, out = run(capsys, file, "--live", "--format", "json", metrics=url)
    assert code == 1
    assert json.loads(out)["router"].startswith("NOT OK: traefik_file")


def test_what_the_file_does_not_say_is_asked_for(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    specs = Path(__file__).parents[2] / "dags" / "specs"
    code, out = run(capsys, specs / "payment-service.yaml")
    assert code == 1
    assert "--router and --provider" in out


def test_keys_that_do_not_suffice_are_a_fault(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    # The API key alone proves nothing: what is asked is what a gate asks, with both keys.
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path.startswith("/api/v1/validate") else 403)
            body = b'{"valid":true}' if "validate" in self.path else b'{"errors":["Forbidden"]}'
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    file.write_text(SPEC.replace("PROVIDER", "datadog"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    keys = {"api_key": "a" * 32, "app_key": "wrong", "api_host": address}
    conn = json.dumps({"conn_type": "datadog", "extra": keys})
    code, out = run(capsys, file, "--live", metrics=conn)
    server.shutdown()
    server.server_close()
    thread.join()
    assert code == 1
    assert "http_500_rate: NOT OK: cannot be read: datadog" in out
    assert "403" in out
    assert "Forbidden" in out
    assert "wrong" not in out

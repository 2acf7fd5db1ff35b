"""The connection type `traefik`: its form, and the test button in Airflow's UI."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from airflow_rollout.hooks.traefik import TraefikHook
from airflow_rollout.traffic.traefik_file import CONNECTION


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/version" else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def outcome(monkeypatch: pytest.MonkeyPatch, host: str, extra: dict[str, str]) -> tuple[bool, str]:
    value = json.dumps({"conn_type": "traefik", "host": host, "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_TRAEFIK_TEST", value)
    return TraefikHook("traefik_test").test_connection()


def test_the_form_names_this_class() -> None:
    module, _, name = CONNECTION.hook.rpartition(".")
    assert getattr(import_module(module), name) is TraefikHook
    assert CONNECTION.conn_type == TraefikHook.conn_type
    assert [field.name for field in CONNECTION.fields] == ["directory"]


def test_a_connection_that_works_says_so(
    monkeypatch: pytest.MonkeyPatch, api: str, tmp_path: Path
) -> None:
    well, words = outcome(monkeypatch, api, {"directory": str(tmp_path)})
    assert well
    assert words == "Traefik's API answers; its directory can be written"


@pytest.mark.parametrize("directory", ["", "relative"])
def test_a_connection_without_a_directory_is_told(
    monkeypatch: pytest.MonkeyPatch, api: str, directory: str
) -> None:
    well, words = outcome(monkeypatch, api, {"directory": directory})
    assert not well
    assert "`directory` is not given" in words


def test_a_directory_that_is_not_on_this_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, api: str, tmp_path: Path
) -> None:
    well, words = outcome(monkeypatch, api, {"directory": str(tmp_path / "no")})
    assert not well
    assert "is no directory on this machine" in words


def test_an_api_that_does_not_answer_fails(monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    well, words = outcome(monkeypatch, "http://127.0.0.1:1", {})
    assert not well
    assert "cannot connect" in words
    well, words = outcome(monkeypatch, f"{api}/elsewhere", {})
    assert not well
    assert "404" in words

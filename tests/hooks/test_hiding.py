"""A source that repeats what it was sent tells no secret to anybody who reads its answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from airflow_rollout.errors import AdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.hiding import hiding
from airflow_rollout.hooks.sources import open_source
from airflow_rollout.wire import (
    FileContent,
    FileRead,
    HttpRequest,
    HttpResponse,
    Request,
    Response,
    ask_http,
    refuse_status,
)

TOKEN = "a-token-nobody-may-see"


class Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def headers(**values: str) -> dict[str, object]:
    return {"headers": {name.replace("_", "-"): value for name, value in values.items()}}


@pytest.mark.parametrize(
    "given",
    [
        {"extra": headers(Authorization=f"Bearer {TOKEN}")},
        {"extra": headers(DD_APPLICATION_KEY=TOKEN)},
        {"login": "me", "password": TOKEN},
    ],
    ids=["bearer", "key", "basic"],
)
def test_an_error_keeps_the_systems_words_without_the_secret(
    echo: str, given: dict[str, object]
) -> None:
    info = ConnectionInfo(conn_id="c", conn_type="http", host=echo, **given)  # type: ignore[arg-type]

    async def refused() -> str:
        async with open_source(info, system="s") as source:
            response = await ask_http(source.send, HttpRequest(url="/"))
            assert b"***" in response.body
            with pytest.raises(AdapterError) as caught:
                refuse_status(response, system="s", what="GET /", detail=response.body.decode())
            return str(caught.value)

    said = asyncio.run(refused())
    assert "airflow-rollout" in said, "what is no secret stays"
    assert TOKEN not in said
    assert "bWU6YS10b2tlbi" not in said, "nor in base64"


def answered(body: bytes, *secrets: str, status: int = 200) -> Response:
    async def send(_: Request) -> Response:
        return HttpResponse(status=status, body=body)

    return asyncio.run(hiding(send, secrets)(HttpRequest(url="/")))


def test_a_secret_within_another_does_not_leave_its_rest() -> None:
    response = answered(b"x=secret-one-and-more", "secret-one", "secret-one-and-more", status=401)
    assert isinstance(response, HttpResponse)
    assert response.body == b"x=***"


def test_a_token_is_hidden_in_a_good_answer_too() -> None:
    response = answered(f'{{"error": "bad {TOKEN}"}}'.encode(), TOKEN)
    assert isinstance(response, HttpResponse)
    assert response.body == b'{"error": "bad ***"}'


@pytest.mark.parametrize(
    ("password", "status"), [("1234", 200), ("1234", 500), ("prometheus", 200), ("12345678", 200)]
)
def test_a_password_like_a_word_or_number_does_not_change_what_is_read(
    password: str, status: int
) -> None:
    body = b'{"job": "prometheus", "value": 12345678}'
    response = answered(body, password, status=status)
    assert isinstance(response, HttpResponse)
    assert response.body == body


def test_other_answers_pass_as_they_are() -> None:
    content = FileContent(content=TOKEN.encode())

    async def send(_: Request) -> Response:
        return content

    assert asyncio.run(hiding(send, [TOKEN])(FileRead(name="a"))) is content

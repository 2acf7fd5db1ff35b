"""The transport against real servers on loopback: addresses, credentials, bounds and errors."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from bounded import run
from raw_server import addressed, conn, get, serving

from airflow_rollout.errors import AdapterError, PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.client import base_url
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.wire import HttpRequest, HttpResponse


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "h"}, "http://h"),
        ({"host": "h", "port": 81}, "http://h:81"),
        ({"host": "h", "schema": "https"}, "https://h"),
        ({"host": "h", "conn_type": "https"}, "https://h"),
        ({"host": "https://h/base", "port": 444}, "https://h:444/base"),
        ({"host": "http://h:82"}, "http://h:82"),
        ({"host": "fd00::2", "port": 80}, "http://[fd00::2]:80"),
    ],
)
def test_a_connection_stands_for_one_address(fields: dict[str, Any], url: str) -> None:
    assert base_url(conn(**fields)) == httpx.URL(url)


@pytest.mark.parametrize(
    "fields", [{}, {"host": "h", "schema": "prefix"}, {"host": "ftp://h"}, {"host": "http://"}]
)
def test_a_connection_without_an_address_says_so(fields: dict[str, Any]) -> None:
    with pytest.raises(PermanentAdapterError, match="'c' gives no http or https address"):
        base_url(conn(**fields))


def test_credentials_headers_path_and_params_reach_the_connections_server() -> None:
    async def test() -> None:
        async with serving() as server:
            info = conn(
                host=f"http://127.0.0.1:{server.port}/base",
                login="me",
                password="pw",
                extra={"headers": {"X-Scope-OrgID": "team"}, "account_id": "hidden"},
            )
            answer = await get(info, "/x", params=(("query", "a b"),))
            head = server.heads[0]
        assert answer == HttpResponse(
            status=200, headers={"content-length": "2", "x-odd-header": "Yes"}, body=b"hi"
        )
        assert head.startswith("GET /base/x?query=a")
        assert "x-scope-orgid: team" in head.lower()
        assert f"Basic {base64.b64encode(b'me:pw').decode()}" in head
        assert "hidden" not in head
        assert "user-agent: airflow-rollout" in head.lower()

    run(test)


def test_a_login_in_the_host_and_headers_as_text_work_too() -> None:
    async def test() -> None:
        async with serving() as server:
            info = conn(
                host=f"http://me:hunter2@127.0.0.1:{server.port}",
                extra={"headers": '{"X-Scope-OrgID": "team"}'},
            )
            await get(info)
            assert f"Basic {base64.b64encode(b'me:hunter2').decode()}" in server.heads[0]
            assert "team" in server.heads[0]
            gone = replace(info, host="http://me:hunter2@127.0.0.1:1")
        assert "hunter2" not in await failing(gone, TransientAdapterError)

    run(test)


def test_an_absolute_address_gets_none_of_the_connections_secrets() -> None:
    async def test() -> None:
        async with serving() as server:
            info = conn(
                host="http://127.0.0.1:1",
                login="me",
                password="pw",
                extra={"headers": {"X-K": "v"}},
            )
            await get(info, f"http://127.0.0.1:{server.port}/healthz")
            head = server.heads[0].lower()
        assert "authorization" not in head
        assert "x-k" not in head

    run(test)


def test_absolute_addresses_need_no_connection_and_relative_ones_do() -> None:
    async def test() -> None:
        async with serving() as server:
            answer = await get(None, f"http://127.0.0.1:{server.port}/healthz")
        assert answer.status == 200
        with pytest.raises(PermanentAdapterError, match="needs a connection"):
            await get(None, "/x")

    run(test)


@pytest.mark.parametrize("status", [204, 302, 404, 500, 503])
def test_every_status_is_an_answer_and_redirects_are_not_followed(status: int) -> None:
    async def test() -> None:
        raw = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        async with serving(raw.encode()) as server:
            answer = await get(conn(host="127.0.0.1", port=server.port))
        assert answer.status == status

    run(test)


@pytest.mark.parametrize("is_probe", [False, True])
def test_one_connection_is_kept_open_for_many_requests(*, is_probe: bool) -> None:
    async def test() -> None:
        async with serving() as server:
            info, url = addressed(server, is_probe=is_probe)
            async with open_send(info, system="s") as send:
                for _ in range(3):
                    await send(HttpRequest(url=url))
            assert len(server.heads) == 3
            assert server.connections == 1


async def failing(info: ConnectionInfo | None, kind: type[AdapterError], **fields: Any) -> str:
    with pytest.raises(kind) as caught:
        await get(info, **fields)
    assert type(caught.value) is kind
    return str(caught.value)


def test_a_refused_connection_may_pass() -> None:
    async def test() -> None:
        text = await failing(
            conn(host="127.0.0.1", port=1, login="me", password="hunter2"), TransientAdapterError
        )
        assert "cannot connect" in text
        assert "hunter2" not in text
        text = await failing(None, TransientAdapterError, url="http://127.0.0.1:1/x")
        assert "cannot connect (Connection refused)" in text

    run(test)


def test_a_name_that_is_not_found_may_pass() -> None:
    async def test() -> None:
        await failing(conn(host="no-such-host.invalid"), TransientAdapterError, timeout_seconds=5.0)
        await failing(
            None, TransientAdapterError, url="http://no-such-host.invalid/", timeout_seconds=5.0
        )

    run(test)


@pytest.mark.parametrize("is_probe", [False, True])
def test_a_server_that_does_not_answer_in_time_may_pass(*, is_probe: bool) -> None:
    async def test() -> None:
        async with serving(delay=5.0) as server:
            info, url = addressed(server, is_probe=is_probe)
            text = await failing(info, TransientAdapterError, url=url, timeout_seconds=0.2)
        assert "no answer in time" in text

    run(test)


def test_a_server_that_drips_is_bounded_as_a_whole() -> None:
    async def test() -> None:
        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            try:
                for _ in range(100):
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            except ConnectionError:
                pass
            finally:
                writer.close()

        listening = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        await failing(conn(host="127.0.0.1", port=port), TransientAdapterError, timeout_seconds=0.4)
        await failing(
            None, TransientAdapterError, url=f"http://127.0.0.1:{port}/", timeout_seconds=0.4
        )
        listening.close()

    run(test)


@pytest.mark.parametrize("is_probe", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhi",
        b"close rubbish\r\n\r\n",
    ],
)
def test_a_connection_that_breaks_off_may_pass(answer: bytes, *, is_probe: bool) -> None:
    async def test() -> None:
        async with serving(answer) as server:
            info, url = addressed(server, is_probe=is_probe)
            await failing(info, TransientAdapterError, url=url)

    run(test)


@pytest.mark.parametrize("is_probe", [False, True])
def test_an_answer_that_is_too_large_is_permanent(*, is_probe: bool) -> None:
    async def test() -> None:
        async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789") as server:
            info, url = addressed(server, is_probe=is_probe)
            async with open_send(info, system="s", largest_body=8) as send:
                with pytest.raises(PermanentAdapterError, match="larger than 8 bytes"):
                    await send(HttpRequest(url=url))
            async with open_send(info, system="s", largest_body=9) as send:
                assert await send(HttpRequest(url=url))

    run(test)


def test_an_address_that_is_none_is_permanent() -> None:
    async def test() -> None:
        await failing(None, PermanentAdapterError, url="gopher://h/x")
        await failing(None, PermanentAdapterError, url="http://[::1/x")

    run(test)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
               "-keyout", str(path), "-out", f"{path}.crt", "-subj", "/CN=127.0.0.1",
               "-addext", "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_an_untrusted_certificate_is_permanent_unless_a_ca_or_nothing_is_asked_for(
    certificate: Path,
) -> None:
    async def test() -> None:
        async with serving(tls=tls(certificate)) as server:
            fields = {"host": f"https://127.0.0.1:{server.port}"}
            text = await failing(conn(**fields), PermanentAdapterError)
            assert "certificate is not trusted" in text
            await failing(None, PermanentAdapterError, url=f"{fields['host']}/x")
            for verify in (f"{certificate}.crt", False, "false"):
                answer = await get(conn(**fields, extra={"verify": verify}))
                assert answer.status == 200

    run(test)


def test_a_client_certificate_is_shown_to_a_server_that_asks(certificate: Path) -> None:
    async def test() -> None:
        context = tls(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(f"{certificate}.crt")
        async with serving(tls=context) as server:
            fields = {"host": f"https://127.0.0.1:{server.port}"}
            with pytest.raises(AdapterError):
                await get(conn(**fields, extra={"verify": False}))
            for cert in (str(certificate), [f"{certificate}.crt", str(certificate)]):
                answer = await get(conn(**fields, extra={"verify": False, "cert": cert}))
                assert answer.status == 200

    run(test)


@pytest.mark.parametrize(
    "extra",
    [
        {"verify": "/no/such/ca.pem"},
        {"cert": "/no/such/cert.pem"},
        {"headers": 5},
        {"headers": "no json"},
    ],
)
def test_a_connection_with_unusable_extras_says_so(extra: dict[str, Any]) -> None:
    async def test() -> None:
        await failing(conn(host="https://127.0.0.1:1", extra=extra), PermanentAdapterError)

    run(test)

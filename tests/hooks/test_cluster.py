"""The login to a cluster: what a connection may say, and that nothing is fetched later."""

from __future__ import annotations

import asyncio
import json
import logging
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.hooks import cluster
from airflow_rollout.hooks.cluster import Login, is_cluster, log_in, open_with
from airflow_rollout.hooks.connection import ConnectionInfo, parse_connection
from airflow_rollout.wire import HttpRequest, ask_http


class Server(socketserver.ThreadingTCPServer):
    """Remember the authorization of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.headers["authorization"])
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def kubeconfig(url: str, user: dict[str, Any], **more: Any) -> dict[str, Any]:
    context = {"cluster": "c", "user": "u"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": url, **more}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": context}, {"name": "b", "context": context}],
    }


async def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def connection(**extra: Any) -> ConnectionInfo:
    return ConnectionInfo(conn_id="prod", conn_type="kubernetes", extra=extra)


def logged_in(info: ConnectionInfo) -> Login:
    async def go() -> Login:
        async with log_in(info) as login:
            assert login is not None
            return login

    return asyncio.run(go())


def test_a_kubeconfig_may_be_a_file_or_stand_in_the_connection(tmp_path: Path) -> None:
    config = kubeconfig("https://cluster:6443", {"token": "secret-1"})
    file = tmp_path / "config"
    file.write_text(json.dumps(config))
    for info in (
        connection(kube_config_path=str(file)),
        connection(kube_config=json.dumps(config)),
        connection(kube_config=config, cluster_context="b"),
        connection(extra__kubernetes__kube_config_path=str(file)),
        parse_connection("prod", f"kubernetes://?kube_config_path={file}"),
    ):
        login = logged_in(info)
        assert (login.info.host, login.authorization) == ("https://cluster:6443", "Bearer secret-1")
        assert "secret-1" not in repr(login.info)


def test_certificates_reach_the_transport(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(name)
    user = {"client-certificate": str(tmp_path / "cert"), "client-key": str(tmp_path / "key")}
    config = kubeconfig("https://c", user, **{"certificate-authority": str(tmp_path / "ca")})
    login = logged_in(connection(kube_config=config))
    assert login.info.extra == {
        "verify": str(tmp_path / "ca"),
        "cert": [str(tmp_path / "cert"), str(tmp_path / "key")],
    }
    assert login.authorization == ""
    unverified = logged_in(connection(kube_config=config, disable_verify_ssl=True))
    assert unverified.info.extra["verify"] is False


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"kube_config_path": "/nowhere/config"}, "cannot log in"),
        ({"kube_config": "{"}, "cannot log in"),
        ({"kube_config": "[1]"}, "cannot log in"),
        ({"kube_config": "{}"}, "cannot log in"),
        ({"in_cluster": True}, "cannot log in"),
        ({"in_cluster": "true", "kube_config": "{}"}, "exclude each other"),
    ],
)
def test_a_connection_that_cannot_be_used_is_named(
    extra: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(PermanentAdapterError, match=words) as caught:
        logged_in(connection(**extra))
    assert "'prod'" in str(caught.value)


def test_an_unknown_context_is_named() -> None:
    config = kubeconfig("https://c", {"token": "t"})
    with pytest.raises(PermanentAdapterError, match="elsewhere"):
        logged_in(connection(kube_config=config, cluster_context="elsewhere"))


def test_other_connections_need_no_login() -> None:
    info = ConnectionInfo(conn_id="t", conn_type="traefik", host="http://t")

    async def go() -> None:
        async with log_in(info) as login:
            assert login is None

    asyncio.run(go())
    assert not is_cluster(info)


def test_only_the_cluster_itself_sees_the_credentials(server: Server) -> None:
    info = connection(kube_config=kubeconfig(server.url, {"token": "t1"}))

    async def go() -> None:
        async with log_in(info) as login, open_with(login, info, system="x") as send:
            await ask_http(send, HttpRequest(url="/api"))
            await ask_http(send, HttpRequest(url=f"{server.url}/elsewhere"))

    asyncio.run(go())
    assert server.seen == ["Bearer t1", None]


def test_a_token_that_runs_out_is_renewed_beside_the_work(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login plugin is asked again by the renewal, never by a request."""
    monkeypatch.setattr(cluster, "_RENEW_SECONDS", 0.02)
    count = tmp_path / "count"
    credential = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": "t%s", "expirationTimestamp": "2000-01-01T00:00:00Z"},
    }
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!/bin/sh\necho >>{count}\nprintf '{json.dumps(credential)}' $(wc -l <{count})\n"
    )
    plugin.chmod(0o755)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "interactiveMode": "Never",
        }
    }
    info = connection(kube_config=kubeconfig(server.url, user))

    async def go() -> None:
        async with log_in(info) as login, open_with(login, info, system="x") as send:
            assert login is not None
            first = login.authorization
            await until(lambda: login.authorization != first)
            await ask_http(send, HttpRequest(url="/api"))
            assert server.seen[0] not in (None, first)

    asyncio.run(go())


def test_a_renewal_that_fails_leaves_the_login_as_it_was(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "_RENEW_SECONDS", 0.0)
    tries = 0

    def fail() -> str:
        nonlocal tries
        tries += 1
        raise OSError("secret-2")

    async def go() -> None:
        login = Login(info=connection(), authorization="Bearer good")
        renewing = asyncio.create_task(cluster._keep_renewed(login, fail))
        await until(lambda: tries >= 2)
        renewing.cancel()
        assert login.authorization == "Bearer good"

    with caplog.at_level(logging.WARNING):
        asyncio.run(go())
    assert "could not renew" in caplog.text
    assert "secret-2" not in caplog.text

"""What of a connection reaches a metric system: its address, its headers, its signature."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from test_transport import serving

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo, airflow_connections, static_connections
from airflow_rollout.hooks.credentials import connect_source, fill_in
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.registry import connection_form
from airflow_rollout.wire import ConnectionForm, HttpRequest

PROMETHEUS = connection_form("prometheus")

FORM = ConnectionForm(
    conn_type="vendor",
    label="Vendor",
    addresses=("{extra.api_host}", "{host}", "https://api.{extra.site}", "https://api.vendor.test"),
    headers=(("Api-Key", "{password}"), ("App-Key", "Token {extra.app_key}")),
)


def vendor(**fields: Any) -> ConnectionInfo:
    return ConnectionInfo(conn_id="v", conn_type="vendor", **fields)


def header_lines(info: ConnectionInfo, request: HttpRequest | None = None) -> dict[str, str]:
    """Return the headers that a server on loopback gets to see."""

    async def test() -> str:
        async with asyncio.timeout(20), serving() as server:
            at = f"http://127.0.0.1:{server.port}"
            async with open_send(replace(info, host=at, port=None), system="s") as send:
                await send(request or HttpRequest(url="/api/v1/query", params=(("query", "up"),)))
            return server.heads[0]

    lines = asyncio.run(test()).split("\r\n")[1:]
    pairs = (line.partition(": ") for line in lines if line)
    return {name.lower(): value for name, _, value in pairs}


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({}, "https://api.vendor.test"),
        ({"extra": {"site": "eu.vendor.test"}}, "https://api.eu.vendor.test"),
        ({"host": "proxy.test", "port": 81}, "proxy.test"),
        ({"host": "ignored", "extra": {"api_host": "https://a.test/"}}, "https://a.test"),
        ({"extra": {"api_host": "a.test"}}, "https://a.test"),
    ],
)
def test_the_first_complete_address_is_taken(fields: dict[str, Any], address: str) -> None:
    assert fill_in(vendor(**fields), FORM).host == address


def test_secrets_go_where_the_form_says_and_not_as_a_login() -> None:
    found = header_lines(fill_in(vendor(password="p4ss", extra={"app_key": "k3y"}), FORM))
    assert found["api-key"] == "p4ss"
    assert found["app-key"] == "Token k3y"
    assert "authorization" not in found


def test_a_header_without_its_value_is_left_out() -> None:
    assert "app-key" not in header_lines(fill_in(vendor(password="p"), FORM))


def test_headers_of_the_connection_itself_win() -> None:
    info = vendor(password="p", extra={"headers": {"Api-Key": "mine"}})
    assert header_lines(fill_in(info, FORM))["api-key"] == "mine"


def test_a_connection_of_another_type_is_used_as_it_is() -> None:
    info = ConnectionInfo(conn_id="c", conn_type="http", host="h", password="p")
    assert fill_in(info, FORM) is info


def test_prometheus_takes_a_login_a_token_and_a_tenant() -> None:
    info = ConnectionInfo(conn_id="p", conn_type="prometheus", login="me", password="pw")
    basic = base64.b64encode(b"me:pw").decode()
    assert header_lines(fill_in(info, PROMETHEUS))["authorization"] == f"Basic {basic}"
    both = ConnectionInfo(
        conn_id="p", conn_type="prometheus", extra={"token": "t0ken", "tenant": "team-a"}
    )
    found = header_lines(fill_in(both, PROMETHEUS))
    assert found["authorization"] == "Bearer t0ken"
    assert found["x-scope-orgid"] == "team-a"


def test_no_secret_is_in_the_repr_of_a_filled_in_connection() -> None:
    cloud = ConnectionInfo(conn_id="a", conn_type="aws", login="AKID", password="s3cret")
    info = fill_in(vendor(password="p4ssw0rd", extra={"app_key": "k3y"}), FORM)
    shown = repr(replace(info, cloud=cloud))
    assert not [secret for secret in ("p4ssw0rd", "k3y", "s3cret") if secret in shown]


AWS = ConnectionInfo(
    conn_id="my_aws", conn_type="aws", login="AKIDEXAMPLE", password="wJalrXUtnFEMI",
    extra={"region_name": "eu-west-1"},
)  # fmt: skip
AMP = ConnectionInfo(
    conn_id="amp", conn_type="prometheus",
    extra={"auth": "aws", "cloud_conn_id": "my_aws", "region": "eu-west-1"},
)  # fmt: skip


def signed_source() -> ConnectionInfo:
    connect = static_connections({"amp": AMP, "my_aws": AWS})
    return asyncio.run(connect_source("amp", PROMETHEUS, connect))


def test_amazon_gets_a_signature_that_its_own_rule_confirms() -> None:
    request = HttpRequest(url="/api/v1/query", params=(("query", "sum(x)"), ("time", "1.5")))
    found = header_lines(signed_source(), request)
    assert found["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert found["authorization"].rpartition("Signature=")[2] == _signature(
        found, "query=sum%28x%29&time=1.5"
    )


def _signature(sent: dict[str, str], query: str) -> str:
    """Return the signature by the published rule of version 4, written from its description."""
    scope = sent["authorization"].split("Credential=AKIDEXAMPLE/")[1].split(",")[0]
    names = sent["authorization"].split("SignedHeaders=")[1].split(",")[0]
    assert scope.split("/")[1:] == ["eu-west-1", "aps", "aws4_request"]
    lines = "".join(f"{name}:{sent[name]}\n" for name in names.split(";"))
    canonical = "\n".join(
        ["GET", "/api/v1/query", query, lines, names, hashlib.sha256(b"").hexdigest()]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", sent["x-amz-date"], scope, digest])
    mac: Callable[[bytes, str], bytes] = lambda key, part: hmac.new(  # noqa: E731
        key, part.encode(), hashlib.sha256
    ).digest()
    key = b"AWS4" + AWS.password.encode()
    for part in scope.split("/"):
        key = mac(key, part)
    return mac(key, text).hex()


def test_a_way_of_signing_that_nobody_knows_is_named() -> None:
    info = ConnectionInfo(conn_id="amp", conn_type="prometheus", extra={"auth": "azure"})
    with pytest.raises(PermanentAdapterError, match=r"azure.*allowed: aws, google"):
        header_lines(fill_in(info, PROMETHEUS))


def test_without_the_extra_the_error_says_what_to_install() -> None:
    try:
        import airflow.providers.google  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("the extra `google` is installed")
    info = ConnectionInfo(conn_id="gmp", conn_type="prometheus", extra={"auth": "google"})
    with pytest.raises(PermanentAdapterError, match=r"install airflow-rollout\[google\]"):
        header_lines(fill_in(info, PROMETHEUS))


def test_keys_of_a_connection_are_masked_wherever_airflow_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.sdk.log import redact

    secrets = ("a" * 5 + "-api-key", "b" * 5 + "-app-key", "c" * 5 + "-header", "d" * 5 + "-token")
    extra = {
        "api_key": secrets[0], "app_key": secrets[1], "headers": {"X-Token": secrets[2]},
        "token": secrets[3], "region_name": "eu-west-1",
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_DOG", json.dumps({"conn_type": "datadog", "extra": extra}))
    asyncio.run(airflow_connections()("dog"))
    shown = str(redact(f"asked with {' '.join(secrets)} in eu-west-1"))
    assert shown == "asked with *** *** *** *** in eu-west-1"

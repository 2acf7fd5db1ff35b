"""Connections: the same values from Airflow and without it, and no secret shown."""

from __future__ import annotations

import asyncio
import json

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowNotFoundException,
    AirflowSecretsBackendAccessDenied,
)

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks import connection
from airflow_rollout.hooks.connection import (
    ConnectionInfo,
    airflow_connections,
    parse_connection,
    static_connections,
)

URIS = [
    "http://traefik:8080",
    "http://user:p%40ss%2Fword@prometheus.example:9090",
    "http://https%3A%2F%2FPrometheus.example%2FPrefix:443",
    "http://user:pw@https%3A%2F%2FPrometheus.example%2FPrefix",
    "http://[fd00::2]:9090",
    "http://https://prometheus.example:443/?verify=False",
    "traefik://127.0.0.1:8081/?directory=%2Fetc%2Ftraefik",
    "http://:secret@host/https",
    "http://host?__extra__=%7B%22verify%22%3A+false%2C+%22n%22%3A+1%7D",
    "my-type://Host.Example",
    "http://",
]


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_means_what_it_means_to_airflow(uri: str) -> None:
    theirs = Connection.from_uri(uri, conn_id="c")
    ours = parse_connection("c", uri)
    assert ours == ConnectionInfo(
        conn_id="c",
        conn_type=theirs.conn_type or "",
        host=theirs.host or "",
        port=theirs.port,
        schema=theirs.schema or "",
        login=theirs.login or "",
        password=theirs.password or "",
        extra=theirs.extra_dejson,
    )


@pytest.mark.parametrize("extra", [{"directory": "/d"}, '{"directory": "/d"}'])
def test_json_means_what_it_means_to_airflow(extra: object) -> None:
    text = json.dumps(
        {"conn_type": "traefik", "host": "http://t", "port": "80", "login": "u", "extra": extra}
    )
    theirs = Connection.from_json(text, conn_id="c")
    ours = parse_connection("c", text)
    assert (ours.conn_type, ours.host, ours.port) == (theirs.conn_type, theirs.host, theirs.port)
    assert ours.extra == theirs.extra_dejson == {"directory": "/d"}


@pytest.mark.parametrize(
    "text", ["", "no uri", "://x", "{", "[1]", '{"port": "x"}', '{"extra": 5}']
)
def test_a_text_that_is_no_connection_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(PermanentAdapterError) as caught:
        parse_connection("c", text + "hunter2" if text else text)
    assert "hunter2" not in str(caught.value)


def test_a_repr_shows_no_secret() -> None:
    info = ConnectionInfo(
        conn_id="c",
        host="http://me:hunter2@host",
        login="me",
        password="hunter2",
        extra={"headers": {"Authorization": "hunter2"}},
    )
    assert "hunter2" not in repr(info)
    assert "hunter2" not in f"{info}"
    assert "headers" in repr(info)


def test_given_connections_are_found_and_others_are_missed_by_name() -> None:
    info = ConnectionInfo(conn_id="b", host="h")
    connect = static_connections({"a": "http://one:1", "b": info})
    assert asyncio.run(connect("a")).host == "one"
    assert asyncio.run(connect("b")) is info
    with pytest.raises(PermanentAdapterError) as caught:
        asyncio.run(connect("my_conn"))
    for words in ("'my_conn'", "airflow connections add my_conn", "AIRFLOW_CONN_MY_CONN"):
        assert words in str(caught.value)


def test_airflows_own_connections_are_read_in_an_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_ROLLOUT_TEST",
        json.dumps(
            {
                "conn_type": "traefik",
                "host": "http://t:8080",
                "login": "u",
                "password": "p",
                "extra": {"directory": "/d", "headers": {"X-Api-Key": "k"}},
            }
        ),
    )
    info = asyncio.run(airflow_connections()("rollout_test"))
    assert info == ConnectionInfo(
        conn_id="rollout_test",
        conn_type="traefik",
        host="http://t:8080",
        login="u",
        password="p",
        extra={"directory": "/d", "headers": {"X-Api-Key": "k"}},
    )


def test_a_connection_that_airflow_does_not_have_says_how_to_make_it() -> None:
    with pytest.raises(PermanentAdapterError, match="airflow connections add rollout_nowhere"):
        asyncio.run(airflow_connections()("rollout_nowhere"))


def airflow_that(answers: list[object], monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let Airflow answer in turn: an error, a connection, or None for never."""

    async def async_get(conn_id: str) -> object:
        answer = answers.pop(0)
        if answer is None:
            await asyncio.sleep(60)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Connection, "async_get", async_get)
    monkeypatch.setattr(connection, "_MISSING_PAUSES_SECONDS", (0.0, 0.0))
    return answers


FOUND = Connection(conn_id="c", conn_type="http", host="h")


def test_a_connection_that_airflow_could_not_look_up_at_once_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = AirflowNotFoundException("not now")
    left = airflow_that([away, away, FOUND], monkeypatch)
    assert asyncio.run(airflow_connections()("c")).host == "h"
    assert left == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (AirflowException("broken"), TransientAdapterError),
        (ConnectionRefusedError(), TransientAdapterError),
        (AirflowSecretsBackendAccessDenied("no"), PermanentAdapterError),
    ],
)
def test_what_airflow_says_decides_whether_to_try_again(
    answer: Exception, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow_that([answer], monkeypatch)
    with pytest.raises(error, match="'c'"):
        asyncio.run(airflow_connections()("c"))


def test_an_airflow_that_never_answers_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow_that([None], monkeypatch)
    monkeypatch.setattr(connection, "_AIRFLOW_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(TransientAdapterError, match=r"within 0\.05 s"):
        asyncio.run(airflow_connections()("c"))


def test_gates_that_begin_in_one_moment_ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    left = airflow_that([FOUND, FOUND], monkeypatch)

    async def begin() -> set[str]:
        connect = airflow_connections()
        found = await asyncio.gather(*(connect("c") for _ in range(50)))
        return {one.host for one in found}

    assert asyncio.run(begin()) == {"h"}
    assert len(left) == 1
    # Nobody remembers it: who asks later gets what is true then.
    assert asyncio.run(airflow_connections()("c")).host == "h"
    assert left == []


def test_who_waited_in_vain_does_not_ask_a_second_time_while_an_answer_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    answered = asyncio.Event()

    async def late(conn_id: str) -> Connection:
        asked.append(conn_id)
        await answered.wait()
        return FOUND

    monkeypatch.setattr(Connection, "async_get", late)
    monkeypatch.setattr(connection, "_AIRFLOW_TIMEOUT_SECONDS", 0.05)

    async def ask_twice() -> str:
        connect = airflow_connections()
        with pytest.raises(TransientAdapterError):
            await connect("c")
        answered.set()
        return (await connect("c")).host

    assert asyncio.run(ask_twice()) == "h"
    assert asked == ["c"]

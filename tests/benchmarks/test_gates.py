"""What the figures of a thousand gates are made of; no gate runs here."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.gates.clock import run_on_processor_time
from benchmarks.gates.host import Server, Supervisor
from benchmarks.gates.part import report_of
from benchmarks.gates.stage import EVERY_SECONDS


def seen(**fields: Any) -> dict[str, Any]:
    usual = {
        "began": 1000.0, "seconds": 2 * EVERY_SECONDS, "looks": [0.001] * 99 + [0.4],
        "megabytes": [200.0], "asked": [[1000.0 + at, f"q{at}"] for at in (1.0, 2.0, 16.0)],
        "probes": 60, "said": {}, "processor_seconds": 6.0, "ended": 0,
        "dying": 3, "deaths": [4.0, 9.0, 11.0],
    }  # fmt: skip
    return {**usual, **fields}


def figures(found: dict[str, Any], gates: int = 1000) -> dict[str, Any]:
    return {figure.name: figure for figure in report_of(found, gates, 2).figures}


def test_requests_are_counted_by_interval() -> None:
    found = figures(seen())["requests an interval, 50 different questions"]
    assert found.values == (2.0, 1.0)
    assert found.met


def test_one_request_too_many_is_a_promise_not_kept() -> None:
    asked = [[1001.0 + 0.1 * index, "q"] for index in range(51)]
    assert not figures(seen(asked=asked))["requests an interval, 50 different questions"].met


def test_lag_and_processor_time_are_those_of_the_measured_time() -> None:
    found = figures(seen())
    assert found["the event loop's lag, 99 % of looks"].values == (0.001,)
    assert found["processor time a second"].values == (0.2,)


def test_a_gate_that_ended_and_a_question_that_nobody_asked_are_faults() -> None:
    assert report_of(seen(ended=2), 1000, 2).faults == (
        "2 gates have ended", "3 different questions were asked, not 50",
    )  # fmt: skip


def test_a_death_that_no_gate_noticed_is_missing_from_the_figure() -> None:
    name = "a version is dead until its gate has put traffic back and ended"
    assert figures(seen())[name].values == (4.0, 9.0, 11.0)
    assert figures(seen(deaths=[4.0]))[name].expected == 3


def test_without_a_look_no_promise_is_kept() -> None:
    assert not figures(seen(looks=[]))["the event loop's lag, 99 % of looks"].met


def test_the_supervisor_hands_triggers_out_once_and_answers_for_airflow() -> None:
    connection = {"conn_id": "c", "conn_type": "http"}
    supervisor = Supervisor([{"id": 1}], {"c": connection})

    async def test() -> list[Any]:
        ours, theirs = socket.socketpair()
        serving = asyncio.create_task(supervisor.serve(ours))
        reader, writer = await asyncio.open_connection(sock=theirs)

        async def frame() -> Any:
            length = int.from_bytes(await reader.readexactly(4), "big")
            return msgspec.msgpack.decode(await reader.readexactly(length))

        answers = [await frame()]
        for number, body in enumerate(
            ({"type": "TriggerStateChanges", "finished": [7]}, {"type": "TriggerStateChanges"},
             {"type": "GetConnection", "conn_id": "c"}, {"type": "SetXCom", "run_id": "r"}), 1
        ):  # fmt: skip
            content = msgspec.msgpack.encode((number, body))
            writer.write(len(content).to_bytes(4, "big") + content)
            answers.append(await frame())
        writer.close()
        await serving
        return answers

    answers = asyncio.run(test())
    assert [number for number, *_ in answers] == [0, 1, 2, 3, 4]
    bodies = [body for _, body, _ in answers]
    assert bodies[0] == {"type": "StartTriggerer"}
    assert [bodies[1]["to_create"], bodies[2]["to_create"]] == [[{"id": 1}], []]
    assert bodies[3] == {"type": "ConnectionResult", **connection}
    assert (list(supervisor.ended), supervisor.gates) == ([7], {"r"})


def test_the_server_counts_queries_and_answers_as_prometheus_and_traefik_do() -> None:
    server = Server(weight=10)

    async def test() -> list[bytes]:
        address = urlsplit(await server.listen())
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        answers = []
        for url in ("/api/v1/query?query=up&time=5", "/api/http/services/app@file", "/"):
            writer.write(f"GET {url} HTTP/1.1\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            answers.append(await reader.readexactly(int(head.rsplit(b": ", 1)[1])))
        server.is_dead = True
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        answers.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
        return answers

    query, live, well, dead = asyncio.run(test())
    assert b" 503 " in dead
    assert json.loads(query)["data"]["result"][0]["value"] == [5.0, "1"]
    weights = {one["name"]: one["weight"] for one in json.loads(live)["weighted"]["services"]}
    assert weights == {"app-stable": 90, "app-canary": 10}
    assert well == b"well"
    assert [text for _, text in server.asked] == ["up"]
    assert server.probes == 2


def test_a_clock_of_processor_time_skips_what_is_waited_for_and_nothing_else() -> None:
    async def test() -> tuple[float, float, float]:
        began, real = time.monotonic(), time.perf_counter()
        await asyncio.sleep(500)
        waited = time.monotonic() - began
        await asyncio.to_thread(time.process_time)
        before = time.process_time()
        while time.process_time() < before + 0.05:
            pass
        return waited, time.monotonic() - began - waited, time.perf_counter() - real

    monotonic = time.monotonic
    waited, computed, real = run_on_processor_time(test())
    assert 500 <= waited < 501
    assert computed >= 0.05
    assert real < waited, "it was not waited for"
    assert time.monotonic is monotonic

"""The demo service has the faults it was told to have, and no others."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import Child, Processes, wait_until
from airflow_rollout.demo.service import Faults, Service


class Started:
    """A service in its own process, and connections to it."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def raw(self, data: bytes) -> bytes:
        """Send bytes and return all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            client.sendall(data)
            found = b""
            while piece := client.recv(65536):
                found += piece
            return found


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as owner:
        yield owner


def start(processes: Processes, *options: str) -> Started:
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "airflow_rollout.demo.service", "--port", str(port), *options]
    child = processes.start("service", command)
    wait_until(
        lambda: "listens" in child.tail(), what="service", timeout_seconds=20, children=[child]
    )
    return Started(child, port)


def statuses(service: Service, count: int) -> list[bytes]:
    return [service.routed().split(b" ", 2)[1] for _ in range(count)]


def test_the_same_seed_fails_the_same_requests() -> None:
    one = statuses(Service("v2", Faults(error_rate=0.05, seed=7)), 2000)
    same = statuses(Service("v2", Faults(error_rate=0.05, seed=7)), 2000)
    other = statuses(Service("v2", Faults(error_rate=0.05, seed=8)), 2000)
    assert one == same
    assert one != other


def test_the_share_of_errors_is_the_one_asked_for() -> None:
    for seed in range(20):
        failed = Counter(statuses(Service("v2", Faults(error_rate=0.05, seed=seed)), 4000))[b"500"]
        # 200 expected, standard deviation 13.8: five of them.
        assert 131 <= failed <= 269


@pytest.mark.parametrize(("rate", "status"), [(0.0, b"200"), (1.0, b"500")])
def test_all_or_nothing_is_exact(rate: float, status: bytes) -> None:
    assert set(statuses(Service("v2", Faults(error_rate=rate)), 500)) == {status}


def test_one_connection_serves_many_requests_and_names_the_version(processes: Processes) -> None:
    client = start(processes, "--version", "v2").connect()
    for _ in range(50):
        client.request("GET", "/shop/x?a=1")
        answer = client.getresponse()
        assert answer.status == 200
        assert answer.headers["X-Version"] == "v2"
        assert json.loads(answer.read()) == {"version": "v2", "status": 200}


@pytest.mark.parametrize("path", ["/healthz", "/"])
def test_probes_meet_no_fault(processes: Processes, path: str) -> None:
    service = start(
        processes, "--error-rate", "1", "--latency-ms", "60000", "--exit-after-seconds", "0"
    )
    client = service.connect()
    for _ in range(3):
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()
        assert answer.status == 200
    assert service.child.is_running


def test_latency_is_added_to_every_request(processes: Processes) -> None:
    client = start(processes, "--latency-ms", "120").connect()
    for _ in range(3):
        before = time.monotonic()
        client.request("GET", "/x")
        client.getresponse().read()
        assert time.monotonic() - before >= 0.119


def test_it_dies_after_its_first_routed_request(processes: Processes) -> None:
    service = start(processes, "--exit-after-seconds", "0.3")
    time.sleep(0.6)
    assert service.child.is_running, "nothing was routed yet"
    client = service.connect()
    client.request("GET", "/x")
    assert client.getresponse().status == 200
    assert service.child.wait(20) == 70


def test_pipelined_requests_are_answered_in_order_and_a_body_is_skipped(
    processes: Processes,
) -> None:
    service = start(processes, "--latency-ms", "10")
    answers = service.raw(
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert answers.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -4\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_nonsense_is_refused_and_the_service_lives_on(
    processes: Processes, request_bytes: bytes
) -> None:
    service = start(processes)
    assert service.raw(request_bytes).startswith(b"HTTP/1.1 400 ")
    client = service.connect()
    client.request("GET", "/x")
    assert client.getresponse().status == 200


@pytest.mark.parametrize("option", ["--error-rate=1.5", "--latency-ms=-1", "--error-rate=much"])
def test_impossible_faults_are_refused(processes: Processes, option: str) -> None:
    command = [sys.executable, "-m", "airflow_rollout.demo.service", option]
    child = processes.start("service", command)
    assert child.wait(20) == 2

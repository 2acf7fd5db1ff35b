"""The scripts of the demo's pods, run as they are there: by a plain Python."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.cluster import in_pod
from airflow_rollout.demo.cluster.story import behaviours
from airflow_rollout.demo.loopback import answers
from airflow_rollout.demo.ports import free_ports

SCRIPTS = Path(str(in_pod.__file__)).parent
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def serving(python: str, **changes: object) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the service as the image of a Python would; yield its address and its process."""
    (port,) = free_ports(1)
    told = behaviours()
    told[python].update(changes)
    env = {"PORT": str(port), "VERSIONS": json.dumps(told), "PYTHON_VERSION": f"{python}.9"}
    process = subprocess.Popen([sys.executable, "-I", SCRIPTS / "service.py"], env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 20
        while not answers(f"{url}/healthz"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield url, process
    finally:
        process.terminate()
        process.wait(10)


def status(url: str) -> int:
    try:
        with _direct.open(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_the_good_version_answers_with_its_name_and_ends_when_it_is_told_to() -> None:
    with serving("3.14") as (url, process), _direct.open(f"{url}/", timeout=5) as answer:
        assert (answer.headers["x-version"], answer.read()) == ("v5", b"v5\n")
    assert process.returncode == 0


def test_a_version_that_fails_does_so_for_users_and_not_for_probes() -> None:
    with serving("3.12", error_rate=1.0) as (url, _):
        assert {status(f"{url}/") for _ in range(5)} == {500}
        assert status(f"{url}/healthz") == 200


def test_a_slow_version_is_slow_for_users_and_not_for_probes() -> None:
    with serving("3.13") as (url, _):
        began = time.monotonic()
        assert status(f"{url}/") == 200
        assert time.monotonic() - began >= 0.6
        began = time.monotonic()
        assert status(f"{url}/healthz") == 200
        assert time.monotonic() - began < 0.6


def test_a_version_that_crashes_does_so_after_its_requests() -> None:
    with serving("3.10", exit_after_requests=3) as (url, process):
        assert [status(f"{url}/") for _ in range(3)] == [200] * 3
        with pytest.raises(OSError, match=r".*"):
            status(f"{url}/")
        assert process.wait(10) == 70


def test_the_load_prints_what_the_demo_reads() -> None:
    with serving("3.11") as (url, _):
        host, port = url.removeprefix("http://").split(":")
        env = {"TARGET_HOST": host, "TARGET_PORT": port, "RATE": "50"}
        found = load_lines(env, 20)
    assert {(answer.status, answer.version) for answer in found} == {(200, "v1")}
    assert [it.done for it in found] == sorted(it.done for it in found)
    assert all(abs(it.sent - time.time()) < 60 for it in found)


def test_the_load_says_when_nobody_answers() -> None:
    (port,) = free_ports(1)
    env = {"TARGET_HOST": "127.0.0.1", "TARGET_PORT": str(port), "RATE": "50"}
    found = load_lines(env, 5)
    assert {(answer.status, answer.version) for answer in found} == {(0, "")}


def load_lines(env: dict[str, str], count: int) -> list[Answer]:
    process = subprocess.Popen(
        [sys.executable, "-I", SCRIPTS / "load.py"], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        return [Answer.from_line(process.stdout.readline()) for _ in range(count)]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()

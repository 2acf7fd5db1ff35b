"""What the gates of the demo on a cluster are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.cluster.page import ArmsPage
from airflow_rollout.demo.loopback import read_json


def answer(
    sent: float, status: int = 200, *, version: str = "v1", latency_ms: float = 4.0
) -> Answer:
    done = sent + latency_ms / 1000
    return Answer(
        sent=sent, done=done, status=status, version=version, latency_ms=latency_ms
    )  # fmt: skip


@pytest.fixture
def page() -> Iterator[ArmsPage]:
    found = ArmsPage(clock=lambda: 102.0)
    found.start()
    yield found
    found.close()


def test_each_arm_has_its_numbers(page: ArmsPage) -> None:
    page.compare(stable="v1", canary="v2")
    page.take([answer(100.0), answer(100.1, 500, version="v2", latency_ms=600.0)])
    page.take([answer(100.2, version="v2")])
    stable, canary = (read_json(f"{page.url}/arms/{name}") for name in ("stable", "canary"))
    assert (stable["version"], stable["error_share"], stable["p90_seconds"]) == ("v1", 0.0, 0.004)
    assert (canary["version"], canary["error_share"], canary["p90_seconds"]) == ("v2", 0.5, 0.6)


def test_no_request_is_no_number(page: ArmsPage) -> None:
    page.compare(stable="v1", canary="v2")
    page.take([answer(80.0, version="v2"), answer(100.0)])
    assert read_json(f"{page.url}/arms/canary")["error_share"] is None


def test_a_request_that_nobody_answered_is_the_canarys(page: ArmsPage) -> None:
    page.compare(stable="v1", canary="v4")
    page.take([answer(100.0), answer(100.1, 0, version="")])
    assert read_json(f"{page.url}/arms/canary")["error_share"] == 1.0
    assert read_json(f"{page.url}/arms/stable")["error_share"] == 0.0


def test_there_is_no_third_arm(page: ArmsPage) -> None:
    assert read_json(f"{page.url}/arms/other") is None

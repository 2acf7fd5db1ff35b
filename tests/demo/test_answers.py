"""What the client's side of the router says about a release."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.demo.answers import (
    Answer,
    AnswerTail,
    exposure,
    per_second,
    percentile,
    read_answers,
)


def answer(sent: float, status: int = 200, version: str = "v1", latency_ms: float = 2.0) -> Answer:
    return Answer(
        sent=sent, done=sent + latency_ms / 1000, status=status, version=version,
        latency_ms=latency_ms,
    )  # fmt: skip


@given(
    sent=st.floats(0, 4e9),
    status=st.integers(0, 599),
    version=st.sampled_from(["", "v1", "2026.1-rc_3"]),
    latency_ms=st.floats(0, 1e5),
)
def test_a_line_is_read_back(sent: float, status: int, version: str, latency_ms: float) -> None:
    written = answer(sent, status, version, latency_ms)
    read = Answer.from_line(written.to_line())
    assert (read.status, read.version) == (status, version)
    assert read.sent == pytest.approx(sent, abs=1e-3)
    assert read.latency_ms == pytest.approx(latency_ms, abs=0.01)


def test_bad_requests_are_the_canarys_failed_and_slow_ones() -> None:
    found = exposure(
        [
            answer(1, 500),  # the stable version's own fault
            answer(2, version="v2"),
            answer(3, 500, version="v2"),
            answer(4, version="v2", latency_ms=601),
            answer(5, version="v2", latency_ms=400),
            answer(6),
        ],
        canary="v2",
        slow_ms=400,
    )
    assert found.requests == 6
    assert found.canary_requests == 4
    assert found.failed_requests == 2
    assert found.slow_requests == 1
    assert (found.first_canary, found.first_bad, found.last_canary) == (2, 3, 5)
    assert found.exposure_seconds == 2


def test_an_answer_of_nobody_is_the_canarys_once_it_had_traffic() -> None:
    before = answer(1, 502, version="")
    after = answer(3, 502, version="")
    found = exposure([before, answer(2, version="v2"), after, answer(4)], canary="v2")
    assert (found.first_bad, found.last_canary, found.canary_requests) == (3, 3, 2)
    assert found.failed_requests == 2


def test_an_answer_of_nobody_that_is_no_failure_is_nobodys() -> None:
    found = exposure([answer(1, version="v2"), answer(2, 404, version="")], canary="v2")
    assert found.canary_requests == 1
    assert found.failed_requests == 0


def test_without_a_bad_request_there_is_no_exposure() -> None:
    found = exposure([answer(1, version="v2"), answer(2)], canary="v2", slow_ms=400)
    assert found.first_bad is None
    assert found.exposure_seconds is None


def test_only_requests_of_the_release_count() -> None:
    early = answer(1, 500, version="v2")
    late = answer(9, 500, version="v2")
    found = exposure([early, answer(5, 500, version="v2"), late], canary="v2", since=2, until=8)
    assert (found.first_bad, found.requests) == (5, 1)


def test_answers_in_the_order_they_were_done_are_put_in_the_order_they_were_sent() -> None:
    slow = answer(1, 500, version="v2", latency_ms=5000)
    found = exposure([answer(2, 500, version="v2"), slow], canary="v2")
    assert (found.first_bad, found.last_canary) == (1, 2)


def test_each_arm_has_its_own_seconds() -> None:
    rows = per_second(
        [answer(10.1), answer(10.2, 500, latency_ms=8), answer(10.3, version="v2"), answer(11.0)]
    )
    assert [(row.second, row.version, row.requests, row.failed) for row in rows] == [
        (10, "v1", 2, 1),
        (10, "v2", 1, 0),
        (11, "v1", 1, 0),
    ]
    assert rows[0].p99_ms == 8


def test_the_percentile_is_the_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 99) == 99
    assert percentile(values, 50) == 50
    assert percentile([4.0], 99) == 4


def test_a_half_written_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "answers.txt"
    tail = AnswerTail(path)
    assert tail.read_new() == []
    first, second = answer(1).to_line(), answer(2).to_line()
    path.write_text(first + second[:7])
    assert [found.sent for found in tail.read_new()] == [1]
    assert tail.read_new() == []
    path.write_text(first + second)
    assert [found.sent for found in tail.read_new()] == [2]
    assert [found.sent for found in read_answers(path)] == [1, 2]

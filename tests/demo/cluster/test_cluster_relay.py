"""Answers out of a log that breaks off, from a clock that is another one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from airflow_rollout.demo.answers import Answer, read_answers
from airflow_rollout.demo.cluster import relay as relay_module
from airflow_rollout.demo.cluster.relay import AnswerRelay
from airflow_rollout.demo.processes import LabError


def line(done: float, *, status: int = 200, version: str = "v1") -> bytes:
    return f"{done - 0.01:.6f} {done:.6f} {status} {version} 10.00\n".encode()


def relay(path: Path, *, now: list[float], opened: object = None) -> AnswerRelay:
    taken: list[Answer] = []
    return AnswerRelay(
        opened or (lambda _: []),  # type: ignore[arg-type]
        path / "answers.txt", taken.extend, clock=lambda: now[0],
    )  # fmt: skip


def dones(path: Path) -> list[float]:
    return [answer.done for answer in read_answers(path / "answers.txt")]


def test_lines_that_are_cut_into_pieces_are_read(tmp_path: Path) -> None:
    text = line(100.0) + line(100.1, status=500, version="v2") + line(100.2)
    relay(tmp_path, now=[100.2]).read([text[:7], text[7:60], text[60:]])
    found = read_answers(tmp_path / "answers.txt")
    assert [(it.status, it.version) for it in found] == [(200, "v1"), (500, "v2"), (200, "v1")]


def test_a_line_that_has_not_ended_counts_when_it_has(tmp_path: Path) -> None:
    reader = relay(tmp_path, now=[100.0])
    reader.read([line(100.0), line(100.1)[:9]])
    assert len(dones(tmp_path)) == 1
    reader.read([line(100.0), line(100.1)])
    assert len(dones(tmp_path)) == 2


def test_what_a_stream_repeats_counts_once(tmp_path: Path) -> None:
    reader = relay(tmp_path, now=[101.0])
    reader.read([line(100.0) + line(100.1)])
    reader.read([line(100.0) + line(100.1) + line(100.2)])
    assert len(dones(tmp_path)) == 3


def test_what_is_no_answer_is_left_out(tmp_path: Path) -> None:
    relay(tmp_path, now=[100.0]).read([b"Traceback (most recent call last):\n", line(100.0)])
    assert len(dones(tmp_path)) == 1


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 3600.0])
def test_times_are_those_of_this_clock(tmp_path: Path, ahead: float) -> None:
    now = [9000.05]
    reader = relay(tmp_path, now=now)
    reader.read([line(9000.0 + ahead)])
    now[0] = 9001.5
    # A slow line: it was answered when it was, whenever it comes.
    reader.read([line(9001.0 + ahead)])
    assert dones(tmp_path) == pytest.approx([9000.05, 9001.05], abs=0.001)


def test_a_load_that_is_silent_for_long_is_said_with_the_reason(tmp_path: Path) -> None:
    now = [100.0]
    reader = relay(tmp_path, now=now)
    now[0] = 130.0
    reader.check()
    now[0] = 161.0
    with pytest.raises(LabError, match="no answer from the load for 61 s"):
        reader.check()


def test_a_stream_that_breaks_is_opened_anew_from_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_RETRY_SECONDS", 0.01)
    asked: list[int] = []

    def opened(seconds: int) -> list[bytes]:
        asked.append(seconds)
        if len(asked) == 2:
            raise LabError("the log of the load does not answer")
        return [line(100.0 + number) for number in range(len(asked))]

    reader = relay(tmp_path, now=[103.0], opened=opened)
    reader.start()
    deadline = time.monotonic() + 10
    while len(asked) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    reader.stop()
    assert asked[0] >= 600
    assert asked[1:3] == [5, 5]
    assert len(dones(tmp_path)) >= 3

"""Airflow is asked in a thread of its own until the release has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from release_values import dag_run, event, record

from airflow_rollout.cli.airflow_session import ApiUnavailable
from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import Line
from airflow_rollout.demo.poller import ReleasePoller
from airflow_rollout.release import Outcome

Answer = tuple[DagRun, list[Line]]


class Watch:
    """Give one recorded answer after the other; an exception among them is raised."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = list(answers)
        self.asked = 0
        self.record = None

    def poll(self) -> Answer:
        self.asked += 1
        found = self._answers.pop(0)
        if isinstance(found, Exception):
            raise found
        self.record = record(Outcome.ROLLED_BACK)  # type: ignore[assignment]
        return found


def polling(watch: Watch) -> ReleasePoller:
    poller = ReleasePoller(watch, poll_seconds=0.001)  # type: ignore[arg-type]
    poller.start()
    return poller


def wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_was_said_is_kept_in_order_until_the_run_has_ended() -> None:
    running = dag_run("running", ended_at=None)
    watch = Watch(
        (running, [event("one")]), (running, []), (dag_run("failed"), [event("two")])
    )  # fmt: skip
    poller = polling(watch)
    wait(lambda: poller.seen().has_ended)
    seen = poller.seen()
    assert [line.text for line in seen.lines] == ["one", "two"]
    assert seen.record == record(Outcome.ROLLED_BACK)
    assert watch.asked == 3


def test_before_the_first_answer_nothing_is_known() -> None:
    poller = ReleasePoller(Watch())  # type: ignore[arg-type]
    assert poller.seen().run is None
    assert not poller.seen().has_ended


def test_what_ends_the_asking_is_raised_where_it_is_looked_at() -> None:
    poller = polling(Watch(ApiUnavailable("gone", system="airflow")))
    with pytest.raises(ApiUnavailable, match="gone"):
        wait(lambda: poller.seen().has_ended)


def test_a_poller_that_is_stopped_asks_no_more() -> None:
    asking, go_on = threading.Event(), threading.Event()

    class Slow(Watch):
        def poll(self) -> Answer:
            asking.set()
            assert go_on.wait(20)
            return super().poll()

    watch = Slow((dag_run("running", ended_at=None), []))
    poller = polling(watch)
    assert asking.wait(20)
    poller.stop()
    go_on.set()
    wait(lambda: poller.seen().run is not None)
    assert watch.asked == 1

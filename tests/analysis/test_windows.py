"""The look-back window: what a counted check sees, and how little room it takes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from judging import counts

from airflow_rollout.analysis.counts import Interval
from airflow_rollout.analysis.windows import LookBack


def interval(end: float, requests: int, bad: int = 0) -> Interval:
    return Interval(
        start=end - 1, end=end, canary=counts(requests, bad), stable=counts(2 * requests, 0)
    )


def test_an_empty_window_holds_nothing():
    canary, stable = LookBack(60.0).total(100.0)
    assert (canary.requests, stable.requests) == (0, 0)


def test_a_window_holds_what_ended_inside_it():
    window = LookBack(60.0)
    for second in range(1, 121):
        window.add(interval(float(second), 1, second % 2))
    canary, stable = window.total(120.0)
    assert canary == counts(60, 30)
    assert stable == counts(120, 0)


def test_a_silent_source_empties_the_window():
    window = LookBack(60.0)
    window.add(interval(10.0, 7))
    assert window.total(69.9)[0].requests == 7
    assert window.total(70.0)[0].requests == 0


def test_an_interval_longer_than_the_window_is_seen_whole():
    window = LookBack(10.0)
    window.add(interval(5.0, 3))
    window.add(interval(100.0, 40))
    assert window.total(100.0)[0].requests == 40


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=300), st.floats(1.0, 60.0))
def test_a_window_is_never_shorter_and_at_most_a_slot_longer(gaps, length):
    window, end, ends = LookBack(length), 0.0, []
    for gap in gaps:
        end += gap
        ends.append(end)
        window.add(interval(end, 1))
    seen = window.total(end)[0].requests
    least = sum(1 for one in ends if one > end - length)
    most = sum(1 for one in ends if one > end - length * 1.05 - 3.0)
    assert least <= seen <= most


def test_the_state_stays_small_and_goes_on_as_before():
    window = LookBack(60.0)
    for second in range(1, 3000):
        window.add(interval(second / 10.0, 3, 1))
    text = json.dumps(window.state())
    assert len(text) < 1500
    copy = LookBack(60.0)
    copy.restore(json.loads(text))
    for one in (window, copy):
        one.add(interval(300.0, 5))
    assert copy.total(300.0) == window.total(300.0)

"""Buckets of time as counters: each counted once, none lost, none half."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.analysis.counts import Ledger
from airflow_rollout.analysis.readings import Cumulative, NoData, Value
from airflow_rollout.errors import PermanentAdapterError, SpecError
from airflow_rollout.metrics.base import Window
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import (
    BUCKET_OPTIONS,
    Buckets,
    Tally,
    count_of,
    newest,
    read_buckets,
    read_seconds,
)
from airflow_rollout.spec.model import MetricSource

BUCKETS = Buckets(seconds=10, delay_seconds=30)


def window(start: float, end: float, earliest: float = 0.0) -> Window:
    return Window(start=start, end=end, earliest=earliest)


def test_the_newest_bucket_waits_until_it_is_over_and_its_delay_has_passed() -> None:
    span = BUCKETS.closed(window(1000, 1069.9))
    assert span is not None
    assert span.end == 1030
    later = BUCKETS.closed(window(1000, 1070.0))
    assert later is not None
    assert later.end == 1040


def test_no_bucket_begins_before_the_release_was_opened() -> None:
    span = BUCKETS.closed(window(1003, 1100, earliest=1003))
    assert span is not None
    assert span.start == 1010


def test_a_late_source_is_asked_for_what_was_not_complete_before() -> None:
    span = BUCKETS.closed(window(1000, 1060))
    assert span is not None
    assert span.start == 950


def test_a_window_without_a_complete_bucket_has_none() -> None:
    assert BUCKETS.closed(window(1000, 1030, earliest=1000)) is None


def test_an_arm_without_a_bucket_of_the_others_had_no_request() -> None:
    span = BUCKETS.closed(window(1000, 1060, earliest=1000))
    assert span is not None
    reading = read_buckets({1010.0: (5, (1,))}, {1000.0: (7, (0,)), 1010.0: (9, (2,))},
                           span=span, buckets=BUCKETS)  # fmt: skip
    assert isinstance(reading, Cumulative)
    assert [one.points[0].requests for one in reading.canary] == [0, 5]
    assert [one.points[0].requests for one in reading.stable] == [7, 9]
    assert reading.at == 1020


def test_neither_arm_is_no_data() -> None:
    span = BUCKETS.closed(window(1000, 1060))
    assert span is not None
    assert isinstance(read_buckets({}, {}, span=span, buckets=BUCKETS), NoData)


def test_a_source_that_has_stopped_telling_is_no_data() -> None:
    span = BUCKETS.closed(window(1000, 1090, earliest=1000))
    assert span is not None
    told = {1000.0: (7, (0,)), 1010.0: (9, (2,))}
    assert isinstance(read_buckets(told, told, span=span, buckets=BUCKETS), NoData)
    still = {**told, 1030.0: (1, (0,))}
    assert isinstance(read_buckets(told, still, span=span, buckets=BUCKETS), Cumulative)


def test_an_open_bucket_in_the_answer_is_left_alone() -> None:
    span = BUCKETS.closed(window(1000, 1060, earliest=1000))
    assert span is not None
    reading = read_buckets({1020.0: (3, (0,)), 1030.0: (9, (9,))}, {}, span=span, buckets=BUCKETS)
    assert isinstance(reading, Cumulative)
    assert reading.at == 1030


def test_a_number_is_as_old_as_its_completion() -> None:
    reading = newest([(1060.0, 5.0), (1120.0, 6.0)], since=1000, until=1100, delay_seconds=60)
    assert reading == Value(at=1120.0, canary=5.0)


def test_the_newest_number_that_is_there_is_taken_in_any_order() -> None:
    points = [(1080.0, None), (1060.0, 5.0), (1070.0, 6.0), (1200.0, 9.0)]
    assert newest(points, since=1000, until=1100) == Value(at=1070.0, canary=6.0)


COUNTS = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda two: (max(two), (min(two),)))


@given(
    canary=st.lists(COUNTS, min_size=12, max_size=12),
    stable=st.lists(COUNTS, min_size=12, max_size=12),
    reads=st.lists(st.integers(0, 120), min_size=1, max_size=8).map(sorted),
)
def test_however_often_and_late_it_is_read_each_bucket_is_counted_once(
    canary: list[tuple[int, tuple[int, ...]]],
    stable: list[tuple[int, tuple[int, ...]]],
    reads: list[int],
) -> None:
    # Only what has been is known at a read; the source tells of every bucket, as traffic does.
    arms: list[Tally] = [{1000.0 + 10 * k: side[k] for k in range(12)} for side in (canary, stable)]
    ledger, counted = Ledger(), 0
    # The first read sees the first bucket and makes it the origin, as it is before a promote.
    for second in (10, *(max(10, one) for one in reads), 120):
        end = 1000.0 + second + BUCKETS.delay_seconds
        span = BUCKETS.closed(window(1000.0, end, earliest=1000.0))
        assert span is not None
        reading = read_buckets(arms[0], arms[1], span=span, buckets=BUCKETS)
        assert isinstance(reading, Cumulative)
        interval = ledger.feed(reading)
        assert ledger.problem == ""
        if interval is not None:
            counted += interval.canary.requests
            assert interval.canary.bad[0] <= interval.canary.requests
    assert counted == sum(requests for requests, _ in canary[1:])


@pytest.mark.parametrize(("value", "count"), [(None, 0), (7, 7), (7.0, 7), (6.9999, 7), (0, 0)])
def test_a_count_is_whole(value: object, count: int) -> None:
    assert count_of(value, name="hits", system="s") == count


@pytest.mark.parametrize("value", [-1, 2.5, float("nan"), float("inf"), "7", True, [1]])
def test_what_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(PermanentAdapterError, match="hits is"):
        count_of(value, name="hits", system="s")


def options(**given: str) -> MetricSource:
    found = tuple(given.items())
    return MetricSource(provider="p", conn_id="c", every_seconds=5.0, options=found)


@pytest.mark.parametrize("text", ["x", "0.5,0.1", "0,1", "1,1", "1,", "nan"])
def test_boundaries_have_to_rise(text: str) -> None:
    with pytest.raises(SpecError, match="boundaries"):
        read_seconds(read_source_options(options(boundaries=text), BUCKET_OPTIONS))


def test_lengths_of_time_are_read_with_or_without_their_unit() -> None:
    found = read_source_options(options(bucket="1m", delay="45"), BUCKET_OPTIONS)
    assert Buckets.of(found, seconds=10, delay_seconds=30) == Buckets(seconds=60, delay_seconds=45)

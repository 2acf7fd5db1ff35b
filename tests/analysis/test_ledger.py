"""Differencing: what a metric system answered becomes closed intervals, each counted once."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging import SOURCE, counts, cumulative, increments, point, series

from airflow_rollout.analysis.counts import Interval, Ledger
from airflow_rollout.analysis.readings import ArmCounts, Cumulative, Increments


def feed(ledger: Ledger, *readings: Cumulative | Increments) -> list[Interval | None]:
    return [ledger.feed(reading) for reading in readings]


def both(
    second: float,
    canary: tuple[int, int],
    stable: tuple[int, int],
    canary_born: float | None = None,
) -> Cumulative:
    """One scrape of both arms: (requests, bad) since the processes began."""
    at = SOURCE + second
    return cumulative(
        at,
        series(point(at, *canary), key="c", born_at=canary_born),
        series(point(at, *stable), key="s"),
    )


def test_the_first_answer_is_an_origin_and_the_second_closes_an_interval():
    first, second = feed(Ledger(), both(0, (5, 1), (90, 2)), both(1, (15, 2), (180, 2)))
    assert first is None
    assert second == Interval(
        start=SOURCE, end=SOURCE + 1, canary=counts(10, 1), stable=counts(90, 0)
    )


def test_the_same_answer_twice_counts_once():
    ledger, answer = Ledger(), both(1, (15, 2), (180, 2))
    found = feed(ledger, both(0, (5, 1), (90, 2)), answer, answer, both(0, (5, 1), (90, 2)))
    assert [one is not None for one in found] == [False, True, False, False]
    assert ledger.feed(both(2, (16, 2), (200, 2))).canary == counts(1, 0)


def test_an_interval_waits_for_the_other_arm_and_then_is_one():
    ledger = Ledger()
    at = SOURCE
    canary = [series(point(at + s, 10 * s, 0), key="c") for s in range(4)]
    stable = [series(point(at + s, 90 * s, 0), key="s") for s in range(4)]
    found = feed(
        ledger,
        cumulative(at, canary[0], stable[0]),
        cumulative(at + 1, canary[0], stable[1]),
        cumulative(at + 2, canary[0], stable[2]),
        cumulative(at + 3, canary[3], stable[3]),
    )
    assert found[:3] == [None, None, None]
    assert found[3] == Interval(start=at, end=at + 3, canary=counts(30, 0), stable=counts(270, 0))


def test_several_new_points_of_a_series_close_one_interval():
    ledger = Ledger()
    ledger.feed(both(0, (0, 0), (0, 0)))
    canary = series(*(point(SOURCE + s, 10 * s, s) for s in range(1, 6)), key="c")
    stable = series(*(point(SOURCE + s + 0.5, 90 * s, 0) for s in range(1, 6)), key="s")
    interval = ledger.feed(cumulative(SOURCE + 6, canary, stable))
    assert interval.canary == counts(50, 5)
    assert interval.stable == counts(450, 0)
    assert interval.end == SOURCE + 5.5


def test_points_before_the_last_one_are_ignored():
    ledger = Ledger()
    feed(ledger, both(0, (0, 0), (0, 0)), both(5, (50, 5), (450, 0)))
    canary = series(point(SOURCE + 3, 30, 3), point(SOURCE + 6, 60, 6), key="c")
    stable = series(point(SOURCE + 3, 270, 0), point(SOURCE + 6, 540, 0), key="s")
    interval = ledger.feed(cumulative(SOURCE + 6, canary, stable))
    assert (interval.canary, interval.stable) == (counts(10, 1), counts(90, 0))


@pytest.mark.parametrize(
    ("after", "counted"),
    [
        ((4, 3), counts(4, 3)),
        ((0, 0), counts(0, 0)),
        ((120, 7), counts(20, 5)),
    ],
    ids=["fewer requests: a restart", "nothing yet", "no restart"],
)
def test_a_decrease_is_a_reset(after, counted):
    ledger = Ledger()
    feed(ledger, both(0, (0, 0), (0, 0)), both(1, (100, 2), (900, 0)))
    assert ledger.feed(both(2, after, (1800, 0))).canary == counted


def test_a_process_born_after_the_last_point_counts_from_zero():
    ledger = Ledger()
    feed(ledger, both(0, (0, 0), (0, 0)), both(1, (5, 1), (900, 0)))
    restarted = both(2, (7, 6), (1800, 0), canary_born=SOURCE + 1.5)
    assert ledger.feed(restarted).canary == counts(7, 6)


def test_a_single_counter_that_fell_was_reset_alone_and_stays_within_its_requests():
    ledger = Ledger()
    feed(ledger, both(0, (0, 0), (0, 0)), both(1, (100, 50), (900, 0)))
    assert ledger.feed(both(2, (110, 3), (1800, 0))).canary == counts(10, 3)
    assert ledger.feed(both(3, (112, 2), (1900, 0))).canary == counts(2, 2)


@pytest.mark.parametrize(
    ("born", "counted"),
    [
        (SOURCE + 0.5, counts(7, 3)),
        (SOURCE, counts(7, 3)),
        (SOURCE - 100, counts(0, 0)),
        (None, counts(0, 0)),
    ],
    ids=["born while observed", "born at the first answer", "older than that", "age unknown"],
)
def test_an_unseen_series_counts_from_zero_only_if_it_was_born_while_observed(born, counted):
    ledger = Ledger()
    at = SOURCE
    ledger.feed(cumulative(at, (), series(point(at, 900, 0), key="s")))
    new = series(point(at + 1, 7, 3), key="new", born_at=born)
    interval = ledger.feed(cumulative(at + 1, new, series(point(at + 1, 990, 0), key="s")))
    assert interval.canary == counted
    assert interval.stable == counts(90, 0)


def test_an_arm_without_series_holds_nothing_up():
    ledger = Ledger()
    at = SOURCE
    ledger.feed(cumulative(at, (), series(point(at, 900, 0), key="s")))
    interval = ledger.feed(cumulative(at + 1, (), series(point(at + 1, 990, 0), key="s")))
    assert interval.canary == counts(0, 0)
    assert interval.stable == counts(90, 0)


def test_a_series_that_vanished_holds_nothing_up_and_comes_back_complete():
    ledger = Ledger()
    at = SOURCE
    one = [series(point(at + s, 10 * s, 0), key="one") for s in range(4)]
    two = [series(point(at + s, 20 * s, s), key="two") for s in range(4)]
    stable = [series(point(at + s, 90 * s, 0), key="s") for s in range(4)]
    feed(ledger, cumulative(at, (one[0], two[0]), stable[0]))
    assert ledger.feed(cumulative(at + 1, (one[1],), stable[1])).canary == counts(10, 0)
    assert ledger.feed(cumulative(at + 2, (one[2],), stable[2])).canary == counts(10, 0)
    assert ledger.feed(cumulative(at + 3, (one[3], two[3]), stable[3])).canary == counts(70, 3)


def test_a_slower_series_is_waited_for_but_a_dead_one_is_not():
    ledger = Ledger()
    at = SOURCE
    dead = series(point(at, 10, 0), key="dead")
    alive = [series(point(at + s, 10 * s, 0), key="alive") for s in range(5)]
    stable = [series(point(at + s, 90 * s, 0), key="s") for s in range(5)]
    ledger.feed(cumulative(at, (alive[0], dead), stable[0]))
    assert ledger.feed(cumulative(at + 1, (alive[1], dead), stable[1])) is None
    interval = ledger.feed(cumulative(at + 2, (alive[2], dead), stable[2]))
    assert (interval.canary, interval.stable) == (counts(20, 0), counts(180, 0))
    # Known to be dead, it is not waited for again, until it moves.
    saved = json.loads(json.dumps(ledger.state()))
    ledger = Ledger()
    ledger.restore(saved)
    assert ledger.feed(cumulative(at + 3, (alive[3], dead), stable[3])).canary == counts(10, 0)
    back = series(point(at + 4, 14, 1), key="dead")
    assert ledger.feed(cumulative(at + 4, (alive[4], back), stable[4])).canary == counts(14, 1)


def test_a_dead_series_is_waited_for_again_once_it_moved():
    ledger = Ledger()
    at = SOURCE
    other = [series(point(at + s, 10 * s, 0), key="other") for s in range(5)]
    alive = [series(point(at + s, 10 * s, 0), key="alive") for s in range(5)]
    stable = [series(point(at + s, 90 * s, 0), key="s") for s in range(5)]
    seen = [(0, 0), (1, 0), (2, 0), (3, 3), (4, 3)]
    closed = [
        ledger.feed(cumulative(at + i, (alive[i], other[j]), stable[i])) is not None
        for i, j in seen
    ]
    assert closed == [False, False, True, True, False]


def test_more_bad_requests_than_requests_are_cut_to_a_part_of_the_whole():
    ledger = Ledger()
    feed(ledger, both(0, (0, 0), (0, 0)))
    assert ledger.feed(both(1, (5, 9), (90, 0))).canary == counts(5, 5)


def test_closed_intervals_are_taken_as_they_are_and_once():
    ledger = Ledger()
    one = increments(1, counts(10, 1), counts(90, 0))
    two = increments(2, counts(11, 0), counts(89, 2))
    found = feed(ledger, one, one, two, one)
    assert [None if i is None else (i.canary, i.stable) for i in found] == [
        (counts(10, 1), counts(90, 0)),
        None,
        (counts(11, 0), counts(89, 2)),
        None,
    ]


def test_overlapping_intervals_are_refused_with_their_times():
    ledger = Ledger()
    feed(ledger, increments(10, counts(10, 1), counts(90, 0), length=10))
    assert ledger.feed(increments(15, counts(10, 1), counts(90, 0), length=10)) is None
    assert "overlaps" in ledger.problem
    ledger.feed(increments(20, counts(10, 1), counts(90, 0), length=10))
    assert ledger.problem == ""


def test_boundaries_that_change_in_mid_release_are_refused():
    ledger = Ledger()
    first = cumulative(SOURCE, series(point(SOURCE, 5, 1, 0)), (), (0.1, 0.5))
    other = cumulative(SOURCE + 1, series(point(SOURCE + 1, 9, 1, 0)), (), (0.1, 0.7))
    assert feed(ledger, first, other) == [None, None]
    assert "boundaries changed" in ledger.problem


def test_counts_that_do_not_fit_the_boundaries_are_refused():
    ledger = Ledger()
    ledger.feed(cumulative(SOURCE, series(point(SOURCE, 5, 1, 0, 0)), (), (0.1, 0.5)))
    assert ledger.problem == "the answer holds 3 counts for 2 boundaries"


def test_series_gone_for_long_are_forgotten():
    ledger = Ledger()
    at = SOURCE
    old = series(point(at, 10, 0), key="old")
    ledger.feed(cumulative(at, (series(point(at, 0, 0), key="c"), old), ()))
    ledger.feed(cumulative(at + 1, series(point(at + 1, 5, 0), key="c"), ()))
    assert "old" in json.dumps(ledger.state())
    ledger.feed(cumulative(at + 700, series(point(at + 700, 9, 0), key="c"), ()))
    assert "old" not in json.dumps(ledger.state())


def test_long_keys_cost_no_room_and_stay_apart():
    ledger = Ledger()
    at = SOURCE
    long = [f"{{instance=router,method=GET,code={code},{'x' * 400}}}" for code in (200, 500)]
    for s in range(2):
        ledger.feed(
            cumulative(
                at + s,
                tuple(
                    series(point(at + s, 10 * s * (i + 1), 0), key=k) for i, k in enumerate(long)
                ),
                series(point(at + s, 90 * s, 0), key="s"),
            )
        )
    assert len(json.dumps(ledger.state())) < 600
    assert len(ledger.state()["arms"][0]["last"]) == 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 30), st.data())
def test_nothing_is_lost_or_counted_twice_whatever_is_repeated_missed_or_saved(seed, length, data):
    """Whatever was scraped, the closed intervals and what is pending add up to the counters."""
    rng = random.Random(seed)
    ledger, totals, closed = Ledger(), {"c": [0, 0], "s": [0, 0]}, []
    answers: list[Cumulative] = []
    for second in range(length):
        for arm in totals.values():
            new = rng.randrange(50)
            arm[0] += new
            arm[1] += rng.randrange(new + 1)
        at = SOURCE + second
        canary = series(point(at, *totals["c"]), key="c")
        stable = series(point(at, *totals["s"]), key="s")
        if second == 0:
            origin = {name: list(total) for name, total in totals.items()}
        elif data.draw(st.booleans(), label="canary's scrape is missing"):
            canary = answers[-1].canary[0]
        answers.append(cumulative(at, canary, stable))
        repeats = data.draw(st.integers(1, 2), label="times fed")
        again = rng.choice(answers)
        for answer in [*[answers[-1]] * repeats, again]:
            closed.append(ledger.feed(answer))
            saved = json.loads(json.dumps(ledger.state()))
            ledger = Ledger()
            ledger.restore(saved)
    intervals = [one for one in closed if one is not None]
    ends = [one.end for one in intervals]
    assert ends == sorted(set(ends))
    for side, name in (("canary", "c"), ("stable", "s")):
        arm = ledger.state()["arms"][0 if name == "c" else 1]
        last = arm["last"][name]
        sums = [sum(getattr(i, side).requests for i in intervals) + arm["pending"][0]]
        sums.append(sum(getattr(i, side).bad[0] for i in intervals) + sum(arm["pending"][1:]))
        assert sums == [last[1] - origin[name][0], last[2] - origin[name][1]]
        assert all(isinstance(getattr(i, side), ArmCounts) for i in intervals)

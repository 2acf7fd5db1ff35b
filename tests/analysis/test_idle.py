"""Little traffic: what stable did while the canary had no request is not lost."""

from __future__ import annotations

import json
import random
import statistics
from dataclasses import replace

import pytest
from judging import (
    HTTP_500,
    SOURCE,
    SUCCESS,
    WRITTEN,
    counts,
    cumulative,
    flagger,
    native,
    point,
    series,
    step,
    through_json,
)

from airflow_rollout.analysis.counts import Interval
from airflow_rollout.analysis.idle import IdleStable
from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.verdict import Verdict

PARAMS = flagger(SUCCESS, interval_seconds=1e6)


class Counters:
    """A router's counters, from which a judge is fed second by second."""

    def __init__(self, judge: Judge, name: str = SUCCESS.name) -> None:
        self.judge = judge
        self.name = name
        self.second = 0
        self.totals = [0, 0, 0, 0]
        self.feed()

    def feed(self, canary: int = 0, bad: int = 0, stable: int = 0, stable_bad: int = 0) -> float:
        new = (canary, bad, stable, stable_bad)
        self.totals = [a + b for a, b in zip(self.totals, new, strict=True)]
        at = SOURCE + self.second
        self.judge.feed(
            self.name,
            cumulative(
                at, series(point(at, *self.totals[:2]), key="c"),
                series(point(at, *self.totals[2:]), key="s"),
            ),
        )  # fmt: skip
        self.second += 1
        return self.judge.evidence


def interval(second: float, *, canary: int = 0, stable: int = 5, bad: int = 0) -> Interval:
    return Interval(
        start=second - 1, end=second, canary=counts(canary, 0), stable=counts(stable, bad)
    )


def test_stable_waits_for_the_canarys_next_request():
    idle = IdleStable()
    for second in (1, 2, 3):
        idle.keep(interval(second, bad=1))
    assert idle.added_to(interval(4, canary=1)) == counts(20, 3)
    assert idle.added_to(interval(5, canary=1)) == counts(5, 0)


def test_nothing_waits_for_longer_than_a_minute():
    idle = IdleStable()
    for second in range(1, 71):
        idle.keep(interval(second))
    # Forgotten once at 60 s, kept anew since: ten seconds and this one.
    assert idle.added_to(interval(71, canary=1)).requests == 55
    idle.keep(interval(100))
    assert idle.added_to(interval(200, canary=1)).requests == 5


def test_what_waits_survives_json():
    idle, again = IdleStable(), IdleStable()
    idle.keep(interval(1, bad=2))
    again.restore(json.loads(json.dumps(idle.state())))
    assert again.added_to(interval(2, canary=1)) == counts(10, 2)
    again.restore(IdleStable().state())
    assert again.added_to(interval(3, canary=1)) == counts(5, 0)


def test_a_bad_request_after_quiet_seconds_weighs_more():
    quiet, alone = Counters(Judge(PARAMS, step())), Counters(Judge(PARAMS, step()))
    for counters in (quiet, alone):
        counters.feed(1, 0, 9, 0)
    for _ in range(5):
        quiet.feed(0, 0, 5, 0)
    assert quiet.feed(1, 1, 5, 0) > 1.5 * alone.feed(1, 1, 5, 0)


def test_what_stable_did_before_the_canary_could_have_had_a_request_does_not_wait():
    """The first interval, and the one in which the weight changed, reach back before the write."""
    first = Counters(Judge(PARAMS, step()))
    first.feed(0, 0, 1000, 0)
    plain = Counters(Judge(PARAMS, step()))
    plain.feed(0, 0, 1, 0)
    assert first.feed(1, 1, 9, 0) == pytest.approx(plain.feed(1, 1, 9, 0))

    def at_the_next_weight(quiet: int) -> float:
        gate = Counters(Judge(PARAMS, step()))
        gate.feed(1, 0, 9, 0)
        gate.feed(0, 0, quiet, 0)
        gate.judge = Judge(PARAMS, step("step_02"), gate.judge.state())
        gate.feed(0, 0, 500, 0)
        return gate.feed(1, 1, 9, 0)

    assert at_the_next_weight(40) == pytest.approx(at_the_next_weight(1))


def seconds_to_stop(seed: int, share: float) -> int:
    """One request a second, a tenth the canary's, asked every second; 20 % of its own are bad."""
    draw, counters = random.Random(seed), Counters(Judge(PARAMS, step()))
    counters.feed(1, 0, 9, 0)
    for second in range(1, 1800):
        arms = [0, 0, 0, 0]
        for _ in range(sum(draw.random() < 0.1 for _ in range(10))):
            is_canary = draw.random() < 0.1
            arms[0 if is_canary else 2] += 1
            arms[1 if is_canary else 3] += draw.random() < (share if is_canary else 0.005)
        if counters.feed(*arms) >= 100.0:
            return second
    return 1800


def test_little_traffic_is_judged_nearly_as_fast_every_second_as_every_quarter_minute():
    found = [seconds_to_stop(seed, 0.2) for seed in range(40)]
    # Without waiting the median is above ten minutes.
    assert statistics.median(found) < 400
    assert statistics.median(seconds_to_stop(seed, 1.0) for seed in range(40)) < 80


def test_little_healthy_traffic_is_not_stopped():
    assert sum(seconds_to_stop(seed, 0.005) < 1800 for seed in range(25)) <= 1


def test_a_judge_says_the_same_after_a_restart_in_a_quiet_second():
    whole, parts = Counters(Judge(PARAMS, step())), Counters(Judge(PARAMS, step()))
    for counters in (whole, parts):
        counters.feed(1, 0, 9, 0)
        counters.feed(0, 0, 5, 1)
    parts.judge = Judge(PARAMS, step(), json.loads(json.dumps(parts.judge.state())))
    assert parts.feed(1, 1, 5, 0) == whole.feed(1, 1, 5, 0)
    assert parts.judge.assess(WRITTEN + 4) == whole.judge.assess(WRITTEN + 4)


# --- a canary that has fallen silent ---


def silent_for(seconds: int, *, canary: int = 5) -> tuple[Judge, Counters]:
    """Return a step of a minute whose canary had requests for half of it, and then none."""
    rate = replace(HTTP_500, compare=False, guardrail=None)
    judge = Judge(native(rate, min_requests=10), step(hold_seconds=60, deadline_seconds=300))
    counters = Counters(judge, name=rate.name)
    for _ in range(30):
        counters.feed(canary, stable=45)
    for _ in range(seconds):
        counters.feed(stable=45)
    return judge, counters


@pytest.mark.parametrize("seconds", [35, 62, 100, 200])
def test_a_canary_that_fell_silent_while_stable_did_not_does_not_pass(seconds):
    judge, counters = silent_for(seconds)
    told = judge.assess(WRITTEN + 30 + seconds)
    assert (told.verdict, told.ends) == (Verdict.NO_DATA, False)
    assert f"no canary request any more, where {5 * seconds} were to be expected" in told.reason
    counters.feed(1, stable=45)
    assert judge.assess(WRITTEN + 31 + seconds).verdict is Verdict.PASS


def test_a_canary_that_stays_silent_ends_the_release_at_the_deadline():
    judge, _ = silent_for(275)
    told = judge.assess(WRITTEN + 305)
    assert (told.verdict, told.ends) == (Verdict.NO_DATA, True)


def test_a_canary_with_few_requests_may_have_none_for_a_while():
    judge, _ = silent_for(19, canary=1)
    assert judge.assess(WRITTEN + 60).verdict is Verdict.PASS


def test_another_process_knows_how_long_a_canary_has_been_silent():
    judge, _ = silent_for(35)
    told = Judge(judge._params, judge._context, through_json(judge)).assess(WRITTEN + 65)
    assert "no canary request any more, where 175 were to be expected" in told.reason

from __future__ import annotations

import time

from airflow_rollout.record import Attempt, Checkpoint, StepStart
from airflow_rollout.release import Arm, Token
from airflow_rollout.triggers.clock import Clock, rebased

HOUR = 3600.0
WRITTEN = 1_000_000.0


def start() -> StepStart:
    attempt = Attempt(
        token=Token(epoch="e", owner="o", digest="d"),
        canary=Arm(version="v2", target="http://c"),
        stable=Arm(version="v1", target="http://s"),
        opened_at=WRITTEN - 5,
    )
    return StepStart(
        attempt=attempt,
        step_id="step_01",
        weight=10,
        written_at=WRITTEN,
        release_started_at=WRITTEN,
    )


def checkpoint(at: float) -> Checkpoint:
    return Checkpoint(epoch="e", step_id="step_01", at=at, state={})


def test_hold_counts_from_the_write_when_the_gate_starts_soon_after() -> None:
    assert rebased(start(), None, WRITTEN + 2.5).written_at == WRITTEN


def test_clock_that_is_an_hour_ahead_lets_no_hold_pass_unseen() -> None:
    assert rebased(start(), None, WRITTEN + HOUR).written_at == WRITTEN + HOUR


def test_moved_gate_counts_the_time_it_was_away() -> None:
    assert rebased(start(), checkpoint(WRITTEN + 20), WRITTEN + 44).written_at == WRITTEN


def test_of_a_long_gap_only_a_minute_counts() -> None:
    now = WRITTEN + 20 + HOUR
    moved = rebased(start(), checkpoint(WRITTEN + 20), now)
    assert now - moved.written_at == 20 + 60


def test_release_started_at_is_left_as_it_was() -> None:
    assert rebased(start(), None, WRITTEN + HOUR).release_started_at == WRITTEN


def test_clock_of_a_machine_that_is_behind_goes_on_where_the_release_was() -> None:
    ahead = time.time() + HOUR
    clock = Clock(not_before=ahead)
    first, second = clock.now(), clock.now()
    assert ahead <= first <= second < ahead + 60


def test_clock_is_the_wall_clock_when_nothing_was_later() -> None:
    before = time.time()
    now = Clock(not_before=before - HOUR).now()
    assert before - 1 <= now <= time.time() + 1

"""The fence holds under every order of events that the machine finds."""

from __future__ import annotations

from fence_story import play
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Longer schedules meet more at once; what is left undone when one ends is played out in turn.
_LENGTH = 60

schedules = st.binary(min_size=_LENGTH, max_size=_LENGTH)

thorough = settings(
    max_examples=10_000,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@thorough
@given(schedule=schedules)
def test_a_router_with_conditional_writes_never_rises_after_an_abort(schedule: bytes) -> None:
    play(schedule, conditional=True)


@thorough
@given(schedule=schedules)
def test_a_router_that_writes_on_anything_comes_to_rest_safe(schedule: bytes) -> None:
    play(schedule, conditional=False)

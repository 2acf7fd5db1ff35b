"""Without any one of its rules the fence breaks, and the machine finds out.

Each mutation takes one rule away; the schedules that the real rules survive must then meet a
broken promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from fence_model import Violation
from fence_story import play

from airflow_rollout import release
from airflow_rollout.hooks import moves
from airflow_rollout.release import Decision, ReleaseState, Token, TrafficSplit

_BUDGET = 3_000
_LENGTH = 60

Decide = Callable[..., Decision]


def schedules() -> Iterator[bytes]:
    """Yield the same random schedules in every run."""
    random = Random(1)
    for _ in range(_BUDGET):
        yield random.randbytes(_LENGTH)


def found_by(*, conditional: bool) -> str:
    """Return the first broken promise, empty if every schedule keeps them all."""
    for schedule in schedules():
        try:
            play(schedule, conditional=conditional)
        except Violation as violation:
            return str(violation)
    return ""


def without_seal(decide: Decide) -> Decide:
    """A sealed record counts as open."""

    def mutated(found: TrafficSplit | None, **asked: Any) -> Decision:
        if found is not None and found.state is ReleaseState.SEALED:
            found = replace(found, state=ReleaseState.OPEN)
        return decide(found, **asked)

    return mutated


def without_epoch(decide: Decide) -> Decide:
    """Any attempt of the owner's counts as one's own."""

    def mutated(found: TrafficSplit | None, *, token: Token, **asked: Any) -> Decision:
        if found is not None and found.token.owner == token.owner:
            found = replace(found, token=token)
        return decide(found, token=token, **asked)

    return mutated


def without_owner(decide: Decide) -> Decide:
    """Any release's split counts as one's own."""

    def mutated(found: TrafficSplit | None, *, token: Token, **asked: Any) -> Decision:
        if found is not None:
            found = replace(found, token=token)
        return decide(found, token=token, **asked)

    return mutated


def without_expected_weight(decide: Decide) -> Decide:
    """Any weight counts as what the step before left."""

    def mutated(found: TrafficSplit | None, *, previous_weight: int, **asked: Any) -> Decision:
        weight = previous_weight if found is None else found.weight
        return decide(found, previous_weight=weight, **asked)

    return mutated


def without_arms(decide: Decide) -> Decide:
    """Any canary counts as the one that this release brought."""

    def mutated(found: TrafficSplit | None, *, canary: Any, **asked: Any) -> Decision:
        if found is not None and found.state is not ReleaseState.RELEASED:
            canary = found.canary
        return decide(found, canary=canary, **asked)

    return mutated


def without_full_weight(decide: Decide) -> Decide:
    """The canary may become stable at any weight."""

    def mutated(found: TrafficSplit | None, **asked: Any) -> Decision:
        if found is not None and found.state is ReleaseState.OPEN:
            found = replace(found, weight=100)
        return decide(found, **asked)

    return mutated


def without_later_steps(decide: Decide) -> Decide:
    """A gate that wakes up late stops whatever it finds."""

    def mutated(found: TrafficSplit | None, **asked: Any) -> Decision:
        return decide(found, **{**asked, "later_steps": ()})

    return mutated


def without_busy(decide: Decide) -> Decide:
    """Another open release does not keep one from opening."""

    def mutated(found: TrafficSplit | None, **asked: Any) -> Decision:
        if found is not None and found.token.owner != asked["token"].owner:
            found = replace(found, state=ReleaseState.SEALED)
        return decide(found, **asked)

    return mutated


def without_attempt(decide: Decide) -> Decide:
    """An earlier attempt that was asleep may open over a later one."""

    def mutated(found: TrafficSplit | None, *, token: Token, **asked: Any) -> Decision:
        return decide(found, token=replace(token, attempt=100), **asked)

    return mutated


def abort_anything(decide: Decide) -> Decide:
    """An abort stops whatever it finds."""

    def mutated(found: TrafficSplit | None, **asked: Any) -> Decision:
        if found is not None:
            asked = {**asked, "epoch": found.token.epoch}
        return decide(found, **asked)

    return mutated


@pytest.mark.parametrize(
    ("name", "mutate", "broken"),
    [
        ("decide_raise", without_seal, "opened what was aborted"),
        ("decide_raise", without_epoch, "changed another release's split"),
        ("decide_raise", without_owner, "changed another release's split"),
        ("decide_raise", without_expected_weight, "rose from what the step before did not leave"),
        ("decide_raise", without_arms, "a canary that is not its own"),
        ("decide_promotion", without_arms, "a canary that is not its own"),
        ("decide_promotion", without_epoch, "said promoted, and nothing was"),
        ("decide_promotion", without_full_weight, "what did not carry all traffic"),
        ("decide_stay", without_full_weight, "left traffic on what did not carry all"),
        ("decide_abort", without_later_steps, "stopped a later step than its own"),
        ("decide_abort", abort_anything, "wrote for another"),
        ("decide_open", without_busy, "opened while another release was open"),
        ("decide_open", without_attempt, "opened over a later attempt"),
    ],
)
def test_without_one_rule_a_promise_breaks(
    name: str, mutate: Callable[[Decide], Decide], broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, name, mutate(getattr(release, name)))
    assert broken in found_by(conditional=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("QUICK_SECONDS", float("inf"), id="no slow raise is taken back"),
        pytest.param("SETTLE_SECONDS", -1.0, id="a rollback looks once"),
    ],
)
def test_where_writes_land_on_anything_every_precaution_is_needed(
    name: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, name, value)
    assert "rests" in found_by(conditional=False)

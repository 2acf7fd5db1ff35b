"""A router that takes any write: what lands late is found, taken back or never claimed."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from fence_model import Actor, At, Network

from airflow_rollout.errors import ReleaseRefused, TransientAdapterError
from airflow_rollout.hooks.moves import abort, make_stable, open_release, persist, raise_weight
from airflow_rollout.hooks.way_back import go_back
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit

V1 = Arm(version="v1", target="http://127.0.0.1:1")
V2 = Arm(version="v2", target="http://127.0.0.1:2")
V3 = Arm(version="v3", target="http://127.0.0.1:3")
MINE = Token(epoch="mine", owner="shop/run", digest="d")
OTHER = Token(epoch="other", owner="shop/other", digest="d")

OPENED = TrafficSplit(
    service="shop", stable=V1, canary=V2, weight=0, state=ReleaseState.OPEN, token=MINE
)  # fmt: skip
SEALED = replace(OPENED, state=ReleaseState.SEALED, reason="stopped")
OTHERS = replace(OPENED, canary=V3, token=OTHER)


class Scene:
    """One network and who is at work on it."""

    def __init__(self, split: TrafficSplit | None, *, conditional: bool = False) -> None:
        self.network = Network(split, conditional=conditional)
        self.removed: list[Arm] = []
        self.network.on_removal = lambda actor, canary: self.removed.append(canary)
        self.exposed_seconds = 0.0

    def start(self, what: str, work: Any) -> Actor:
        """Start what `work` makes of an actor's view of the router."""
        actor = Actor(name=what, what=what, owner=MINE.owner, epoch=MINE.epoch)
        return self.network.start(actor, work(self.network.systems(actor)))

    def raising(self, weight: int = 10) -> Actor:
        return self.start(
            "raise",
            lambda systems: raise_weight(
                systems, token=MINE, canary=V2, weight=weight, previous_weight=0,
                step="step_01", timer=self.network.timer(),
            ),
        )  # fmt: skip

    def promoting(self) -> Actor:
        return self.start(
            "stable",
            lambda systems: make_stable(
                systems, token=MINE, canary=V2, timer=self.network.timer()
            ),
        )  # fmt: skip

    def going_back(self) -> Actor:
        def persisted(systems: Any) -> Coroutine[Any, Any, Any]:
            timer = self.network.timer()
            return persist(
                lambda: go_back(systems, owner=MINE.owner, reason="stopped", timer=timer),
                seconds=60.0, on_error=lambda text: None, timer=timer,
            )  # fmt: skip

        return self.start("back", persisted)

    def step(self, actor: Actor, *places: At) -> None:
        """Let an actor go on from each of these places."""
        for place in places:
            assert actor.park.at is place
            self.network.go_on(actor)

    def land(self) -> None:
        """Let the oldest write on its way arrive."""
        self.network.land(self.network.flights[0])

    def pass_time(self, seconds: float) -> None:
        self.network.tick(self.network.now + seconds)

    def rest(self) -> TrafficSplit:
        """Let all come to rest; what is sent lands at once."""
        network = self.network
        while True:
            ready = [actor for actor in network.actors if network.ready(actor)]
            moment = network.next_moment()
            if network.flights:
                self.land()
            elif ready:
                network.go_on(ready[0])
            elif moment is not None:
                self._wait(moment)
            else:
                break
        assert network.split is not None
        return network.split

    def _wait(self, moment: float) -> None:
        if self.network.split is not None and self.network.split.weight:
            self.exposed_seconds += moment - self.network.now
        self.network.tick(moment)


def refused(actor: Actor) -> str:
    assert isinstance(actor.error, ReleaseRefused), actor.error
    return actor.error.reason


def test_a_raise_that_lands_behind_the_seal_has_traffic_for_less_than_three_seconds() -> None:
    scene = Scene(OPENED)
    raising = scene.raising()
    scene.step(raising, At.READ, At.SEND)
    late = scene.network.flights[0]
    back = scene.going_back()
    scene.step(back, At.READ, At.SEND)
    scene.network.land(scene.network.flights[1])
    scene.step(back, At.ANSWER, At.READ)
    scene.network.land(late)
    assert scene.network.split == replace(OPENED, weight=10, step="step_01")
    scene.network.kill(raising)
    assert scene.rest() == SEALED
    assert 0 < scene.exposed_seconds < 3
    assert back.result.split == SEALED
    assert scene.removed == [V2]


def test_a_rollback_ends_only_after_looks_that_reach_beyond_any_write_on_its_way() -> None:
    scene = Scene(SEALED)
    back = scene.going_back()
    scene.rest()
    assert (back.error, scene.removed) == (None, [V2])
    assert scene.network.now > 2.0 + 2.0, "a quick write's time and its way"


def test_a_raise_that_slept_through_a_rollback_takes_itself_back() -> None:
    scene = Scene(OPENED)
    raising = scene.raising()
    scene.step(raising, At.READ)
    raising.frozen = True
    scene.going_back()
    assert scene.rest() == SEALED
    raising.frozen = False
    scene.step(raising, At.SEND)
    scene.land()
    after = scene.rest()
    assert (after.weight, after.state) == (0, ReleaseState.SEALED)
    assert "too long to be sure that nobody aborted" in refused(raising)
    assert scene.exposed_seconds < 1


def test_a_slow_raise_whose_answer_is_lost_takes_itself_back_wherever_it_is() -> None:
    scene = Scene(OPENED)
    raising = scene.raising()
    scene.step(raising, At.READ)
    scene.pass_time(3.0)
    scene.step(raising, At.SEND)
    flight = scene.network.flights[0]
    scene.network.silence(flight)
    scene.step(raising, At.ANSWER, At.READ, At.SEND)
    scene.network.land(scene.network.flights[1])
    scene.network.land(flight)
    after = scene.rest()
    assert (after.weight, after.state) == (0, ReleaseState.SEALED)
    assert "the write took 3.0 s" in refused(raising)


def test_a_quick_raise_whose_answer_is_lost_is_worth_another_try() -> None:
    scene = Scene(OPENED)
    raising = scene.raising()
    scene.step(raising, At.READ, At.SEND)
    scene.network.silence(scene.network.flights[0])
    assert scene.rest().weight == 10
    assert isinstance(raising.error, TransientAdapterError)
    again = scene.raising()
    scene.rest()
    assert again.result.reason == "already there"


def test_a_raise_that_reads_back_something_else_does_not_count_as_success() -> None:
    scene = Scene(OPENED)
    raising = scene.raising()
    scene.step(raising, At.READ, At.SEND)
    scene.land()
    scene.network.split = SEALED
    scene.step(raising, At.ANSWER)
    assert scene.rest() == SEALED
    assert "somebody else changed the record" in refused(raising)


def test_a_raise_that_lands_on_another_releases_split_is_found_by_its_own_rollback() -> None:
    scene = Scene(OPENED)
    raising = scene.raising()
    scene.step(raising, At.READ, At.SEND)
    scene.network.split = OTHERS
    back = scene.going_back()
    scene.step(back, At.READ)
    scene.land()
    scene.network.kill(raising)
    after = scene.rest()
    assert (after.token, after.weight, after.state) == (MINE, 0, ReleaseState.SEALED)
    assert back.result.split == after


def test_a_rollback_that_finds_another_release_leaves_it_alone() -> None:
    scene = Scene(replace(OTHERS, weight=30))
    back = scene.going_back()
    assert scene.rest() == replace(OTHERS, weight=30)
    assert back.result.wrote is False
    assert scene.removed == []


def test_a_promotion_that_lands_on_the_seal_is_taken_back_and_the_canary_goes_last() -> None:
    full = replace(OPENED, weight=100)
    scene = Scene(full)
    promoting = scene.promoting()
    scene.step(promoting, At.READ, At.SEND)
    promotion = scene.network.flights[0]
    back = scene.going_back()
    scene.step(back, At.READ, At.SEND)
    scene.network.land(scene.network.flights[1])
    scene.network.land(promotion)
    assert scene.network.split is not None
    assert scene.network.split.state is ReleaseState.RELEASED
    assert scene.rest() == SEALED
    assert scene.removed == [V2]
    assert "was stopped (stopped)" in refused(promoting)


def test_a_slow_promotion_takes_itself_back_although_the_router_does_not_answer_at_first() -> None:
    scene = Scene(replace(OPENED, weight=100))
    promoting = scene.promoting()
    scene.step(promoting, At.READ)
    promoting.frozen = True
    scene.going_back()
    assert scene.rest().state is ReleaseState.SEALED
    promoting.frozen = False
    scene.step(promoting, At.SEND)
    scene.land()
    scene.step(promoting, At.ANSWER)
    scene.network.drive(promoting, TransientAdapterError("timed out", system="router"))
    after = scene.rest()
    assert (after.state, after.stable, after.weight) == (ReleaseState.SEALED, V1, 0)
    assert "too long to be sure" in refused(promoting)


def test_a_promotion_says_its_word_only_when_no_abort_can_land_any_more() -> None:
    scene = Scene(replace(OPENED, weight=100))
    aborting = scene.start(
        "gate", lambda systems: abort(systems, epoch="mine", owner="shop/run", reason="FAIL")
    )
    scene.step(aborting, At.READ, At.SEND)
    seal = scene.network.flights[0]
    promoting = scene.promoting()
    scene.step(promoting, At.READ, At.SEND)
    scene.network.land(scene.network.flights[1])
    scene.step(promoting, At.ANSWER, At.READ)
    assert promoting.park.at is At.PAUSE
    scene.network.land(seal)
    assert scene.rest().state is ReleaseState.SEALED
    assert "this attempt was stopped (FAIL)" in refused(promoting)


def test_an_opening_that_another_one_landed_on_is_refused() -> None:
    scene = Scene(SEALED)
    opening = scene.start(
        "open",
        lambda systems: open_release(systems, service="shop", token=OTHER, canary=V3),
    )
    scene.step(opening, At.READ, At.SEND)
    scene.land()
    scene.network.split = replace(OTHERS, token=replace(OTHER, epoch="third"))
    scene.step(opening, At.ANSWER)
    scene.rest()
    assert "somebody else changed the record" in refused(opening)


@pytest.mark.parametrize("split", [SEALED, replace(OPENED, weight=10), OTHERS])
def test_where_writes_are_conditional_nobody_waits(split: TrafficSplit) -> None:
    scene = Scene(split, conditional=True)
    back = scene.going_back()
    scene.rest()
    assert (back.error, scene.network.now) == (None, 0.0)


def test_where_writes_are_conditional_a_slow_raise_needs_no_way_back() -> None:
    scene = Scene(OPENED, conditional=True)
    raising = scene.raising()
    scene.step(raising, At.READ)
    scene.pass_time(60.0)
    assert scene.rest().weight == 10
    assert raising.result.wrote is True

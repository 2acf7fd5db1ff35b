"""Releases that somebody disturbs while they are judged: on a real node, by a real Airflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from afterwards import failed_of, is_promoted, is_rolled_back, is_untouched
from broken_scenes import RIGHTS_AWAY_SECONDS
from images import image
from release_scenes import Played
from shop_dags import HASTY

from airflow_rollout.release import Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

# The watch looks every four seconds; on two busy cores a look may take a while.
_SEEN_SECONDS = 5.0
_BUSY_SECONDS = 3.0
_GONE_SECONDS = 30.0
_SAFE_SECONDS = 5.0


def decided_at(played: Played) -> float:
    """Return when a gate has stopped the release."""
    (stop,) = [gate.stop for gate in played["ended"].record.gates if gate.stop is not None]
    return float(stop.decided_at)


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        # 90 beside 80.
        ("weight", "weight set to 53 % by somebody at 20"),
        ("rule", "by somebody at 20"),
        ("record", "the record is gone from HTTPRoute checkout"),
    ],
)
def test_a_route_that_is_edited_by_hand_stops_its_release(
    play: Callable[[str], Played], scene: str, words: str
) -> None:
    played = play(scene)
    is_rolled_back(played["ended"], words)
    took = decided_at(played) - played["changed_at"]
    print(f"seen after {took:.1f} s")
    assert took < _SEEN_SECONDS + _BUSY_SECONDS
    assert played["shop"].stable_image() == image("v1")
    assert played["shop"].made() == []
    assert played["shop"].weights().get("checkout-canary", 0) == 0


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ("canary-deleted", "checkout-canary is gone"),
        ("canary-scaled", "checkout-canary is scaled to 0"),
    ],
)
def test_a_canary_that_somebody_takes_away_loses_its_weight(
    play: Callable[[str], Played], scene: str, words: str
) -> None:
    played = play(scene)
    is_rolled_back(played["ended"], words)
    is_untouched(played["shop"])
    assert failed_of(played["answers"], "v1") == []


def test_a_stable_that_somebody_rolls_stops_the_release_and_keeps_what_they_rolled(
    play: Callable[[str], Played],
) -> None:
    played = play("stable-rolled")
    is_rolled_back(played["ended"], "stable changed: checkout is at revision 2, not 1 (somebody at")
    is_untouched(played["shop"])
    template = played["shop"].get("Deployment")["spec"]["template"]
    assert "restarted" in template["metadata"]["annotations"]


def test_a_stable_that_an_autoscaler_has_stops_nobody(play: Callable[[str], Played]) -> None:
    played = play("autoscaled")
    is_promoted(played["ended"], played["shop"], "v2")
    assert played["shop"].get("Deployment")["spec"]["replicas"] == 3
    assert [answer for answer in played["answers"] if answer.is_failed] == []


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ("route-gone", ["HTTPRoute checkout is gone"]),
        ("service-gone", ["ResolvedRefs is False"]),
        # Whatever of it goes first.
        ("namespace-gone", ["gone", "not available", "forbidden"]),
    ],
)
def test_what_is_deleted_under_a_release_ends_it_and_leaves_nothing_of_ours(
    play: Callable[[str], Played], scene: str, words: list[str]
) -> None:
    played = play(scene)
    ended = played["ended"]
    assert ended.run.state == "failed"
    assert any(word in ended.record.reason for word in words), ended.record.reason
    print(f"red {played['ended_at'] - played['changed_at']:.1f} s after it")
    assert decided_at(played) - played["began"] < _GONE_SECONDS
    assert played["shop"].made() == []
    assert played["shop"].weights().get("checkout-canary", 0) == 0


def test_rights_that_are_taken_away_are_said_and_asked_for_again(
    play: Callable[[str], Played],
) -> None:
    played = play("rights-away")
    is_rolled_back(played["ended"], "forbidden")
    (stop,) = [gate.stop for gate in played["ended"].record.gates if gate.stop is not None]
    assert "forbidden" in stop.error
    assert played["changed_at"] - played["began"] > RIGHTS_AWAY_SECONDS
    last = max(one.sent for one in played["answers"] if one.version == "v2")
    print(f"last canary request {last - played['changed_at']:.1f} s after they were back")
    assert last - played["changed_at"] < _SAFE_SECONDS
    is_untouched(played["shop"])


def test_a_way_back_that_stays_forbidden_ends_loudly_and_is_gone_when_it_may_be(
    play: Callable[[str], Played],
) -> None:
    played = play(HASTY)
    ended = played["ended"]
    assert ended.record.outcome is Outcome.FAILED_TO_ROLL_BACK
    assert ended.run.state == "failed"
    assert "FAILED TO ROLL BACK" in ended.record.reason
    assert "forbidden" in ended.record.reason
    # Refused is refused: nobody could take the weight away, and nobody gave it more.
    assert played["left"] == 20
    # The run is over, and the triggerer still asks. The command removes what is left.
    assert played["took"] < _SAFE_SECONDS
    assert played["by_hand"].returncode == 0, played["by_hand"]
    assert "already safe" in played["by_hand"].stdout
    is_untouched(played["shop"])


@pytest.mark.parametrize(
    ("scene", "words"),
    [("gate-failed", "step_01.gate was marked failed"), ("run-failed", "the run was ended before")],
)
def test_what_is_marked_failed_in_airflow_is_an_abort(
    play: Callable[[str], Played], scene: str, words: str
) -> None:
    played = play(scene)
    assert played["ended"].record.outcome is Outcome.ABORTED
    assert played["ended"].run.state == "failed"
    assert words in played["ended"].record.reason
    last = max(one.sent for one in played["answers"] if one.version == "v2")
    print(f"last canary request {last - played['changed_at']:.1f} s after the click")
    assert last - played["changed_at"] < _GONE_SECONDS
    is_untouched(played["shop"])
    assert [answer for answer in played["answers"] if answer.is_failed] == []


def test_a_run_that_is_marked_failed_in_its_promotion_leaves_stable_as_it_was(
    play: Callable[[str], Played],
) -> None:
    """Its task lives on for a moment, and may give stable nothing any more."""
    played = play("promotion-failed")
    shop = played["shop"]
    assert played["ended"].record.outcome is Outcome.ABORTED
    assert played["ended"].run.state == "failed"
    shop.until(lambda: shop.answers(20) == {"v1": 20}, "stable is the old version alone")
    is_untouched(shop)
    notes = shop.get("Deployment")["metadata"].get("annotations", {})
    assert [name for name in notes if name.startswith("airflow-rollout")] == []
    assert failed_of(played["answers"], "v1") == []


def test_a_gate_that_is_marked_success_lets_its_release_go_on(
    play: Callable[[str], Played],
) -> None:
    played = play("gate-success")
    is_promoted(played["ended"], played["shop"], "v2")
    assert [answer for answer in played["answers"] if answer.is_failed] == []

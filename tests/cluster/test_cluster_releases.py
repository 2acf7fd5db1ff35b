"""Releases end to end on Kubernetes: started over Airflow's API, seen by users."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from afterwards import failed_of, is_promoted, is_rolled_back, is_untouched
from release_scenes import Played
from releases import Released
from shop_dags import REFUSING, SWITCH

from airflow_rollout.release import Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]


def test_a_good_version_is_promoted_and_no_request_is_lost(
    play: Callable[[str], Played],
) -> None:
    played = play("queue")
    first: Released = played["ended"][0]
    assert first.record.outcome is Outcome.PROMOTED, first.record.reason
    assert first.run.state == "success"
    assert [gate.weight for gate in first.record.gates] == [20, 100]
    assert all("split observed: " in gate.judgement.reason for gate in first.record.gates)
    answers = played["answers"]
    assert {answer.version for answer in answers} == {"v1", "v2", "v3"}
    assert [answer for answer in answers if answer.is_failed] == []


def test_a_version_that_answers_500_is_rolled_back(play: Callable[[str], Played]) -> None:
    played = play("bad")
    is_rolled_back(played["ended"], "http_500_rate")
    is_untouched(played["shop"])
    assert failed_of(played["answers"], "v1") == []
    assert failed_of(played["answers"], "") == []
    (stop,) = [it.stop for it in played["ended"].record.gates if it.stop is not None]
    assert stop.written_at is not None, "the gate itself has put the traffic back"


def test_a_version_that_is_slow_is_rolled_back(play: Callable[[str], Played]) -> None:
    played = play("slow")
    is_rolled_back(played["ended"], "p99_latency")
    is_untouched(played["shop"])
    assert [answer for answer in played["answers"] if answer.is_failed] == []


def test_a_version_that_takes_too_much_memory_is_rolled_back(
    play: Callable[[str], Played],
) -> None:
    played = play("memory")
    is_rolled_back(played["ended"], "OOMKilled")
    is_untouched(played["shop"])
    assert failed_of(played["answers"], "v1") == []


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ("absent", "service:absent: not found"),
        ("crash", "cannot read the price list"),
        ("never-ready", "timed out progressing"),
        ("quota", "exceeded quota: small"),
        ("admission", "the image is not signed"),
        ("unschedulable", "Insufficient cpu"),
    ],
)
def test_a_version_that_cannot_start_never_gets_traffic(
    play: Callable[[str], Played], scene: str, words: str
) -> None:
    played = play(scene)
    ended: Released = played["ended"]
    is_rolled_back(ended, words)
    is_untouched(played["shop"])
    assert ended.record.gates == []
    # The cluster's own reason ends the wait, and no deadline.
    (given_up,) = ended.given_up
    took = given_up.at - played["shop"].first_warning()
    print(f"{scene}: given up {took:.1f} s after the cluster's first warning")
    assert "gave up at" not in given_up.text


def test_in_one_switch_a_version_its_test_refuses_never_gets_traffic(
    play: Callable[[str], Played],
) -> None:
    played = play(SWITCH)
    is_rolled_back(played["ended"]["errors"], "smoke_test")
    assert played["ended"]["errors"].record.gates == []
    assert [answer for answer in played["answers"] if answer.version == "errors"] == []


def test_in_one_switch_a_version_that_is_bad_after_it_is_switched_back(
    play: Callable[[str], Played],
) -> None:
    played = play(SWITCH)
    is_rolled_back(played["ended"]["slow"], "p99_latency")
    assert [gate.weight for gate in played["ended"]["slow"].record.gates] == [100]


def test_in_one_switch_a_good_version_becomes_stable_and_no_request_is_lost(
    play: Callable[[str], Played],
) -> None:
    played = play(SWITCH)
    ended: Released = played["ended"]["v2"]
    is_promoted(ended, played["shop"], "v2")
    assert [gate.weight for gate in ended.record.gates] == [100]
    assert [answer for answer in played["answers"] if answer.is_failed] == []


def test_a_second_release_waits_for_the_first(play: Callable[[str], Played]) -> None:
    played = play("queue")
    first, second = played["ended"]
    assert second.record.gates[0].written_at > first.run.end_date.timestamp()
    is_promoted(second, played["shop"], "v3")


def test_a_second_release_is_refused_where_it_may_not_wait(play: Callable[[str], Played]) -> None:
    played = play(REFUSING)
    second: Released = played["second"]
    assert second.run.state == "failed"
    assert f"release {REFUSING}/release-v2 is still open" in second.record.reason
    is_promoted(played["ended"], played["shop"], "v2")
    assert played["shop"].get("Deployment")["spec"]["replicas"] == 3, "somebody scaled stable"


def test_a_promotion_that_gets_stuck_is_red_and_leaves_traffic_where_it_was_judged(
    play: Callable[[str], Played],
) -> None:
    played = play("stuck")
    ended: Released = played["ended"]
    assert ended.run.state == "failed"
    assert "promotion stuck" in ended.record.reason
    assert "exceeded quota: small" in ended.record.reason
    assert played["serves"] == {"v2": 20}
    assert [answer for answer in played["answers"] if answer.is_failed] == []


# What Flagger 1.44 and Argo Rollouts 1.10 were seen to fail at, on a node like this one.


def test_a_crash_loop_after_the_first_requests_ends_the_release(
    play: Callable[[str], Played],
) -> None:
    """Flagger gave it a new deadline with each restart, and raised its weight meanwhile.

    It is asked for its latency alone: what it does is seen at its pods.
    """
    played = play("crash-loop")
    is_rolled_back(played["ended"], "crashes", "not available")
    is_untouched(played["shop"])
    assert [gate.weight for gate in played["ended"].record.gates] == [20]


def test_without_a_ready_canary_pod_stable_still_gets_its_share(
    play: Callable[[str], Played],
) -> None:
    """With Argo Rollouts the whole route answered 404, the stable version's share included."""
    played = play("crash-loop")
    (stop,) = [gate.stop for gate in played["ended"].record.gates if gate.stop is not None]
    under = [it for it in played["answers"] if it.sent < stop.decided_at]
    lost = failed_of(under, "")
    assert failed_of(played["answers"], "v1") == []
    # Of each ten requests at most the canary's two have nobody: not one more in a row.
    places = [under.index(one) for one in lost]
    assert all(later - earlier >= 2 for earlier, later in zip(places, places[2:], strict=False))


def test_a_metric_system_that_accepts_and_never_answers_promotes_nobody(
    play: Callable[[str], Played],
) -> None:
    """Argo Rollouts promoted after five steps without one measurement."""
    played = play("silent")
    is_rolled_back(played["ended"], "http_500_rate", "has not answered")
    is_untouched(played["shop"])
    assert [answer for answer in played["answers"] if answer.is_failed] == []


def test_a_receiver_that_hangs_holds_up_no_traffic(play: Callable[[str], Played]) -> None:
    """Flagger told its receivers first: one that hung cost 20 s and a raised weight."""
    played = play("bad")
    is_rolled_back(played["ended"], "http_500_rate")
    is_untouched(played["shop"])
    (stop,) = [gate.stop for gate in played["ended"].record.gates if gate.stop is not None]
    reached = [it for it in played["answers"] if it.version == "errors"]
    assert max(it.sent for it in reached) - stop.decided_at < 5.0
    told = [it.text for it in played["ended"].record.timeline if it.text.startswith("news ")]
    assert ["no answer within 10 s" in text for text in told] == [True]


def test_no_number_before_the_first_request_stops_nobody(play: Callable[[str], Played]) -> None:
    """Argo Rollouts aborted good versions for it before they had traffic."""
    first: Released = play("queue")["ended"][0]
    assert first.record.outcome is Outcome.PROMOTED, first.record.reason
    assert "answered" in [it.metric for it in first.record.gates[0].answers]


def test_a_scrape_every_fifteen_seconds_is_enough(play: Callable[[str], Played]) -> None:
    """Flagger found no values between two scrapes and failed good and bad alike."""
    played = play("slow-scrape")
    is_promoted(played["ended"], played["shop"], "v2")
    assert [answer for answer in played["answers"] if answer.is_failed] == []


def test_nothing_changes_any_more_after_a_release_was_stopped(
    play: Callable[[str], Played],
) -> None:
    """Argo Rollouts rewrote its objects 128 times a second for half a minute."""
    played = play("bad")
    assert len(played["before"]) == 3
    assert played["before"] == played["after"]

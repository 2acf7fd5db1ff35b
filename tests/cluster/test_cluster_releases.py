"""Releases end to end on Kubernetes: started over Airflow's API, seen by users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from images import image
from kube_lab import KubeLab, Shop
from real_servers import Prometheus
from release_scenes import SCENES, SWITCH, Played
from releases import Released, Releases, write_dag
from rollout import connections

from airflow_rollout.demo.airflow import AirflowLab
from airflow_rollout.demo.answers import Answer
from airflow_rollout.release import Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

# Scenes wait more than they compute, but two cores carry all of them.
_AT_ONCE = 6


@pytest.fixture(scope="module")
def airflow(
    kubernetes: KubeLab, prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowLab]:
    dags = tmp_path_factory.mktemp("dags")
    for name in SCENES:
        write_dag(dags, name, in_one_switch=name == SWITCH)
    with AirflowLab(dags, connections=connections(kubernetes, prometheus)) as airflow:
        for name in SCENES:
            airflow.wait_for_dag(name)
        yield airflow


@pytest.fixture(scope="module")
def play(kubernetes: KubeLab, airflow: AirflowLab) -> Iterator[Callable[[str], Played]]:
    """Play all scenes side by side and give what came of one."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        plays = {
            name: pool.submit(_played, scene, kubernetes, airflow, name)
            for name, scene in SCENES.items()
        }
        yield lambda name: plays[name].result()
        # Who ends the tests early does not wait for what has not begun.
        for play in plays.values():
            play.cancel()


def _played(
    scene: Callable[[Releases], Played], kubernetes: KubeLab, airflow: AirflowLab, name: str
) -> Played:
    releases = Releases(kubernetes.namespace(name), airflow)
    return {**scene(releases), "shop": releases.shop}


def is_rolled_back(ended: Released, *words: str) -> None:
    """Say that a version was rolled back, and for one of these reasons."""
    assert ended.record.outcome is Outcome.ROLLED_BACK, ended.record.reason
    assert ended.run.state == "failed"
    told = " ".join([ended.record.reason, *(event.text for event in ended.record.timeline)])
    assert any(word in told for word in words), told


def is_untouched(shop: Shop) -> None:
    """Say that stable serves alone as it did, and that nothing of a release is left."""
    assert shop.stable_image() == image("v1")
    assert shop.answers(20) == {"v1": 20}
    assert shop.made() == []
    assert shop.weights() == {"checkout": 1}


def failed_of(answers: list[Answer], version: str) -> list[Answer]:
    """Return the requests that failed with a version; empty: with nobody, at the router."""
    return [one for one in answers if one.is_failed and one.version == version]


def test_a_good_version_is_promoted_and_no_request_is_lost(
    play: Callable[[str], Played],
) -> None:
    played = play("good")
    ended: Released = played["ended"]
    assert ended.record.outcome is Outcome.PROMOTED, ended.record.reason
    assert ended.run.state == "success"
    assert [gate.weight for gate in ended.record.gates] == [20, 100]
    assert played["shop"].stable_image() == image("v2")
    assert played["shop"].made() == []
    answers = played["answers"]
    assert {answer.version for answer in answers} == {"v1", "v2"}
    assert [answer for answer in answers if answer.is_failed] == []


def test_a_version_that_answers_500_is_rolled_back(play: Callable[[str], Played]) -> None:
    played = play("bad")
    is_rolled_back(played["ended"], "http_500_rate")
    is_untouched(played["shop"])
    assert failed_of(played["answers"], "v1") == []
    assert failed_of(played["answers"], "") == []


def test_a_version_that_is_slow_is_rolled_back(play: Callable[[str], Played]) -> None:
    played = play("slow")
    is_rolled_back(played["ended"], "p99_latency")
    is_untouched(played["shop"])
    assert [answer for answer in played["answers"] if answer.is_failed] == []


def test_a_version_that_crashes_under_traffic_is_rolled_back(
    play: Callable[[str], Played],
) -> None:
    played = play("crash-later")
    # Seen as a crash loop, or before that as a canary of which too little is left.
    ended: Released = played["ended"]
    is_rolled_back(ended, "crashes", "not available")
    is_untouched(played["shop"])
    assert failed_of(played["answers"], "v1") == []
    # While all its pods are down the router has nobody for the canary's share, and no longer.
    stops = [gate.stop.decided_at for gate in ended.record.gates if gate.stop is not None]
    late = [
        one for one in failed_of(played["answers"], "") if one.sent > max(stops, default=0.0) + 3.0
    ]
    assert late == []


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
        ("absent", "ImagePull"),
        ("crash", "cannot read the price list"),
        ("never-ready", "timed out progressing"),
        ("quota", "exceeded quota: small"),
    ],
)
def test_a_version_that_cannot_start_never_gets_traffic(
    play: Callable[[str], Played], scene: str, words: str
) -> None:
    played = play(scene)
    is_rolled_back(played["ended"], words)
    is_untouched(played["shop"])
    assert played["ended"].record.gates == []


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
    assert ended.record.outcome is Outcome.PROMOTED, ended.record.reason
    assert [gate.weight for gate in ended.record.gates] == [100]
    assert played["shop"].stable_image() == image("v2")
    assert played["shop"].made() == []
    assert [answer for answer in played["answers"] if answer.is_failed] == []


def test_a_second_release_waits_for_the_first(play: Callable[[str], Played]) -> None:
    played = play("queue")
    first, second = played["ended"]
    for ended in (first, second):
        assert ended.record.outcome is Outcome.PROMOTED, ended.record.reason
    assert played["shop"].stable_image() == image("v3")
    assert [answer for answer in played["answers"] if answer.is_failed] == []

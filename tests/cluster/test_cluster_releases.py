"""Releases end to end on Kubernetes: started over Airflow's API, seen by users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from images import image
from kube_lab import KubeLab
from real_servers import Prometheus
from releases import Released, Releases, write_dag
from rollout import connections

from airflow_rollout.demo.airflow import AirflowLab
from airflow_rollout.release import Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

Played = dict[str, Any]


def good(releases: Releases) -> Played:
    releases.load.start(50.0)
    ended = releases.ended(releases.start("v2"))
    return {"ended": ended, "answers": releases.load.stop()}


def bad(releases: Releases) -> Played:
    releases.load.start(50.0)
    ended = releases.ended(releases.start("errors"))
    return {"ended": ended, "answers": releases.load.stop()}


def slow(releases: Releases) -> Played:
    releases.load.start(50.0)
    ended = releases.ended(releases.start("slow"))
    return {"ended": ended, "answers": releases.load.stop()}


def absent(releases: Releases) -> Played:
    return {"ended": releases.ended(releases.start("absent"))}


def crash(releases: Releases) -> Played:
    return {"ended": releases.ended(releases.start("crash"))}


def queue(releases: Releases) -> Played:
    """Two releases at once: the second one waits for the first."""
    releases.load.start(50.0)
    first, second = releases.start("v2"), releases.start("v3")
    ended = [releases.ended(run) for run in (first, second)]
    return {"ended": ended, "answers": releases.load.stop()}


SCENES: dict[str, Callable[[Releases], Played]] = {
    "absent": absent, "bad": bad, "crash": crash, "good": good, "queue": queue,
    "slow": slow,
}  # fmt: skip


@pytest.fixture(scope="module")
def airflow(
    kubernetes: KubeLab, prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowLab]:
    dags = tmp_path_factory.mktemp("dags")
    for name in SCENES:
        write_dag(dags, name)
    with AirflowLab(dags, connections=connections(kubernetes, prometheus)) as airflow:
        for name in SCENES:
            airflow.wait_for_dag(name)
        yield airflow


@pytest.fixture(scope="module")
def play(kubernetes: KubeLab, airflow: AirflowLab) -> Iterator[Callable[[str], Played]]:
    """Play all scenes side by side and give what came of one."""
    with ThreadPoolExecutor(max_workers=len(SCENES)) as pool:
        shops = {name: Releases(kubernetes.namespace(name), airflow) for name in SCENES}
        plays: dict[str, Future[Played]] = {
            name: pool.submit(scene, shops[name]) for name, scene in SCENES.items()
        }
        yield lambda name: {**plays[name].result(), "shop": shops[name].shop}


def is_back(played: Played, words: str) -> None:
    ended: Released = played["ended"]
    assert ended.record.outcome is Outcome.ROLLED_BACK, ended.record.reason
    assert ended.run.state == "failed"
    told = " ".join([ended.record.reason, *(event.text for event in ended.record.timeline)])
    assert words in told, told
    assert played["shop"].stable_image() == image("v1")
    assert played["shop"].answers(20) == {"v1": 20}
    assert played["shop"].made() == []
    assert played["shop"].weights() == {"checkout": 1}


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
    is_back(played, "http_500_rate")
    stable = [answer for answer in played["answers"] if answer.version == "v1"]
    assert [answer for answer in stable if answer.is_failed] == []


def test_a_version_that_is_slow_is_rolled_back(play: Callable[[str], Played]) -> None:
    played = play("slow")
    is_back(played, "p99_latency")
    assert [answer for answer in played["answers"] if answer.is_failed] == []


def test_an_image_that_is_not_there_never_gets_traffic(play: Callable[[str], Played]) -> None:
    is_back(play("absent"), "ImagePull")
    assert play("absent")["ended"].record.gates == []


def test_a_version_that_crashes_at_its_start_never_gets_traffic(
    play: Callable[[str], Played],
) -> None:
    is_back(play("crash"), "cannot read the price list")
    assert play("crash")["ended"].record.gates == []


def test_a_second_release_waits_for_the_first(play: Callable[[str], Played]) -> None:
    played = play("queue")
    first, second = played["ended"]
    for ended in (first, second):
        assert ended.record.outcome is Outcome.PROMOTED, ended.record.reason
    assert played["shop"].stable_image() == image("v3")
    assert [answer for answer in played["answers"] if answer.is_failed] == []

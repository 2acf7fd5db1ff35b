"""The `prometheus` source where a label names the pod that answered."""

from __future__ import annotations

import pytest
from test_prometheus import Replay, alive, matrix, read, requests, series, started

from airflow_rollout.analysis.readings import Cumulative
from airflow_rollout.metrics.prometheus import PrometheusProvider

TIMES = (1000.0, 1015.0, 1030.0)
PODS = PrometheusProvider(pod_label="pod")


def answered(*found: object, provider: PrometheusProvider = PODS) -> Cumulative:
    replay = Replay(matrix(*found), matrix(started(900.0, *TIMES)))
    reading = read(replay, provider=provider)
    assert isinstance(reading, Cumulative)
    return reading


def grown(start: int, step: int) -> dict[float, object]:
    return {at: start + step * number for number, at in enumerate(TIMES)}


def test_each_series_says_which_pod_answered():
    reading = answered(
        alive(*TIMES),
        requests(grown(10, 5), arm="stable", pod="a"),
        requests(grown(20, 5), arm="stable", pod="b"),
        requests(grown(0, 1), arm="stable", code="500", pod="b"),
    )
    assert sorted(one.pod for one in reading.stable) == ["a", "b", "b"]
    # The canary has answered nobody, at a router that is there.
    assert {one.pod for one in reading.canary} == {""}


def test_without_the_option_all_pods_are_one():
    reading = answered(
        alive(*TIMES), requests(grown(10, 5), arm="stable", pod="a"),
        provider=PrometheusProvider(),
    )  # fmt: skip
    assert {one.pod for one in reading.stable} == {""}


@pytest.mark.parametrize("scraped_by_pod", [False, True])
def test_a_pod_that_first_answers_between_two_scrapes_is_counted_from_its_first_request(
    scraped_by_pod,
):
    """Whether the router sets the label, or whoever scrapes the pods one by one."""
    label = {"pod": "a"} if scraped_by_pod else {}
    found = answered(
        series("traefik_config_reloads_total", dict.fromkeys(TIMES, 1), **label),
        requests({1030.0: 4}, pod="a"),
    )
    (one,) = found.canary
    assert (one.pod, one.born_at) == ("a", 1015.0)

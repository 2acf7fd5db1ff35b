"""phi from history: what clusters is seen, what all pods share is not."""

from __future__ import annotations

import random

import pytest

from airflow_rollout.analysis.dispersion import (
    FEWEST_BLOCKS,
    Basis,
    dispersion_between_pods,
    dispersion_over_time,
    measure_dispersion,
)


def history(
    seed: int, *, blocks: int = 240, pods: int = 10, cluster: int = 1, shock: float = 0.0
) -> list[list[tuple[int, int]]]:
    """Blocks of 150 requests a pod; events of `cluster` errors that land in one pod together."""
    draw, found = random.Random(seed), []
    for number in range(blocks):
        rate = 0.005 + (shock if number % 40 < 10 else 0.0)
        bad = [0] * pods
        events = sum(draw.random() < rate / cluster for _ in range(150 * pods))
        for _ in range(events):
            bad[draw.randrange(pods)] += cluster
        found.append([(150, min(150, x)) for x in bad])
    return found


def test_independent_errors_have_a_phi_of_one():
    assert measure_dispersion(history(1)).phi == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("cluster", [3, 10])
def test_phi_is_how_many_errors_come_together(cluster):
    found = measure_dispersion(history(2, blocks=480, cluster=cluster))
    assert found.phi == pytest.approx(cluster, rel=0.2)
    assert found.basis is Basis.PODS


def test_a_shock_that_all_pods_share_cancels_between_pods_and_not_over_time():
    blocks = history(3, shock=0.05)
    assert dispersion_between_pods(blocks).phi == pytest.approx(1.0, abs=0.2)
    totals = [(sum(n for n, _ in b), sum(x for _, x in b)) for b in blocks]
    assert dispersion_over_time(totals).phi > 5.0


def test_it_is_the_ratio_of_sums_and_not_the_mean_of_ratios():
    blocks = [[(100, 4), (100, 0)]] * 60
    # Each block: 2 x (4 - 2)^2 = 8 over 2 x 100 x .02 x .98 x .5 = 1.96.
    assert dispersion_between_pods(blocks).phi == pytest.approx(8 / 1.96)
    mixed = [*blocks, *([[(100, 1), (100, 0)]] * 60)]
    assert dispersion_between_pods(mixed).phi == pytest.approx((8 + 0.5) / (1.96 + 0.4975))


def test_one_pod_is_judged_over_time():
    found = measure_dispersion([[one] for block in history(4) for one in block[:1]])
    assert found.basis is Basis.TIME
    assert found.phi == pytest.approx(1.0, abs=0.25)


def test_phi_is_never_below_one():
    assert dispersion_over_time([(100, 1)] * 80).phi == 1.0
    assert dispersion_between_pods([[(100, 1), (100, 1)]] * 80).phi == 1.0


def test_too_little_history_is_no_estimate():
    assert FEWEST_BLOCKS == 60
    assert measure_dispersion([[(100, 1)]] * 59) is None
    assert measure_dispersion([[(100, 0)]] * 500) is None
    assert measure_dispersion([[(100, 100)]] * 500) is None
    assert measure_dispersion([[(0, 0)]] * 500) is None
    assert measure_dispersion([]) is None


def test_blocks_without_traffic_of_a_pod_are_judged_by_the_others():
    blocks = [[(150, 3), (0, 0), (150, 0)]] * 60
    assert (
        dispersion_between_pods(blocks).phi
        == dispersion_between_pods([[(150, 3), (150, 0)]] * 60).phi
    )

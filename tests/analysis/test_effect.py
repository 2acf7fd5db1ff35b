"""Whether requests went where the weight says."""

from __future__ import annotations

import random

import pytest

from airflow_rollout.analysis.effect import EXPECTED_REQUESTS, Effect


def looked(weight: int, canary: int, stable: int) -> Effect:
    effect = Effect(weight=weight)
    effect.look(canary, stable)
    return effect


@pytest.mark.parametrize(
    ("weight", "canary", "stable"),
    [(1, 0, 2999), (10, 0, 299), (50, 0, 59), (100, 0, 30)],
)
def test_below_thirty_expected_requests_nothing_is_said(
    weight: int, canary: int, stable: int
) -> None:
    effect = looked(weight, canary, stable)
    assert effect.misfits == 0
    assert "not yet observed" in effect.words
    assert f"of {EXPECTED_REQUESTS} canary requests expected" in effect.words


@pytest.mark.parametrize("weight", [1, 5, 10, 20, 50, 80, 99, 100])
def test_a_canary_that_gets_nothing_does_not_fit_once_thirty_are_expected(weight: int) -> None:
    effect = looked(weight, 0, -(-100 * EXPECTED_REQUESTS // min(weight, 99)))
    assert effect.misfits == 1
    assert f"0 % of the requests (0/{effect.stable}) went to the canary" in effect.words
    assert f"{weight} % is written" in effect.words


@pytest.mark.parametrize(
    ("weight", "canary", "stable"),
    [
        pytest.param(10, 300, 0, id="all instead of a tenth"),
        pytest.param(10, 150, 150, id="half instead of a tenth"),
        pytest.param(10, 600, 2400, id="twice as much"),
        pytest.param(50, 300, 2700, id="a tenth instead of half"),
        pytest.param(100, 150, 150, id="half instead of all"),
    ],
)
def test_a_share_far_from_the_weight_does_not_fit(weight: int, canary: int, stable: int) -> None:
    assert looked(weight, canary, stable).misfits == 1


@pytest.mark.parametrize(
    ("weight", "canary", "stable"),
    [
        pytest.param(10, 30, 270, id="exactly"),
        pytest.param(10, 130_000, 870_000, id="a third more: clients that stay"),
        pytest.param(20, 150, 700, id="a little less"),
        pytest.param(100, 5000, 0, id="all"),
        pytest.param(100, 5000, 60, id="all, with what was on its way"),
        pytest.param(99, 3000, 0, id="none left for stable"),
    ],
)
def test_a_share_near_the_weight_fits(weight: int, canary: int, stable: int) -> None:
    effect = looked(weight, canary, stable)
    assert effect.misfits == 0
    assert effect.words.startswith("split observed: ")
    assert f"({canary}/{canary + stable})" in effect.words


def test_counting_starts_anew_after_a_share_that_did_not_fit() -> None:
    effect = looked(10, 0, 500)
    effect.look(4, 540)
    assert effect.misfits == 1, "too few since then to say anything"
    effect.look(50, 950)
    assert effect.misfits == 0
    assert "(50/500)" in effect.words


def test_a_router_that_draws_lots_is_hardly_ever_called_wrong() -> None:
    """A million requests in each of a hundred looks; the bound allows one in ten thousand."""
    draw = random.Random(7)
    for weight in (1, 5, 10, 50, 90):
        for _ in range(200):
            effect, canary, stable = Effect(weight=weight), 0, 0
            for _ in range(20):
                hits = sum(draw.random() * 100 < weight for _ in range(60))
                canary, stable = canary + hits, stable + 60 - hits
                effect.look(canary, stable)
                assert effect.misfits == 0

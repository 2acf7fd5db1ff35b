"""The published vectors of the method: agreement to 1e-6 in every interval."""

from __future__ import annotations

import json
import math
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from airflow_rollout.analysis.evidence import RATIOS, WEIGHTS, Growth, Mixture, log_ratios
from airflow_rollout.analysis.histogram import ComparisonProcess
from airflow_rollout.analysis.non_inferiority import NonInferiority
from airflow_rollout.analysis.parameters import Comparison, Margin
from airflow_rollout.analysis.readings import ArmCounts

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
TOLERANCE = 1e-6


def cases(kind: str) -> list[dict[str, Any]]:
    found = [case for case in VECTORS["cases"] if case["kind"] == kind]
    assert found
    return found


def parameters(raw: dict[str, Any]) -> tuple[Comparison, Growth]:
    comparison = Comparison(
        tolerance=raw["tolerance"],
        min_intervals=raw["min_intervals"],
        restart_share=raw["restart_share"],
        planned_intervals=raw["planned_intervals"],
        dispersion=raw["phi"],
        exact_limit=raw["exact_limit"],
    )
    return comparison, Growth.of(comparison, alpha=raw["alpha"], weight=1.0)


def test_the_grid_is_the_published_one():
    assert list(RATIOS) == VECTORS["ratios"]
    assert list(WEIGHTS) == VECTORS["weights"]
    assert math.fsum(WEIGHTS) == pytest.approx(1.0)


@pytest.mark.parametrize("case", cases("comparison"))
def test_comparison_agrees_in_every_interval(case):
    comparison, growth = parameters(case["params"])
    mixture, largest = Mixture(), 1.0
    for canary, bad, stable, stable_bad, expected in case["intervals"]:
        mixture.update(log_ratios(canary, bad, stable, stable_bad, comparison), growth)
        assert math.log(mixture.value) == pytest.approx(expected, abs=TOLERANCE)
        largest = max(largest, mixture.value)
    assert (largest >= 1.0 / case["params"]["alpha"]) is case["failed"]
    assert 1.0 / largest == pytest.approx(case["p_value"], rel=1e-5)


@pytest.mark.parametrize("case", cases("histogram"))
def test_histogram_agrees_in_every_interval(case):
    process = ComparisonProcess(*parameters(case["params"]))
    for canary, stable, expected in case["intervals"]:
        process.update(slower_counts(canary), slower_counts(stable))
        assert math.log(process.value) == pytest.approx(expected, abs=TOLERANCE)
    assert math.log(process.value) == pytest.approx(case["max_log_e"], abs=TOLERANCE)


@pytest.mark.parametrize("case", cases("non_inferiority"))
def test_non_inferiority_agrees_in_every_interval(case):
    raw = case["params"]
    process = NonInferiority(Margin(multiplier=raw["mul"], absolute=raw["add"]))
    for canary, bad, stable, stable_bad, expected in case["intervals"]:
        process.update(
            ArmCounts(requests=canary, bad=(bad,)), ArmCounts(requests=stable, bad=(stable_bad,))
        )
        assert process.log_value == pytest.approx(expected, abs=TOLERANCE)


def slower_counts(buckets: list[int]) -> ArmCounts:
    """Per-bucket counts, the last one +Inf -> how many were slower than each boundary."""
    slower = list(accumulate(reversed(buckets)))[::-1]
    return ArmCounts(requests=slower[0], bad=tuple(slower[1:]))

"""A release may hurry a rollout and say its dispersion, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.model import RolloutSpec

Read = Callable[..., RolloutSpec]
Make = Callable[..., str]


def test_nothing_overridden_is_the_same_spec(read: Read, canary: Make) -> None:
    spec = read(canary())
    assert spec.overridden(interval_seconds=None, dispersion=None) == spec


def test_flaggers_holds_follow_the_interval(read: Read, canary: Make) -> None:
    spec = read(canary())
    hurried = spec.overridden(interval_seconds=5.0, dispersion=None)
    assert hurried.judge.interval_seconds == hurried.verify_seconds == 5.0
    assert [(step.weight, step.hold_seconds) for step in hurried.steps] == [
        (20, 5.0), (40, 5.0), (60, 5.0),
    ]  # fmt: skip
    assert hurried.judge.metrics == spec.judge.metrics
    assert hurried.judge.failure_limit == spec.judge.failure_limit


def test_native_holds_stay(read: Read, rollout: Make) -> None:
    spec = read(rollout())
    hurried = spec.overridden(interval_seconds=3.0, dispersion=None)
    assert hurried.judge.interval_seconds == 3.0
    assert (hurried.steps, hurried.verify_seconds) == (spec.steps, spec.verify_seconds)


def test_the_dispersion_is_the_comparisons(read: Read, canary: Make) -> None:
    spec = read(canary())
    said = spec.overridden(interval_seconds=None, dispersion=2.0)
    assert said.judge.comparison == replace(spec.judge.comparison, dispersion=2.0)
    assert (said.steps, said.judge.metrics) == (spec.steps, spec.judge.metrics)


@pytest.mark.parametrize("interval", [0.0, 0.999, -5.0, 30.001, float("nan"), float("inf")])
def test_an_interval_outside_the_rollouts_own_is_refused(
    read: Read, canary: Make, interval: float
) -> None:
    with pytest.raises(SpecError) as caught:
        read(canary()).overridden(interval_seconds=interval, dispersion=None)
    assert caught.value.allowed == "1s to 30s"
    assert (caught.value.path, caught.value.file) == ("interval", "shop.yaml")


def test_no_release_checks_more_often_than_its_source_answers(
    read: Read, canary: Make, bound: Bindings
) -> None:
    spec = read(canary(), bindings=replace(bound, every_seconds=10.0))
    assert spec.overridden(interval_seconds=10.0, dispersion=None).verify_seconds == 10.0
    with pytest.raises(SpecError, match="10s to 30s"):
        spec.overridden(interval_seconds=9.0, dispersion=None)


@pytest.mark.parametrize("dispersion", [0.0, 0.99, -1.0, 1001.0, float("nan"), float("inf")])
def test_a_dispersion_that_counts_cannot_have_is_refused(
    read: Read, canary: Make, dispersion: float
) -> None:
    with pytest.raises(SpecError, match="dispersion"):
        read(canary()).overridden(interval_seconds=None, dispersion=dispersion)


@given(
    interval=st.none() | st.floats(1.0, 30.0),
    dispersion=st.none() | st.floats(1.0, 1000.0),
    native=st.booleans(),
)
def test_a_spec_survives_json_whatever_a_release_says(
    read: Read,
    canary: Make,
    rollout: Make,
    interval: float | None,
    dispersion: float | None,
    native: bool,
) -> None:
    spec = read(rollout() if native else canary())
    hurried = interval and min(interval, spec.judge.interval_seconds)
    hurried = hurried and max(hurried, spec.source.every_seconds)
    spec = spec.overridden(interval_seconds=hurried, dispersion=dispersion)
    again = RolloutSpec.from_builtins(json.loads(json.dumps(spec.to_builtins())))
    assert again == spec
    assert again.digest() == spec.digest()


def test_the_digest_names_the_content_and_not_the_place(read: Read, canary: Make) -> None:
    spec = read(canary())
    assert replace(spec, file="elsewhere.yaml").digest() == spec.digest()
    assert read("# a comment\n" + canary()).digest() == spec.digest()


def test_the_digest_is_the_same_in_every_process(read: Read, canary: Make, tmp_path: Path) -> None:
    """Each task of a release computes it anew and compares it with the router's record."""
    file = tmp_path / "shop.yaml"
    file.write_text(canary())
    code = (
        "import sys; from airflow_rollout.spec.loader import load_spec;"
        "from airflow_rollout.spec.bindings import Bindings;"
        "b = Bindings(workload='endpoints', router='traefik_file', router_conn_id='edge',"
        "provider='scrape', provider_conn_id='edge_metrics', every_seconds=1.0);"
        "print(load_spec(sys.argv[1], bindings=b).digest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, str(file)], env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout.strip()
        for seed in ("0", "1")
    }  # fmt: skip
    assert found == {read(canary()).digest()}


@pytest.mark.parametrize(
    "changes",
    [
        {"spec.analysis.threshold": 4},
        {"spec.analysis.interval": "31s"},
        {"spec.analysis.metrics[0].thresholdRange.min": 99.1},
        {"spec.analysis.maxWeight": 80},
        {"spec.targetRef.name": "other"},
        {"spec.analysis.mirror": True},
        {"spec.progressDeadlineSeconds": 300},
    ],
)
def test_the_digest_changes_with_anything_a_release_does(
    read: Read, canary: Make, changes: dict[str, object]
) -> None:
    assert read(canary(changes)).digest() != read(canary()).digest()


def test_values_of_another_shape_are_refused(read: Read, canary: Make) -> None:
    data = read(canary()).to_builtins()
    data["steps"] = "none"
    with pytest.raises(msgspec.ValidationError):
        RolloutSpec.from_builtins(data)

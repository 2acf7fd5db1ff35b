"""What a release may say, and what Airflow's API refuses for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from hypothesis import given
from hypothesis import strategies as st
from rollouts import FLAGGER, NATIVE, SAID, make

from airflow_rollout.dag_factory.params import at_most


def schema(dag: DAG, name: str) -> dict[str, Any]:
    return dag.params.get_param(name).schema


def accepts(dag: DAG, name: str, value: object) -> bool:
    try:
        jsonschema.validate(value, schema(dag, name), format_checker=jsonschema.FormatChecker())
    except jsonschema.ValidationError:
        return False
    return True


def test_a_release_may_say_six_things_and_no_weights_steps_or_thresholds(shop: DAG) -> None:
    assert set(shop.params) == {
        "version", "url", "interval", "dispersion", "skip_analysis", "reason",
    }  # fmt: skip


def test_nothing_has_no_default_and_what_must_be_given_refuses_its_own(shop: DAG) -> None:
    defaults = {name: shop.params.get_param(name).value for name in shop.params}
    assert defaults.pop("skip_analysis") is False
    assert set(defaults.values()) == {None}
    assert {name for name in defaults if not accepts(shop, name, None)} == {"version", "url"}


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("skip_analysis", True, True), ("skip_analysis", "true", False),
        ("skip_analysis", None, False), ("reason", "CVE-2026-1", True), ("reason", "", False),
        ("reason", "x" * 501, False), ("reason", 1, False),
    ],
)  # fmt: skip
def test_skipping_the_analysis_is_said_and_why(
    shop: DAG, name: str, value: object, good: bool
) -> None:
    assert accepts(shop, name, value) is good


@pytest.mark.parametrize(
    "version",
    ["v2", "1.10", "2026-11-24", "sha256:abc", "feature/x", "a@b", "1.0~rc1+build.5", "x" * 128],
)  # fmt: skip
def test_a_version_is_a_name(shop: DAG, version: str) -> None:
    assert accepts(shop, "version", version)


@pytest.mark.parametrize(
    "version",
    [
        "", " ", "v 2", "-v2", ".v2", "{{ x }}", "v2{", "<b>", "v2\n", "v2\nv3", 'v"2', "v'2",
        "v;2", "ü", "x" * 129, 2, 1.1, None, True, ["v2"],
    ],
    ids=repr,
)  # fmt: skip
def test_anything_else_is_refused_as_a_version(shop: DAG, version: object) -> None:
    assert not accepts(shop, "version", version)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.7:8080", "https://shop.example", "http://a:1,http://b:2",
        "http://[::1]:8080",
    ],
)  # fmt: skip
def test_an_address_is_one_or_several_urls(shop: DAG, url: str) -> None:
    assert accepts(shop, "url", url)


@pytest.mark.parametrize(
    "url",
    [
        "", "10.0.0.7:8080", "ftp://a", "http://", "http://a b", "http://{{x}}", "http://a\n",
        "http://a,", ",http://a", "http://a,b", None, 7,
    ],
    ids=repr,
)  # fmt: skip
def test_anything_else_is_refused_as_an_address(shop: DAG, url: object) -> None:
    assert not accepts(shop, "url", url)


@pytest.mark.parametrize("interval", [1, 2, 9, 10, 30, 60])
def test_every_interval_up_to_the_rollouts_own_is_accepted_and_no_longer_one(
    tmp_path: Path, interval: int
) -> None:
    text = FLAGGER.replace("interval: 1m\n    threshold", f"interval: {interval}s\n    threshold")
    if interval < 10:  # shorter than Flagger takes
        text = NATIVE.replace("analysis:", f"analysis:\n    interval: {interval}s")
    dag = make(tmp_path, text, **(SAID if interval >= 10 else {}))
    accepted = {n for n in range(interval + 2) if accepts(dag, "interval", f"{n}s")}
    assert accepted == set(range(1, interval + 1))
    for odd in ("", "5", "5m", "05s", "1.5s", "-1s", "1s\n", " 1s", "1s ", "s", 5):
        assert not accepts(dag, "interval", odd)
    assert accepts(dag, "interval", None)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (None, True),
        (1, True),
        (2.5, True),
        (1000, True),
        (0.99, False),
        (1001, False),
        ("4", False),
    ],
)
def test_a_dispersion_is_a_number_of_at_least_one(shop: DAG, value: object, good: bool) -> None:
    assert accepts(shop, "dispersion", value) is good


@given(largest=st.integers(1, 5000), number=st.integers(0, 60000))
def test_at_most_matches_exactly_the_numbers_up_to_the_largest(largest: int, number: int) -> None:
    found = re.fullmatch(at_most(largest), str(number))
    assert (found is not None) is (1 <= number <= largest)


@given(largest=st.integers(1, 100000))
def test_at_most_is_exact_at_its_edge(largest: int) -> None:
    pattern = re.compile(at_most(largest))
    assert pattern.fullmatch(str(largest))
    assert not pattern.fullmatch(str(largest + 1))
    assert not pattern.fullmatch(f"0{largest}")


def test_the_api_validates_what_the_dag_says(shop: DAG) -> None:
    stored: Any = DagSerialization.from_dict(DagSerialization.to_dict(shop))
    good = stored.params.deep_merge({"version": "v2", "url": "http://127.0.0.1:1"})
    assert good.validate()["version"] == "v2"
    for bad in ({}, {"version": "v2"}, {"version": "v2", "url": "nowhere"}):
        with pytest.raises(Exception, match="Invalid input for param"):
            stored.params.deep_merge(bad).validate()

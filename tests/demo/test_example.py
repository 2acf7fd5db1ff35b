"""The example is the folder that users read, and the file's own numbers are what is computed."""

from __future__ import annotations

import tomllib
from pathlib import Path

from airflow_rollout.demo import releasing
from airflow_rollout.demo.example import ROLLOUT, VERSIONS, FileRules, file_rules, find_dags
from airflow_rollout.hooks.links import PAGE_PREFIX
from airflow_rollout.release import Outcome

ROOT = Path(__file__).parents[2]


def test_a_clone_releases_from_its_own_dags_folder() -> None:
    assert find_dags() == ROOT / "dags"


def test_a_wheel_carries_the_same_folder_where_the_demo_looks_for_it() -> None:
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = hatch["targets"]["wheel"]
    assert "dags" in wheel["only-include"]
    assert wheel["sources"]["dags"] == "airflow_rollout/demo/dags"


def test_the_files_rules_are_read_from_the_file() -> None:
    assert file_rules(find_dags()) == FileRules(
        failure_limit=5, interval_seconds=60.0, slow_ms=500.0
    )


def test_interval_alone_costs_one_interval_more_than_the_threshold() -> None:
    rules = FileRules(failure_limit=2, interval_seconds=30.0, slow_ms=None)
    assert rules.interval_alone_seconds == 90.0
    assert rules.computation == "(2 + 1) x 30 s = 90 s"


def test_three_bad_versions_and_a_good_one_are_released() -> None:
    assert {it.name: it.expected for it in VERSIONS} == {
        "v2": Outcome.ROLLED_BACK,
        "v3": Outcome.ROLLED_BACK,
        "v4": Outcome.ROLLED_BACK,
        "v5": Outcome.PROMOTED,
    }
    assert VERSIONS[-1].interval == "5s"
    assert all(it.interval is None for it in VERSIONS[:-1])


def test_a_title_says_what_a_version_is() -> None:
    assert VERSIONS[0].title == "payment-service v2: 5 % of requests answer 500"
    assert VERSIONS[-1].title == "payment-service v5: a good version"


def test_the_example_is_named_after_its_rollout() -> None:
    assert (find_dags() / "specs" / f"{ROLLOUT}.yaml").is_file()


def test_a_releases_page_is_where_the_plugin_puts_it() -> None:
    assert f"{PAGE_PREFIX}/record" == releasing._PAGE_PREFIX

"""How the demo on a cluster ends: whatever happened, its namespace is gone."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from small_cluster import KubeApi

from airflow_rollout.cli.main import main
from airflow_rollout.demo.cluster.login import ClusterLogin
from airflow_rollout.demo.cluster.show import ClusterShow
from airflow_rollout.demo.cluster.story import DEFAULT_IMAGES, STORY
from airflow_rollout.demo.processes import LabError
from airflow_rollout.demo.result import Report, unreleased
from airflow_rollout.demo.screen import LineScreen
from airflow_rollout.demo.show import ShowOptions, run_show
from airflow_rollout.demo.summary import final_table

NAME = "airflow-rollout-demo"


class Ended(ClusterShow):
    """A demo that ends once it has made what it makes in the cluster."""

    error: BaseException

    def start(self) -> None:
        """Make it, and end."""
        self.lab.make()
        raise self.error


def run(login: ClusterLogin, error: BaseException) -> tuple[str, list[Path]]:
    """Run a demo that ends with an error; return what it said and where its files were."""
    out = io.StringIO()
    homes: list[Path] = []

    def make() -> ClusterShow:
        show = Ended(
            ShowOptions(leave=True), LineScreen(Console(file=out)), login,
            namespace=NAME, images=DEFAULT_IMAGES,
        )  # fmt: skip
        show.error = error
        homes.append(show.lab.home)
        return show

    with pytest.raises(type(error)):
        run_show(make)
    return out.getvalue(), homes


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LabError("no pod"), SystemExit(143)])
def test_the_namespace_is_removed_however_the_demo_ends(
    api: KubeApi, login: ClusterLogin, error: BaseException
) -> None:
    said, homes = run(login, error)
    assert f"POST /apis/apps/v1/namespaces/{NAME}/deployments" in api.asked
    assert api.objects == {}
    assert f"removing namespace {NAME}" in said
    assert [home.exists() for home in homes] == [False]


def test_a_foreign_namespace_ends_the_command_with_2_and_is_never_said_to_be_removed(
    api: KubeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.put_namespace(NAME, team="shop")
    assert main(["demo", "--kubernetes", "--exit"]) == 2
    said = capsys.readouterr()
    assert "that the demo did not make" in said.err
    assert said.err.count("\n") == 1
    assert "removing" not in said.out
    assert api.namespace(NAME) is not None


def test_the_context_and_the_server_are_said_at_the_start(
    api: KubeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.denied = {"create namespaces"}
    assert main(["demo", "--kubernetes", "--namespace", "mine"]) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert f"Works on context here ({api.url}), in namespace mine alone" in said


def test_a_context_that_is_not_there_ends_the_command_with_2(
    api: KubeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--kubernetes", "--context", "there"]) == 2
    assert "there" in capsys.readouterr().err
    assert api.asked == []


def test_an_unreachable_cluster_ends_the_command_with_2(
    api: KubeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.close()
    assert main(["demo", "--kubernetes"]) == 2
    assert "does not answer" in capsys.readouterr().err


def test_the_table_compares_with_no_other_reading_of_its_file() -> None:
    out = io.StringIO()
    results = [unreleased(version, "it was not released") for version in STORY.versions]
    Console(file=out, width=80).print(final_table(Report(releases=results), STORY))
    assert "computed" not in out.getvalue().lower()
    assert "safe: no request reaches the canary any more." in out.getvalue()

"""How `airflow-rollout demo` is called, and what it says when it cannot begin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_rollout.cli.main import main
from airflow_rollout.demo import example


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "9.9", "1001", "many"])
def test_a_rate_that_cannot_be_judged_is_refused(
    rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", f"--rate={rate}"]) == 2
    assert "argument --rate" in capsys.readouterr().err


def test_without_its_extra_the_demo_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert main(["demo", "--exit"]) == 2
    assert "pip install 'airflow-rollout[demo]'" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_said_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing" / "demo.json"
    assert main(["demo", "--exit", "--report", str(path)]) == 1
    assert capsys.readouterr().err.startswith("airflow-rollout: the report cannot be written")


def test_a_missing_example_is_said_with_the_places_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(example, "__file__", str(tmp_path / "a/b/example.py"))
    assert main(["demo", "--exit"]) == 1
    assert str(tmp_path / "a/b/dags") in capsys.readouterr().err


def test_its_help_loads_no_airflow() -> None:
    program = (
        "import sys; from airflow_rollout.cli.main import main; main(['demo', '--help']);"
        "assert 'airflow' not in sys.modules and 'psutil' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_the_demo_itself_loads_no_airflow() -> None:
    program = (
        "import sys; import airflow_rollout.demo.show, airflow_rollout.demo.screen;"
        "assert 'airflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--context", "kind"], "--context: only with --kubernetes"),
        (["--namespace", "mine", "--image-template", "x:{version}"],
         "--namespace and --image-template: only with --kubernetes"),
        (["--kubernetes", "--seed", "1"], "--seed has no meaning with --kubernetes"),
        (["--kubernetes", "--namespace", "My_Own"], "lower case letters"),
        (["--kubernetes", "--image-template", "python:3.12"], "it needs {version}"),
    ],
)  # fmt: skip
def test_options_of_the_cluster_that_make_no_sense_are_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *words]) == 2
    assert said in capsys.readouterr().err

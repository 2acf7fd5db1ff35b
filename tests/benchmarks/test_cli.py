"""The benchmarks' command line; nothing is measured here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.report import Figure, PartReport

ROOT = Path(__file__).parents[2]
NOTHING = PartReport(part="judge", title="Judge", figures=())


def test_no_part_means_all_of_them() -> None:
    options = cli.parse([])
    assert options.parts == list(cli.PARTS)
    assert (options.runs, options.count, options.good) == (5, 10, 20)


@pytest.mark.parametrize("part", cli.PARTS)
def test_every_part_can_be_asked_for_alone(part: str) -> None:
    assert cli.parse([part, "--quick"]).parts == [part]


def test_quick_does_two_of_each_unless_told_otherwise() -> None:
    options = cli.parse(["--quick", "--good", "5"])
    assert (options.runs, options.count, options.good) == (2, 2, 5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["speed"], f"no part 'speed'; there are {', '.join(cli.PARTS)}"),
        (["--count", "-1"], "'-1' is not a whole number from 0"),
        (["--count", "many"], "'many' is not a whole number from 0"),
        (["--runs", "0"], "must be at least 1"),
    ],
)
def test_bad_arguments_are_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.parse(arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("part", cli.PARTS)
def test_help_names_the_parts_and_their_options(part: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", part, "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    for word in (part, "--quick", "--json", "--count", "--good"):
        assert word in done.stdout


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch):
    """Let the part `judge` end as told."""

    def end(how: PartReport | BaseException) -> None:
        def run(*_args: object, **_options: object) -> PartReport:
            if isinstance(how, BaseException):
                raise how
            return how

        monkeypatch.setattr(cli.judge, "run", run)

    return end


def test_values_are_written_with_the_machine(judged, tmp_path: Path) -> None:
    figure = Figure(group="judge", name="one update", unit="ms", values=(1.0, 2.0))
    judged(PartReport(part="judge", title="Judge", figures=(figure,)))
    file = tmp_path / "bench.json"
    assert cli.main(["judge", "--json", str(file)]) == 0
    content = json.loads(file.read_text())
    assert content["parts"]["judge"]["figures"][0]["values"] == [1.0, 2.0]
    assert content["machine"]["cores"] >= 1
    assert content["interrupted"] is False


def test_part_that_cannot_be_measured_is_a_fault(
    judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged(RuntimeError("no interpreter"))
    file = tmp_path / "bench.json"
    assert cli.main(["judge", "--json", str(file)]) == 1
    fault = "judge could not be measured: no interpreter"
    assert json.loads(file.read_text())["parts"]["judge"]["faults"] == [fault]
    assert fault in capsys.readouterr().out


@pytest.mark.parametrize(
    "how", [KeyboardInterrupt(), PartReport(part="judge", title="", figures=(), interrupted=True)]
)
def test_interrupted_run_writes_what_it_has(how, judged, tmp_path: Path) -> None:
    judged(how)
    file = tmp_path / "bench.json"
    assert cli.main(["judge", "--json", str(file)]) == 130
    assert json.loads(file.read_text())["interrupted"] is True


def test_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged(AssertionError("measured"))
    with pytest.raises(SystemExit) as stopped:
        cli.main(["judge", "--json", str(tmp_path / "missing" / "bench.json")])
    assert stopped.value.code == 2
    assert "missing" in capsys.readouterr().err

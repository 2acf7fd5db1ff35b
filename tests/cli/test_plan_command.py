"""`airflow-rollout plan`: the steps, times and limits of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_rollout.cli.main import main

_SPECS = Path(__file__).parents[2] / "dags" / "specs"
PAYMENT = str(_SPECS / "payment-service.yaml")
CHECKOUT = str(_SPECS / "checkout.yaml")


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def _plan(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["plan", *words]) == 0
    return capsys.readouterr().out


def test_the_table_shows_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in _plan(capsys, PAYMENT).splitlines() if "step_" in line]
    assert rows[0] == ["step_01", "10", "%", "0s", "1m", "8m", "9m"]
    assert rows[-1] == ["step_full", "100", "%", "5m", "1m", "8m", "9m"]
    assert len(rows) == 6


def test_times_and_limits_are_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    out = _plan(capsys, CHECKOUT)
    assert "A good release takes at least 8m of traffic." in out
    assert "5m20s at most if it fails every counted check" in out
    assert "5m50s at most if nothing can be judged" in out
    assert "6m50s at most if no triggerer runs" in out
    assert "P99 latency at most 400ms, and no worse than stable" in out
    assert "at least 100 requests of the canary" in out
    assert "at most 1 % of cases" in out
    assert "A step ends sooner, after 1m, once surely no worse than stable." in out


def test_it_fits_eighty_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    name = "a-metric-with-a-very-long-name-indeed-that-goes-on-and-on-and-on-until-it-ends"
    metric = f"    - {{name: {name}, quantile: 0.5, max: 1s}}\n"
    file.write_text(Path(CHECKOUT).read_text() + metric)
    lines = _plan(capsys, str(file)).splitlines()
    assert [line for line in lines[1:] if len(line) > 80] == []


def test_json_has_every_number(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(_plan(capsys, PAYMENT, "--format", "json"))
    assert [step["weight"] for step in data["steps"]] == [10, 20, 30, 40, 50, 100]
    assert data["steps"][1] == {
        "id": "step_02", "weight": 20, "previous_weight": 10, "rises_after_seconds": 60.0,
        "hold_seconds": 60.0, "deadline_seconds": 480.0, "backstop_seconds": 540.0,
        "is_full": False,
    }  # fmt: skip
    assert data["longest_exposure_seconds"] == 480.0
    assert data["questions"][0] == {
        "name": "request-success-rate",
        "question": "success rate at least 99.5 %, and no worse than stable",
        "mode": "act",
    }


def test_a_hurried_release_is_planned(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(_plan(capsys, PAYMENT, "--interval", "5s", "--format", "json"))
    assert data["shortest_seconds"] == 30.0
    assert data["counted_checks_seconds"] == 25.0


def test_a_slower_release_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", PAYMENT, "--interval", "5m"]) == 1
    error = capsys.readouterr().err
    assert "interval" in error
    assert "allowed: 1s to 60s" in error


def test_observing_promises_no_rollback(capsys: pytest.CaptureFixture[str]) -> None:
    out = _plan(capsys, PAYMENT, "--mode", "observe")
    assert "this rollout only observes" in out
    assert "loses its traffic" not in out


def test_an_imported_file_promotes_early_where_the_call_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "ends sooner" not in _plan(capsys, PAYMENT)
    out = _plan(capsys, PAYMENT, "--promote", "on_evidence")
    assert "A step ends sooner, after 1m, once surely no worse than stable." in out
    assert "on at least 100 requests" in out


def test_the_terms_of_the_comparison_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    own = _plan(capsys, str(Path(PAYMENT).with_name("checkout.yaml")))
    assert "Both versions are compared with dispersion 1, warm-up 0 s." in own
    imported = " ".join(_plan(capsys, PAYMENT).split())
    assert "dispersion measured before the release, or 4, warm-up 0 s." in imported


def test_what_becomes_of_an_undecided_step_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "asks.yaml"
    lines = "  analysis:\n    on_inconclusive: ask\n    on_error: rollback\n"
    file.write_text(
        Path(PAYMENT).with_name("checkout.yaml").read_text().replace("  analysis:\n", lines)
    )
    out = _plan(capsys, str(file))
    assert "A step that is not shown to be as good as stable: ask." in out
    assert "More than 4 readings in a row that fail: rollback." in out
    assert "A person is asked for 24h at most." in out
    data = json.loads(_plan(capsys, str(file), "--format", "json"))
    assert data["longest_exposure_seconds"] > 86_400


def test_what_is_not_executed_is_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "hooks.yaml"
    file.write_text(Path(PAYMENT).read_text() + "    alerts: [{name: chat, severity: warn}]\n")
    assert "rollout_dag(...) refuses them" in _plan(capsys, str(file))
    out = _plan(capsys, str(file), "--ignore", "spec.analysis.alerts")
    assert "as agreed:\n  spec.analysis.alerts[0]\n" in out


@pytest.mark.parametrize("file", ["nowhere.yaml", "/", "/dev/null"])
def test_what_cannot_be_read_is_one_line(capsys: pytest.CaptureFixture[str], file: str) -> None:
    assert main(["plan", file]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"airflow-rollout: {file}: ")
    assert captured.err.count("\n") == 1

"""What was wanted is kept or missed; what is missing is never kept."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks.report import Figure, Of, PartReport, Wanted, shown

TIMES = Figure(group="v2", name="exposure", unit="s", values=(1.0, 2.0, 9.0))


def printed(report: PartReport) -> str:
    console = Console(file=io.StringIO(), width=140)
    report.show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("of", "at_most", "met"),
    [
        (Of.MEDIAN, 2.0, True),
        (Of.MEDIAN, 1.9, False),
        (Of.HIGHEST, 9.0, True),
        (Of.HIGHEST, 8.9, False),
        (Of.P95, 9.0, True),
        (Of.P95, 2.0, False),
    ],
)
def test_limit_is_on_the_number_it_names(of: Of, at_most: float, met: bool) -> None:
    assert replace(TIMES, wanted=Wanted(at_most=at_most, of=of)).met is met


def test_figure_without_a_limit_is_neither_kept_nor_missed() -> None:
    assert TIMES.met is None


@pytest.mark.parametrize("values", [(), (1.0, 2.0)])
def test_missing_values_are_missed_and_shown(values: tuple[float, ...]) -> None:
    figure = replace(TIMES, values=values, expected=3, wanted=Wanted(at_most=100.0))
    assert figure.met is False
    text = printed(PartReport(part="releases", title="Releases", figures=(figure,)))
    assert f"{len(values)} of 3" in text
    assert "missed" in text


def test_computed_figures_are_labelled() -> None:
    figure = replace(TIMES, values=(360.0,), computed=True)
    assert "computed" in printed(PartReport(part="releases", title="Releases", figures=(figure,)))
    assert figure.to_builtins()["computed"] is True


def test_faults_and_notes_are_printed() -> None:
    report = PartReport(
        part="releases", title="Releases", figures=(), faults=("v2-01: promoted",), notes=("Mind.",)
    )
    assert "FAULT: v2-01: promoted" in printed(report)
    assert "Mind." in printed(report)


def test_json_has_every_value_and_what_was_wanted() -> None:
    figure = replace(TIMES, wanted=Wanted(at_most=15.0))
    report = PartReport(
        part="releases", title="Releases", figures=(figure,), details={"releases": [{"a": 1}]}
    )
    content = json.loads(json.dumps(report.to_builtins()))
    assert content["figures"][0]["values"] == [1.0, 2.0, 9.0]
    assert content["figures"][0]["wanted"] == {"at_most": 15.0, "of": "median"}
    assert content["figures"][0]["met"] is True
    assert content["releases"] == [{"a": 1}]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.0, "requests", "12"),
        (360.0, "s", "360"),
        (12.345, "s", "12.3"),
        (0.0312, "s", "0.03"),
        (-0.5, "s", "-0.50"),
    ],
)
def test_values_are_shown_with_the_digits_that_matter(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text

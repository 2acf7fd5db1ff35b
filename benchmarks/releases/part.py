"""Play the releases and put their figures beside what was wanted of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.lab import Lab
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.loader import load_spec
from benchmarks.releases.cases import SERVICE, Case, schedule
from benchmarks.releases.deaf import SETTINGS, deaf_receiver
from benchmarks.releases.figures import bad_figures, good_figures, load_figures, told_figures
from benchmarks.releases.measured import Measured, Played, measure
from benchmarks.releases.stage import DAGS, Stage
from benchmarks.report import PartReport

__all__ = ["PART", "run"]

PART = "releases"

# A release beyond the longest that its file's rules explain has come to a stop.
_PATIENCE_SECONDS = 120.0


@dataclass(kw_only=True)
class _Played:
    """What has been played until now."""

    releases: list[Played] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    loaded_since: float = 0.0
    faults: list[str] = field(default_factory=list)
    interrupted: bool = False


def run(console: Console, *, count: int, good: int, rate: int) -> PartReport:
    """Release `count` versions of each bad kind and `good` good ones on one lab."""
    alone = alone_seconds()
    cases = schedule(count=count, good=good)
    found = _Played()
    try:
        _play(console, cases, rate, alone + _PATIENCE_SECONDS, found)
    except KeyboardInterrupt:
        found.interrupted = True
    except Exception as error:
        # What was measured before it is shown all the same.
        found.faults.append(f"ended early: {error or type(error).__name__}")
    return _report(found, cases, alone)


def alone_seconds() -> float:
    """Return (N+1) x I of the file: what its interval and threshold cost when read alone."""
    spec = load_spec(DAGS / "specs" / f"{SERVICE}.yaml", bindings=Bindings().filled())
    return (spec.judge.failure_limit + 1) * spec.judge.interval_seconds


def _play(console: Console, cases: list[Case], rate: int, patience: float, found: _Played) -> None:
    with (
        console.status("starting Airflow, router, service and load") as status,
        deaf_receiver() as connections,
        Lab([SERVICE], dags=DAGS, connections=connections, settings=SETTINGS) as lab,
    ):
        stage = Stage(lab, rate=rate, patience_seconds=patience)
        found.answers = stage.answers
        try:
            status.update("releasing the first version")
            stage.open()
            found.loaded_since = stage.loaded_since
            for number, case in enumerate(cases, start=1):
                status.update(f"release {number} of {len(cases)}: {case.title}")
                played = stage.play(case)
                found.releases.append(played)
                one = measure(played, stage.answers, until=time.time())
                console.print(f"{number:>3}/{len(cases)} {escape(_line(one))}")
        finally:
            # The answers' file goes with the lab.
            stage.collect()


def _line(one: Measured) -> str:
    words = [f"{one.version:<8} {one.outcome.replace('_', ' '):<12}"]
    if one.exposure_seconds is not None:
        words.append(f"exposure {one.exposure_seconds:4.1f} s")
    if one.verdict_to_safe_seconds is not None:
        words.append(f"verdict -> safe {one.verdict_to_safe_seconds:.2f} s")
    if one.steps:
        beyond = sum(step.beyond_seconds for step in one.steps) / len(one.steps)
        words.append(f"{beyond:.1f} s a step beyond its hold")
    words.append(f"{one.failed_requests} failed of {one.requests} requests")
    if not one.is_as_expected:
        words.append(f"UNEXPECTED: {one.verdict}")
    return ", ".join(words)


def _report(found: _Played, cases: list[Case], alone: float) -> PartReport:
    measured = _measured(found)
    figures = [
        *bad_figures(measured, alone=alone),
        *told_figures(measured),
        *good_figures(measured),
        *load_figures(measured, found.answers, since=found.loaded_since),
    ]
    missing = len(cases) - len(measured)
    return PartReport(
        part=PART,
        title=f"Releases of {SERVICE} ({len(measured)} played)",
        figures=tuple(figures),
        faults=(*found.faults, *([f"{missing} releases were not played"] if missing else []),
                *_faults(measured)),
        notes=(
            "Times of requests are the clients': from the first bad request sent to the last one "
            "that reached the canary. The gate's own times are those of its record.",
            "(N+1) x I is computed from the file's interval and threshold; nothing was measured "
            "for it.",
        ),
        details={"releases": [one.to_builtins() for one in measured]},
        interrupted=found.interrupted,
    )  # fmt: skip


def _measured(found: _Played) -> list[Measured]:
    """Measure again at the end: answers that came late are there by now."""
    starts = [played.since for played in found.releases]
    ends = [*starts[1:], float("inf")][: len(starts)]
    return [
        measure(played, found.answers, until=until)
        for played, until in zip(found.releases, ends, strict=True)
    ]


def _faults(measured: list[Measured]) -> list[str]:
    faults = []
    for one in measured:
        if not one.is_as_expected:
            faults.append(f"{one.version}: {one.outcome}, run {one.run_state}: {one.verdict}")
        if one.canary_requests_after_end:
            faults.append(
                f"{one.version}: {one.canary_requests_after_end} requests reached the canary "
                "after its run had ended"
            )
        if one.case == "good" and one.failed_requests:
            faults.append(f"{one.version}: {one.failed_requests} requests failed")
    return faults

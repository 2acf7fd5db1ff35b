"""The simulation as a part of the benchmarks: measure, compare with what was found before, show."""

from __future__ import annotations

import math
import statistics
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from airflow_rollout.analysis.evidence import Growth
from airflow_rollout.analysis.histogram import ComparisonProcess
from airflow_rollout.analysis.parameters import Comparison
from airflow_rollout.analysis.readings import ArmCounts
from benchmarks.judgement.figure import draw_figure
from benchmarks.judgement.gates import GATES, PLAIN, THREE_AGREE
from benchmarks.judgement.rules import LATENCY_LIMIT, RULES
from benchmarks.judgement.tables import TABLES, Case
from benchmarks.judgement.traffic import SECONDS
from benchmarks.report import Figure, PartReport, Wanted
from benchmarks.stats import percentile

__all__ = ["PART", "Outcome", "boundary_rate", "measure", "run"]

PART = "judgement"
_SEED = 20
_ALPHA = 0.01
# Nulls at the boundary for each repeat: 100,000 in a full run of 2,000.
_BOUNDARY_EACH = 50
_DETECTORS = {detector.name: detector for detector in (*RULES, *GATES, *PLAIN, THREE_AGREE)}


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one detector did in all repeats of a case; a release it did not stop has no time."""

    detector: str
    repeats: int = 0
    seconds: list[float] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    @property
    def stopped(self) -> float:
        """Return the share of releases that were stopped."""
        return len(self.seconds) / self.repeats if self.repeats else 0.0

    def times(self) -> list[float]:
        """Return a time for every repeat: the whole half hour where it was not stopped."""
        return self.seconds + [float(SECONDS)] * (self.repeats - len(self.seconds))

    def take(self, other: Outcome) -> None:
        """Add the repeats of another process."""
        self.repeats += other.repeats
        self.seconds += other.seconds
        self.failed += other.failed


def detectors_of(case: Case) -> list[str]:
    """Return who looks at a case: the uncorrected test only where its mean is known."""
    gates = [gate.name for gate in GATES if gate.every >= case.finest]
    plain = [one.name for one in PLAIN] if case.means else []
    return [*(rule.name for rule in RULES), *gates, *case.most_of, *plain]


def measure(table: str, number: int, first: int, last: int) -> dict[str, Outcome]:
    """Draw the repeats `first` to `last` of a case and let every detector look at each.

    Every repeat has a seed of its own, so it does not matter which process draws it.
    """
    case = TABLES[table][number]
    outcomes = {name: Outcome(detector=name) for name in detectors_of(case)}
    for repeat in range(first, last):
        traffic = case.draw(np.random.default_rng([_SEED, zlib.crc32(case.name.encode()), repeat]))
        # Of latencies the requests above the limit that the other tools' rules are given.
        column = traffic.boundaries.index(LATENCY_LIMIT) if traffic.boundaries else 0
        bad = traffic.canary_bad.reshape(SECONDS, -1)[:, column].cumsum()
        for name, outcome in outcomes.items():
            outcome.repeats += 1
            stopped = _DETECTORS[name].stops_at(traffic)
            if stopped is not None:
                outcome.seconds.append(float(stopped))
            outcome.failed.append(int(bad[int(stopped or SECONDS) - 1]))
    return outcomes


def boundary_rate(nulls: int, seed: int = _SEED) -> float:
    """Return how often a canary at exactly the tolerated odds is stopped, of so many releases.

    The worst case of the guarantee: 40 intervals of 150 and 1350 requests, 2 % of stable's fail.
    """
    draw = np.random.default_rng([seed, 1])
    params = Comparison(dispersion=1.0, planned_intervals=40)
    growth = Growth.of(params, alpha=_ALPHA, weight=1.0)
    odds = params.tolerance * 0.02 / 0.98
    stopped = 0
    for _ in range(nulls):
        process = ComparisonProcess(params, growth)
        canary = draw.binomial(150, odds / (1.0 + odds), 40).tolist()
        for bad, stable_bad in zip(canary, draw.binomial(1350, 0.02, 40).tolist(), strict=True):
            process.update(
                ArmCounts(requests=150, bad=(bad,)), ArmCounts(requests=1350, bad=(stable_bad,))
            )
            if process.value >= 1.0 / _ALPHA:
                stopped += 1
                break
    return stopped / nulls


def run(console: Console, *, repeats: int, jobs: int = 1, figure: Path | None = None) -> PartReport:
    """Measure every case and return what has to be kept."""
    found: dict[str, list[dict[str, Outcome]]] = {}
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        for table, cases in TABLES.items():
            found[table] = []
            for number, case in enumerate(cases):
                with console.status(f"{table}: {case.name}"):
                    found[table].append(_case(pool, table, number, repeats, jobs))
            console.print(_shown(table, cases, found[table]))
        with console.status("the guarantee at its boundary"):
            nulls = _BOUNDARY_EACH * repeats
            edge = sum(pool.map(boundary_rate, *_split(nulls, jobs))) / jobs
    if figure is not None:
        figure.write_text(
            draw_figure(found["errors of the canary"][7], found["healthy releases"][1])
        )
    return PartReport(
        part=PART,
        title=f"Releases of half an hour, {repeats:,} of each kind",
        figures=(*_kept(found, repeats), _edge(edge, nulls)),
        notes=(
            "Wanted: medians at most one interval above those published for the method (or two "
            "standard errors of the difference, where that is more), means of the uncorrected "
            "test within three standard errors of theirs, healthy releases stopped within the "
            "budget and two standard errors. A release that is not stopped counts with its "
            "1800 s.",
        ),
        details={"cases": _details(found), "repeats": repeats},
    )


def _split(nulls: int, jobs: int) -> tuple[list[int], list[int]]:
    return [nulls // jobs] * jobs, [_SEED + job for job in range(jobs)]


def _case(
    pool: ProcessPoolExecutor, table: str, number: int, repeats: int, jobs: int
) -> dict[str, Outcome]:
    edges = [repeats * job // jobs for job in range(jobs + 1)]
    parts = [pool.submit(measure, table, number, first, last) for first, last in pairwise(edges)]
    whole = parts[0].result()
    for part in parts[1:]:
        for name, outcome in part.result().items():
            whole[name].take(outcome)
    return whole


def _kept(found: dict[str, list[dict[str, Outcome]]], repeats: int) -> list[Figure]:
    figures = []
    for table, cases in TABLES.items():
        for case, outcomes in zip(cases, found[table], strict=True):
            if case.expected is not None:
                figures += _medians(case, outcomes)
            if case.means is not None:
                figures += _means(case, outcomes)
            if case.healthy:
                figures += _rates(case, outcomes, repeats)
    return figures


def _medians(case: Case, outcomes: dict[str, Outcome]) -> list[Figure]:
    figures = []
    for every, median in zip((5, 15), case.expected or (), strict=True):
        times = outcomes[f"gate {every}s"].times()
        # Where half an hour is hardly enough, two medians of 2,000 releases each differ by chance
        # far more than by an interval.
        allowed = max(float(every), 2.0 * _median_error(times) * math.sqrt(1 + len(times) / 2000))
        figures.append(
            Figure(
                group=case.name, name=f"gate {every}s", unit="s",
                values=tuple(times), wanted=Wanted(at_most=round(median + allowed, 1)),
            )
        )  # fmt: skip
    return figures


def _median_error(times: Sequence[float]) -> float:
    """Return the standard error of the median, from the ranks that far from the middle."""
    ranked, reach = sorted(times), math.sqrt(len(times)) / 2.0
    middle = (len(ranked) - 1) / 2.0
    low, high = max(0, round(middle - reach)), min(len(ranked) - 1, round(middle + reach))
    return (ranked[high] - ranked[low]) / 2.0


def _means(case: Case, outcomes: dict[str, Outcome]) -> list[Figure]:
    figures = []
    for every, mean in zip((1, 5, 15), case.means or (), strict=True):
        times = outcomes[f"e {every}s"].times()
        # The published mean is of 2,000 releases and has an error of its own.
        spread = statistics.pstdev(times) * math.sqrt(1 / len(times) + 1 / 2000)
        off = abs(statistics.fmean(times) - mean) / max(spread, 0.05)
        figures.append(
            Figure(
                group=case.name, name=f"e {every}s: mean against {mean:g} s",
                unit="standard errors", values=(off,), wanted=Wanted(at_most=3.0),
            )
        )  # fmt: skip
    return figures


def _rates(case: Case, outcomes: dict[str, Outcome], repeats: int) -> list[Figure]:
    figures = []
    for name, outcome in outcomes.items():
        if not name.startswith("gate"):
            continue
        most = _beyond_chance(case.most_of.get(name, case.most), repeats)
        figures.append(
            Figure(
                group=case.name, name=f"{name} stopped", unit="%",
                values=(100.0 * outcome.stopped,), wanted=Wanted(at_most=round(100.0 * most, 2)),
            )
        )  # fmt: skip
    return figures


def _beyond_chance(rate: float, repeats: int) -> float:
    """Return a rate and two standard errors of it."""
    return rate + 2.0 * math.sqrt(rate * (1.0 - rate) / repeats)


def _edge(rate: float, nulls: int) -> Figure:
    most = round(100.0 * _beyond_chance(_ALPHA, nulls), 2)
    return Figure(
        group="canary at the tolerated odds", name=f"stopped of {nulls:,} releases", unit="%",
        values=(100.0 * rate,), wanted=Wanted(at_most=most),
    )  # fmt: skip


def _shown(table: str, cases: Sequence[Case], found: Sequence[dict[str, Outcome]]) -> Table:
    names = dict.fromkeys(name for one in found for name in one if not name.startswith("e "))
    shown = Table(title=f"{table}: median/95th percentile in s, failed requests; healthy: stopped",
                  title_justify="left", title_style="bold")  # fmt: skip
    shown.add_column("", overflow="fold")
    for name in names:
        shown.add_column(name, justify="right", overflow="fold")
    for case, outcomes in zip(cases, found, strict=True):
        cells = (_cell(case, outcomes[name]) if name in outcomes else "" for name in names)
        shown.add_row(case.name, *cells)
    return shown


def _cell(case: Case, outcome: Outcome) -> str:
    if case.healthy:
        return f"{100.0 * outcome.stopped:.2f} %"
    times = outcome.times()
    middle, late = statistics.median(times), percentile(times, 95)
    shown = "/".join("never" if value >= SECONDS else f"{value:.0f}" for value in (middle, late))
    return f"{shown} · {statistics.median(outcome.failed):.0f}"


def _details(found: dict[str, list[dict[str, Outcome]]]) -> list[dict[str, Any]]:
    details = []
    for table, cases in TABLES.items():
        for case, outcomes in zip(cases, found[table], strict=True):
            for outcome in outcomes.values():
                one = asdict(outcome)
                del one["seconds"], one["failed"]
                details.append(
                    {
                        "table": table, "case": case.name, **one, "stopped": outcome.stopped,
                        "median": statistics.median(outcome.times()),
                        "p95": percentile(outcome.times(), 95),
                        "failed_requests": statistics.median(outcome.failed),
                    }
                )  # fmt: skip
    return details

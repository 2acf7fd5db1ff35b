"""The command line of the benchmarks: which parts, how often, where the values go."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

import airflow_rollout
from airflow_rollout.demo.processes import ending_on_sigterm
from benchmarks import imports, judge, measurements, pages
from benchmarks.cluster import part as cluster
from benchmarks.gates import part as gates
from benchmarks.judgement import part as judgement
from benchmarks.releases import part as releases
from benchmarks.report import PartReport

__all__ = ["PARTS", "main", "parse"]

PARTS = (
    imports.PART, judge.PART, measurements.PART, pages.PART, judgement.PART, gates.PART,
    releases.PART, cluster.PART,
)  # fmt: skip
_INTERRUPTED = 130
# A table in a log is as wide as it needs to be.
_WIDTH = 140
_MEASURED, _FAULTY = 0, 1


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the arguments; numbers that were not given are those of a full or a quick run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(
            "Measure what the project promises. Exit code 0: everything was measured and every "
            "release ended as it should; 1: something did not. A figure that misses what was "
            "wanted is shown as missed and changes no exit code: times depend on the machine."
        ),
    )
    parser.add_argument("parts", nargs="*", metavar="PART", type=_part, default=list(PARTS),
                        help=f"{', '.join(PARTS)}; all of them when none is named")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="two of each, in a few minutes")
    parser.add_argument(
        "--json", type=_new_file, metavar="FILE", help="write every value there too"
    )
    runs = parser.add_argument_group("imports, judge, measurements and pages")
    runs.add_argument(
        "--runs", type=_positive, help="fresh interpreters, releases a rate, fifty readings (5)"
    )
    runs.add_argument("--updates", type=_positive, help="seconds of a judged release (600)")
    drawn = parser.add_argument_group("judgement")
    drawn.add_argument("--repeats", type=_positive, help="drawn releases of each kind (2000)")
    drawn.add_argument(
        "--jobs", type=_positive, default=os.cpu_count() or 1, help="processes (one a core)"
    )
    drawn.add_argument("--figure", type=_new_file, metavar="FILE", help="draw the README's figure")
    triggerer = parser.add_argument_group("gates")
    triggerer.add_argument("--gates", type=_positive, help="gates on one triggerer (1000)")
    triggerer.add_argument("--intervals", type=_positive, help="intervals of 15 s (8)")
    lab = parser.add_argument_group("releases")
    lab.add_argument("--count", type=_whole, help="releases of each bad version (10)")
    lab.add_argument("--good", type=_whole, help="releases of good versions (20)")
    lab.add_argument("--rate", type=_positive, default=100, help="requests a second (100)")
    node = parser.add_argument_group("cluster")
    node.add_argument("--each", type=_positive, help="releases of each kind on a node (5)")
    options = parser.parse_args(argv)
    usual = {
        "runs": 5, "updates": 600, "repeats": 2000, "count": 10, "good": 20, "gates": 1000,
        "intervals": 8, "each": 5,
    }  # fmt: skip
    if options.quick:
        usual = {
            "runs": 2, "updates": 120, "repeats": 20, "count": 2, "good": 2, "gates": 100,
            "intervals": 2, "each": 1,
        }  # fmt: skip
    for name, value in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts in their order, show each when it is done, and return the exit code."""
    options = parse(argv)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    reports: list[PartReport] = []
    started = time.time()
    load = _load()
    console.print(_machine_line(load))
    with ending_on_sigterm():
        interrupted = _run_parts(options, console, reports)
    if interrupted:
        console.print("\ninterrupted; everything that was started has ended")
    if options.json is not None:
        _write(options, reports, started=started, load=load, interrupted=interrupted)
    if interrupted:
        return _INTERRUPTED
    return _FAULTY if any(report.faults for report in reports) else _MEASURED


def _run_parts(options: argparse.Namespace, console: Console, reports: list[PartReport]) -> bool:
    """Fill `reports` and tell whether somebody ended it early."""
    try:
        for name, run in _parts(options, console).items():
            if name in options.parts:
                reports.append(_measured(name, run))
                reports[-1].show(console)
                if reports[-1].interrupted:
                    return True
    except KeyboardInterrupt:
        return True
    return False


def _parts(options: argparse.Namespace, console: Console) -> dict[str, Callable[[], PartReport]]:
    return {
        imports.PART: lambda: imports.run(console, runs=options.runs),
        judge.PART: lambda: judge.run(console, runs=options.runs, updates=options.updates),
        measurements.PART: lambda: measurements.run(console, runs=options.runs),
        pages.PART: lambda: pages.run(console, runs=options.runs),
        judgement.PART: lambda: judgement.run(
            console, repeats=options.repeats, jobs=options.jobs, figure=options.figure
        ),
        gates.PART: lambda: gates.run(console, gates=options.gates, intervals=options.intervals),
        releases.PART: lambda: releases.run(
            console, count=options.count, good=options.good, rate=options.rate
        ),
        cluster.PART: lambda: cluster.run(console, each=options.each),
    }


def _measured(name: str, run: Callable[[], PartReport]) -> PartReport:
    """Run one part; what ends it early is a fault of its report and not the end of the others."""
    try:
        return run()
    except Exception as error:
        text = f"{name} could not be measured: {error or type(error).__name__}"
        return PartReport(part=name, title=name, figures=(), faults=(text,))


def _write(
    options: argparse.Namespace,
    reports: list[PartReport],
    *,
    started: float,
    load: float | None,
    interrupted: bool,
) -> None:
    content = {
        "version": airflow_rollout.__version__,
        "quick": options.quick,
        "interrupted": interrupted,
        "started_at": started,
        "seconds": round(time.time() - started, 1),
        "machine": {
            "python": platform.python_version(),
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "load_at_start": load,
            "load_at_end": _load(),
        },
        "parts": {report.part: report.to_builtins() for report in reports},
    }
    options.json.write_text(json.dumps(content, indent=2) + "\n")


def _load() -> float | None:
    """Return how many processes wanted a core in the last minute, None where nobody knows."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _machine_line(load: float | None) -> str:
    cores = os.cpu_count() or 1
    line = f"Python {platform.python_version()}, {cores} cores"
    if load is None:
        return line
    busy = "; other work on this machine makes every time longer" if load > cores / 2 else ""
    return f"{line}, load {load:g}{busy}"


def _part(text: str) -> str:
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"no part {text!r}; there are {', '.join(PARTS)}")
    return text


def _new_file(text: str) -> Path:
    # Asked now: after an hour of measuring it would be too late to say so.
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written: no such directory")
    return path


def _positive(text: str) -> int:
    if (value := _whole(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return value

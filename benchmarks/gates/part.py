"""Run the gates for a few intervals and put what they cost beside what was promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from rich.console import Console

from benchmarks.gates.stage import EVERY_SECONDS, QUESTIONS
from benchmarks.report import Figure, Of, PartReport, Wanted
from benchmarks.stats import percentile

__all__ = ["PART", "report_of", "run"]

PART = "gates"

_MOST_LAG_SECONDS = 0.5
_MOST_MEGABYTES = 500.0
# On a machine that has little time for it; on an idle one it takes as long as it measures.
_PATIENCE_SECONDS = 3600.0
_CHILD = Path(__file__).with_name("child.py")
_ROOT = Path(__file__).parents[2]


def run(console: Console, *, gates: int, intervals: int) -> PartReport:
    """Measure `intervals` intervals of `gates` gates."""
    what = f"gates: {gates} gates, {intervals} intervals of {EVERY_SECONDS:g} s"
    with tempfile.TemporaryDirectory(prefix="rollout-bench-") as home, console.status(what):
        seen = _child(Path(home), gates, intervals)
    return report_of(seen, gates, intervals)


def _child(home: Path, gates: int, intervals: int) -> dict[str, Any]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("AIRFLOW_")}
    (home / "airflow.cfg").write_text("[core]\nload_examples = False\n")
    file, said = home / "seen", home / "said"
    with said.open("w") as output:
        done = subprocess.run(
            [sys.executable, "-P", str(_CHILD), str(gates), str(intervals), str(file)],
            env={
                **kept, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(_ROOT),
                "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
            },
            cwd=home, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            timeout=_PATIENCE_SECONDS, check=False,
        )  # fmt: skip
    if done.returncode != 0 or not file.exists():
        raise RuntimeError(f"the triggerer has ended:\n{said.read_text()[-2000:]}")
    return dict(json.loads(file.read_text()))


def report_of(seen: Mapping[str, Any], gates: int, intervals: int) -> PartReport:
    """Return the figures of what was seen."""
    shared = min(QUESTIONS, gates)
    per_interval = tuple(
        float(sum(begin <= at < begin + EVERY_SECONDS for at, _ in seen["asked"]))
        for begin in (seen["began"] + index * EVERY_SECONDS for index in range(intervals))
    )
    lags = [max(0.0, late) for late in seen["looks"]]
    group = f"{gates:,} gates"
    figures = (
        Figure(group=group, name=f"requests an interval, {shared} different questions",
               unit="requests", values=per_interval, expected=intervals,
               wanted=Wanted(at_most=float(shared), of=Of.HIGHEST)),
        Figure(group=group, name="the event loop's lag, 99 % of looks", unit="s",
               values=(percentile(lags, 99),) if lags else (), expected=1,
               wanted=Wanted(at_most=_MOST_LAG_SECONDS)),
        Figure(group=group, name="the event loop's lag", unit="s", values=tuple(lags)),
        Figure(group=group, name="resident memory of the process", unit="MB",
               values=tuple(seen["megabytes"]),
               wanted=Wanted(at_most=_MOST_MEGABYTES, of=Of.HIGHEST)),
        Figure(group=group, name="a version is dead until its gate has put traffic back and ended",
               unit="s", values=tuple(seen["deaths"]), expected=seen["dying"]),
        Figure(group=group, name="processor time a second", unit="s",
               values=(seen["processor_seconds"] / seen["seconds"],)),
    )  # fmt: skip
    return PartReport(
        part=PART,
        title=f"{group} on one triggerer, {QUESTIONS} questions, every {EVERY_SECONDS:g} s",
        figures=figures,
        faults=_faults(seen, shared),
        notes=(
            "Airflow's own trigger runner with real gates over HTTP and files. Its supervisor, the "
            "metric system, the router's API and the versions are in the same process and cost "
            "time and memory, too. The clock is processor time: waiting is skipped, and other work "
            f"on the machine counts nothing. {seen['probes'] / seen['seconds']:.0f} health probes "
            "were answered a second.",
        ),
        details={"said": seen["said"]},
    )


def _faults(seen: Mapping[str, Any], shared: int) -> tuple[str, ...]:
    faults = []
    if seen["ended"]:
        faults.append(f"{seen['ended']} gates have ended")
    found = len({query for _, query in seen["asked"]})
    if found != shared:
        faults.append(f"{found} different questions were asked, not {shared}")
    return tuple(faults)

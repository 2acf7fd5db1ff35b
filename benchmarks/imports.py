"""What importing the package and making DAGs of files costs, each time in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.report import Figure, Of, PartReport, Wanted
from benchmarks.stats import linearity

__all__ = ["PART", "run"]

PART = "imports"
FILES = (10, 100, 1000)

_ROOT = Path(__file__).parents[1]
_CHILD = Path(__file__).with_name("import_child.py")
_SPEC = _ROOT / "dags" / "specs" / "payment-service.yaml"
_CHILD_SECONDS = 300.0

_PACKAGE_MS = 100.0
_ONE_FILE_MS = 60.0
_FURTHER_FILE_MS = 5.0
# Time per file may grow by this much from 100 to 1,000 files and still count as linear: the
# garbage collector has more to look through.
_LINEAR = 1.25


def run(console: Console, *, runs: int) -> PartReport:
    """Measure `runs` times and return the figures."""
    with tempfile.TemporaryDirectory(prefix="rollout-bench-") as directory:
        home = Path(directory)
        files = _write_files(home, max(FILES))
        # The first round writes the bytecode that every later interpreter finds, and is dropped.
        with console.status("imports: warming the bytecode"):
            _round(home, files[:1])
        rounds = []
        for number in range(1, runs + 1):
            with console.status(f"imports: round {number} of {runs}"):
                rounds.append(_round(home, files))
            console.print(f"imports {number}/{runs}: {_line(rounds[-1])}")
    return _report(rounds)


def _write_files(home: Path, count: int) -> list[str]:
    """Write the example's file under other names, and an airflow.cfg that asks nothing of disks."""
    (home / "airflow.cfg").write_text("[core]\nload_examples = False\n")
    text = _SPEC.read_text()
    files = []
    for number in range(count):
        file = home / f"payment-service-{number:04d}.yaml"
        file.write_text(text.replace("payment-service", f"payment-service-{number:04d}"))
        files.append(str(file))
    return files


def _round(home: Path, files: list[str]) -> dict[str, Any]:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True, env=_environment(home))
    bare = time.perf_counter() - start
    return {
        "bare": bare,
        **_child(home, "package"),
        **_child(home, "control"),
        **_child(home, "files", *files),
    }


def _child(home: Path, *arguments: str) -> dict[str, Any]:
    # -P: the child's own folder is no place to import from.
    done = subprocess.run(
        [sys.executable, "-P", str(_CHILD), *arguments],
        env=_environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=_CHILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the interpreter that imports failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _environment(home: Path) -> dict[str, str]:
    """Return this environment with bytecode allowed and none of its Airflow settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "AIRFLOW_HOME": str(home)}


def _line(found: dict[str, Any]) -> str:
    beyond = found["factory"]["wall"] + found["first_file"]["wall"]
    further = found["loaded"][-1]["wall"] / len(found["loaded"])
    return (
        f"package {1000 * found['package']['wall']:.0f} ms, "
        f"one file beyond airflow.sdk {1000 * beyond:.0f} ms, "
        f"each further one {1000 * further:.1f} ms"
    )


def _report(rounds: list[dict[str, Any]]) -> PartReport:
    figures = [*_package_figures(rounds), *_first_figures(rounds), *_further_figures(rounds)]
    return PartReport(
        part=PART,
        title="Imports and files (fresh interpreters, bytecode cached)",
        figures=tuple(figures),
        faults=tuple(_faults(rounds)),
        notes=(
            "Timed inside the interpreter, so its own start is in no figure but the one that says "
            "so. Processor time tells what other work on this machine added to the clock.",
        ),
    )


def _package_figures(rounds: list[dict[str, Any]]) -> list[Figure]:
    group = "package"
    loaded = tuple(float(len(found["airflow_modules"])) for found in rounds)
    return [
        Figure(group=group, name="bare interpreter: start to end", unit="ms",
               values=tuple(1000 * found["bare"] for found in rounds)),
        Figure(group=group, name="import airflow_rollout", unit="ms",
               values=_ms(rounds, "package", "wall"), wanted=Wanted(at_most=_PACKAGE_MS)),
        Figure(group=group, name="the same, processor time", unit="ms",
               values=_ms(rounds, "package", "cpu")),
        Figure(group=group, name="modules of Airflow it loads", unit="modules",
               values=loaded, wanted=Wanted(at_most=0, of=Of.HIGHEST)),
    ]  # fmt: skip


def _first_figures(rounds: list[dict[str, Any]]) -> list[Figure]:
    group = "first file"
    whole = {
        clock: tuple(
            1000 * (found["factory"][clock] + found["first_file"][clock]) for found in rounds
        )
        for clock in ("wall", "cpu")
    }
    return [
        Figure(group=group, name="import airflow.sdk (before it)", unit="ms",
               values=_ms(rounds, "sdk", "wall")),
        Figure(group=group, name="rollout_dag and one file, beyond airflow.sdk", unit="ms",
               values=whole["wall"], wanted=Wanted(at_most=_ONE_FILE_MS)),
        Figure(group=group, name="the same, processor time", unit="ms", values=whole["cpu"]),
        Figure(group=group, name="of it: the import", unit="ms",
               values=_ms(rounds, "factory", "wall")),
        Figure(group=group, name="of it: the file", unit="ms",
               values=_ms(rounds, "first_file", "wall")),
        Figure(group=group, name="control: Airflow's own for any first DAG with a trigger",
               unit="ms", values=_ms(rounds, "control", "wall")),
        Figure(group=group, name="the same, processor time", unit="ms",
               values=_ms(rounds, "control", "cpu")),
    ]  # fmt: skip


def _further_figures(rounds: list[dict[str, Any]]) -> list[Figure]:
    group = "further files"
    figures = [
        Figure(
            group=group,
            name=f"each further file, {count:,} files",
            unit="ms",
            values=tuple(
                1000 * _further(found, "wall")[count - 1] / (count - 1) for found in rounds
            ),
            wanted=Wanted(at_most=_FURTHER_FILE_MS),
        )
        for count in FILES
    ]
    plain = tuple(1000 * found["control_dags"]["cpu"] / found["control_count"] for found in rounds)
    figures.append(
        Figure(
            group=group,
            name="control: a DAG with as many empty tasks, processor time",
            unit="ms",
            values=plain,
        )
    )
    small, large = FILES[-2:]
    figures.append(
        Figure(
            group=group,
            name=f"the same, {large:,} files, processor time",
            unit="ms",
            values=tuple(
                1000 * _further(found, "cpu")[large - 1] / (large - 1) for found in rounds
            ),
        )
    )
    for clock, name in (("wall", "time"), ("cpu", "processor time")):
        ratios = tuple(
            linearity(_further(found, clock), small=small - 1, large=large - 1) for found in rounds
        )
        limit = Wanted(at_most=_LINEAR) if clock == "cpu" else None
        title = f"{name} a file at {large:,} over that at {small:,}"
        figures.append(Figure(group=group, name=title, unit="", values=ratios, wanted=limit))
    return figures


def _further(found: dict[str, Any], clock: str) -> dict[int, float]:
    """Return the number of further files -> the seconds for all of them, in one interpreter."""
    return {count - 1: found["loaded"][count - 2][clock] for count in FILES}


def _ms(rounds: list[dict[str, Any]], name: str, clock: str) -> tuple[float, ...]:
    return tuple(1000 * found[name][clock] for found in rounds)


def _faults(rounds: list[dict[str, Any]]) -> list[str]:
    found = sorted({name for one in rounds for name in one["airflow_modules"]})
    faults = [f"import airflow_rollout loads {', '.join(found[:5])}"] if found else []
    faults += [f"{max(FILES)} files made {one['dags']} DAGs"
               for one in rounds if one["dags"] != max(FILES)]  # fmt: skip
    return faults

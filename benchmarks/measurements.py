"""What one measurement costs the triggerer: an answer taken apart, for every metric system."""

from __future__ import annotations

import asyncio
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from airflow_rollout.metrics.base import MetricProvider, MetricQuery
from airflow_rollout.metrics.registry import PROVIDERS, make_provider
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import HttpResponse
from benchmarks.report import Figure, Of, PartReport, Wanted

__all__ = ["PART", "run"]

PART = "measurements"

# Nothing may hold the triggerer's event loop longer.
_MOST_MS = 10.0
_READS = 50
_ANSWERS = Path(__file__).parents[1] / "tests" / "metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One question of a system with the answers that the tests have recorded for it."""

    provider: MetricProvider
    asked: MetricQuery
    answers: tuple[HttpResponse, ...]

    def answered(self, number: int) -> list[HttpResponse]:
        """Return the answers as if they were new: what is remembered must not flatter."""
        if self.answers[0].body[:1] in (b"{", b"["):
            return list(self.answers)
        new = b"# %d\n" % number if self.answers[0].body.startswith(b"#") else b""
        return [replace(one, body=new + one.body) for one in self.answers]


def run(console: Console, *, runs: int) -> PartReport:
    """Measure every system `runs` times `_READS` readings."""
    figures: list[Figure] = []
    with _recorded() as contract:
        for name in PROVIDERS:
            with console.status(f"measurements: {name}"):
                question = _question(contract, name)
                figures += asyncio.run(_measured(contract, name, question, runs))
    return PartReport(
        part=PART,
        title="One measurement, request made and answer read",
        figures=tuple(figures),
        notes=(
            "Processor time of a reading without the network, and the most memory it holds; the "
            "answers are those recorded for the tests: counts of both arms where a system has "
            "them, else one number.",
        ),
    )


@contextmanager
def _recorded() -> Iterator[Any]:
    """Yield the tests' contract module, whose answers are modules beside it."""
    sys.path.insert(0, str(_ANSWERS))
    try:
        yield import_module("contract")
    finally:
        sys.path.remove(str(_ANSWERS))


def _question(contract: Any, name: str) -> _Question:
    known = import_module(f"{name}_answers").CONTRACT
    recorded = known.cases[contract.Case.COUNTS]
    if isinstance(recorded, str):
        recorded = known.cases[contract.Case.VALUE]
    options = known.options if recorded.options is None else recorded.options
    source = MetricSource(provider=name, conn_id="c", every_seconds=5.0, options=options)
    return _Question(
        provider=make_provider(source),
        asked=recorded.asked or known.asked,
        answers=recorded.answers,
    )


async def _measured(contract: Any, name: str, question: _Question, runs: int) -> list[Figure]:
    async def read(number: int) -> None:
        send = contract.Replay(question.answered(number))
        await question.provider.read(question.asked, contract.WINDOW, send)

    await read(0)
    costs = []
    for number in range(1, runs * _READS + 1):
        began = time.thread_time_ns()
        await read(number)
        costs.append((time.thread_time_ns() - began) / 1e6)
    tracemalloc.start()
    held = []
    for number in range(runs):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        await read(-1 - number)
        held.append((tracemalloc.get_traced_memory()[1] - before) / 1024)
    tracemalloc.stop()
    size = sum(len(answer.body) for answer in question.answers) / 1024
    wanted = Wanted(at_most=_MOST_MS, of=Of.P95)
    return [
        Figure(group=name, name="processor time", unit="ms", values=tuple(costs), wanted=wanted),
        Figure(group=name, name=f"memory, of {size:.1f} kB", unit="kB", values=tuple(held)),
    ]

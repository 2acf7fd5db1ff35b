"""`airflow-rollout calibrate SPEC`: what the stable version's history says about the rules."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from airflow_rollout.cli.calibrate_history import (
    CalibrateError,
    Collector,
    History,
    history_of_ticks,
    read_history,
)
from airflow_rollout.cli.calibrate_plot import draw_evidence
from airflow_rollout.cli.calibrate_study import FAULTS, Study, study
from airflow_rollout.cli.calibrate_view import as_json, print_study
from airflow_rollout.cli.replay_counts import CountsFile
from airflow_rollout.cli.replay_header import CountsError
from airflow_rollout.cli.replay_input import opened_counts
from airflow_rollout.cli.router_access import add_router_options
from airflow_rollout.cli.said import KNOWN, add_duration, said_bindings, whole_from_one
from airflow_rollout.errors import SpecError
from airflow_rollout.metrics.base import Window
from airflow_rollout.spec.bindings import UNBOUND
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["add_parser", "run"]

_DONE = 0
_DAY_SECONDS = 86_400.0
_RELEASES = 100
# The first shows where counters stand, the others what came; fewer are no history, however slow
# the source is.
_FEWEST_LOOKS = 3


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `calibrate` to the command line."""
    parser = subparsers.add_parser(
        "calibrate",
        help="say what the stable version's history tells about the rules",
        description="Read the stable version's history from the rollout's metric source, split it "
        "into releases of the same version, and say how errors cluster, how often each rule would "
        "have stopped such a release, and how soon a bad one would be noticed. Nothing is written "
        "anywhere but to --plot.",
    )
    parser.add_argument("file", metavar="SPEC", help="the rollout's file")
    add_duration(parser, "--history", "how far back, or what there is of it; 24h by default")
    add_duration(parser, "--watch", "for a source that keeps no history: look so long, e.g. 20m")
    parser.add_argument(
        "--counts", metavar="FILE", help="take the stable arm of this CSV instead (see replay)"
    )
    parser.add_argument(
        "--releases", type=whole_from_one, default=_RELEASES, metavar="N",
        help=f"healthy releases to judge by each rule ({_RELEASES})",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="another one draws other releases")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--plot", metavar="FILE.svg", help="draw the evidence of two releases")
    parser.set_defaults(history=_DAY_SECONDS)
    add_router_options(parser)


def run(args: argparse.Namespace) -> int:
    """Learn from the history and print it; `RolloutError` when there is none."""
    spec = load_spec(
        args.file, bindings=said_bindings(args).filled(), ignore=args.ignore, known=KNOWN
    )
    plot = None if args.plot is None else _writable(args.plot)
    progress = Console(stderr=True, highlight=False)
    with progress.status("reading the history") as status:
        history = _history(spec, args)
        if not any(one.requests for span in history.spans for one in span.values()):
            raise CalibrateError(_nothing(history))
        found = study(spec, history, releases=args.releases, seed=args.seed, progress=status.update)
    if args.format == "json":
        print(json.dumps(as_json(spec, found), indent=2))
    else:
        print_study(spec, found)
    if plot is not None:
        plot.write_text(_drawn(spec, found))
    return _DONE


def _history(spec: RolloutSpec, args: argparse.Namespace) -> History:
    if args.counts is not None:
        return _of_counts(spec, args.counts, args.history)
    unsaid = {
        "--provider": spec.source.provider,
        "--provider-conn-id": spec.source.conn_id,
        "--router": spec.traffic.router,
    }
    missing = [option for option, value in unsaid.items() if value == UNBOUND]
    if missing:
        raise SpecError(
            "does not say where metrics come from", file=args.file,
            allowed=f"{' and '.join(missing)}, or --counts",
        )  # fmt: skip
    return asyncio.run(_of_source(spec, args))


def _of_counts(spec: RolloutSpec, file: str, seconds: float) -> History:
    with opened_counts(file) as (lines, name):
        counts = CountsFile(lines, name=name)
        named = set(counts.found_metrics()) if counts.names_metrics else None
        asked = {
            metric.name: metric.question
            for metric in spec.judge.metrics
            if counts.has(metric.question) and (named is None or metric.name in named)
        }
        if not asked:
            raise CalibrateError(f"{name} answers no question of {spec.file or spec.name}")
        edges = dict.fromkeys(asked, counts.boundaries)
        found = history_of_ticks(counts.ticks(asked), edges, seconds=seconds)
        if counts.looks_cumulative:
            raise CountsError(
                "every count rises in every row: these are counters", file=name,
                allowed="what each row's interval had",
            )  # fmt: skip
        return replace(found, note=counts.gaps.note)


async def _of_source(spec: RolloutSpec, args: argparse.Namespace) -> History:
    # Opening connections loads the HTTP client, which a file of counts does not need.
    from airflow_rollout.hooks.connection import environment_connections
    from airflow_rollout.hooks.systems import Systems, open_systems

    async def read_with(systems: Systems) -> History:
        metrics = spec.judge.metrics
        now = time.time()
        if args.watch is None:
            return await read_history(
                lambda window: systems.read_metrics(metrics, window), seconds=args.history, now=now
            )
        collector, looks = Collector(), 0
        while looks < _FEWEST_LOOKS or time.time() < now + args.watch:
            looks += 1
            window = Window(start=now, end=time.time())
            for name, reading in (await systems.read_metrics(metrics, window)).items():
                collector.take(name, reading)
            await asyncio.sleep(spec.source.every_seconds)
        return collector.history()

    connect = environment_connections(os.environ, dict(args.conn))
    async with open_systems(spec, connect) as systems:
        return await read_with(systems)


def _nothing(history: History) -> str:
    reasons = "; ".join(f"{name}: {reason}" for name, reason in history.unanswered.items())
    advice = "a source that keeps no history needs --watch 20m, or --counts FILE"
    return f"there is no history of the stable version ({reasons or 'no requests'}); {advice}"


def _drawn(spec: RolloutSpec, found: Study) -> str:
    return draw_evidence(
        [(moment.seconds, moment.evidence) for moment in found.healthy.timeline],
        [(moment.seconds, moment.evidence) for moment in found.faulty.timeline],
        limit=1.0 / spec.judge.alpha,
        fault=FAULTS[1].name,
        title=f"{spec.name}: evidence against the canary",
    )


def _writable(name: str) -> Path:
    # Asked now: after minutes of judging it would be too late to say so.
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir():
        raise CalibrateError(f"{name} cannot be written: no such directory")
    return path

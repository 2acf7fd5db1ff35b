"""`airflow-rollout replay`: what would the gates have said about these counts, when, and why."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, replace

from airflow_rollout.analysis.parameters import (
    DEFAULT_MIN_REQUESTS,
    JudgeParams,
    Metric,
    Promote,
    Promotion,
    Question,
    Semantics,
)
from airflow_rollout.cli.replay_counts import CountsFile
from airflow_rollout.cli.replay_header import CountsError
from airflow_rollout.cli.replay_input import opened_counts
from airflow_rollout.cli.replay_view import Replayed, as_json, print_table
from airflow_rollout.cli.replay_walk import WHOLE_FILE, Walk
from airflow_rollout.cli.said import KNOWN, add_said_options, said_bindings, whole_from_one
from airflow_rollout.plan import PlannedStep, make_plan
from airflow_rollout.spec.durations import native_seconds
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.shares import parse_share

__all__ = ["add_parser", "run"]

_DONE = 0
_DEFAULT_INTERVAL_SECONDS = 10.0
_DEFAULT_FAILURE_LIMIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gate:
    """Who judges: parameters, steps, and what the reader has to know about them."""

    params: JudgeParams
    steps: tuple[PlannedStep, ...]
    notes: tuple[str, ...] = ()


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `replay` to the command line."""
    parser = subparsers.add_parser(
        "replay",
        help="judge recorded counts: what would have happened, when, why",
        description="Read counts of both arms from CSV and say what the gates would have done. "
        "Columns: seconds (the end of each interval), canary_requests, canary_bad, "
        "stable_requests, stable_bad; for latency canary_le_0.25, stable_le_0.25 ... (requests "
        "that took at most 0.25 s); a column `metric` tells several metrics apart. Counts are "
        "those of the row's interval. A row that is missing makes the next interval longer. "
        "Exit code 0 when the file was read, whatever the verdict is.",
    )
    parser.add_argument(
        "spec", nargs="?", metavar="SPEC",
        help="the rollout's file; without it both arms are compared, and nothing else",
    )  # fmt: skip
    parser.add_argument(
        "--counts", required=True, metavar="FILE", help="the CSV file; - is the standard input"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument(
        "--cumulative", action="store_true",
        help="the columns are counters that only rise; one that falls was reset",
    )  # fmt: skip
    judging = parser.add_argument_group("instead of what the spec says, or the default")
    judging.add_argument("--alpha", type=_share, metavar="SHARE", help="1%% or 0.01")
    judging.add_argument("--tolerance", type=_from_one, metavar="ODDS", help="odds ratio, 1.25")
    judging.add_argument(
        "--dispersion", type=_from_one, metavar="PHI",
        help="how many bad requests come as one, from 1; 4 if nobody says it",
    )  # fmt: skip
    judging.add_argument("--warmup", type=_seconds, metavar="TIME", help="not compared: 30s or 30")
    judging.add_argument(
        "--min-intervals", type=whole_from_one, metavar="N", help="that must agree, 2"
    )
    judging.add_argument(
        "--planned-intervals",
        type=whole_from_one,
        metavar="N",
        help="the budget for late starts, 360",
    )
    add_said_options(parser)


def run(args: argparse.Namespace) -> int:
    """Replay the file and print what was found."""
    with opened_counts(args.counts) as (lines, name):
        counts = CountsFile(lines, name=name)
        gate = _overridden(_gate(args, counts), args)
        asked = {metric.name: metric.question for metric in gate.params.metrics}
        walk = Walk(
            gate.params, gate.steps, boundaries=dict.fromkeys(asked, counts.boundaries),
            counters=args.cumulative, first_length=counts.first_length(),
        )  # fmt: skip
        walked = walk.run(counts.ticks(asked))
    replayed = Replayed(params=gate.params, counts=counts, walked=walked, notes=gate.notes)
    if args.format == "json":
        print(json.dumps(as_json(replayed), indent=2))
    else:
        print_table(replayed)
    return _DONE


# --- who judges ---


def _gate(args: argparse.Namespace, counts: CountsFile) -> _Gate:
    if args.spec is None:
        return _plain_gate(counts)
    spec = load_spec(
        args.spec, bindings=said_bindings(args).filled(), ignore=args.ignore, known=KNOWN
    )
    found = set(counts.found_metrics()) if counts.names_metrics else None
    kept: list[Metric] = []
    dropped: list[Metric] = []
    for metric in spec.judge.metrics:
        answered = counts.has(metric.question) and (found is None or metric.name in found)
        (kept if answered else dropped).append(metric)
    if not kept:
        raise CountsError(
            f"answers no question of {args.spec}", file=counts.name,
            found=", ".join(sorted(found or counts.found_metrics())),
            allowed=", ".join(metric.name for metric in spec.judge.metrics),
        )  # fmt: skip
    notes = [f"not judged, the counts say nothing about it: {metric.name}" for metric in dropped]
    judge = replace(spec.judge, metrics=tuple(kept))
    return _Gate(params=judge, steps=make_plan(spec).steps, notes=tuple(notes))


def _plain_gate(counts: CountsFile) -> _Gate:
    """Compare both arms, with the defaults of the native format and no limit."""
    metrics = tuple(
        Metric(name=name, question=question, quantile=_quantile(question), weight=1.0)
        for name, question in counts.found_metrics().items()
    )
    params = JudgeParams(
        semantics=Semantics.NATIVE,
        metrics=metrics,
        interval_seconds=_DEFAULT_INTERVAL_SECONDS,
        failure_limit=_DEFAULT_FAILURE_LIMIT,
        min_requests=DEFAULT_MIN_REQUESTS,
        promotion=Promotion(when=Promote.ON_EVIDENCE),
    )
    return _Gate(params=params, steps=(WHOLE_FILE,))


def _quantile(question: Question) -> float | None:
    return 0.99 if question is Question.LATENCY else None


def _overridden(gate: _Gate, args: argparse.Namespace) -> _Gate:
    """Return the gate with what the options say."""
    params = gate.params
    changes = {
        name: value
        for name in ("tolerance", "dispersion", "min_intervals", "planned_intervals")
        if (value := getattr(args, name)) is not None
    }
    params = replace(
        params,
        alpha=params.alpha if args.alpha is None else args.alpha,
        warmup_seconds=params.warmup_seconds if args.warmup is None else args.warmup,
        comparison=replace(params.comparison, **changes),
    )
    return replace(gate, params=params)


def _share(text: str) -> float:
    """Read `1%` or `0.01`."""
    try:
        value = parse_share(text) if text.rstrip().endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value <= 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is no share such as 1% or 0.01, up to 50%")
    return value


def _seconds(text: str) -> float:
    """Read `30s` or, as the counts are in seconds, `30`."""
    try:
        value = float(text) if text.replace(".", "", 1).isdigit() else native_seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 30s or 30") from None
    return value


def _from_one(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1.0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return value

"""`airflow-rollout plan FILE`: show a release's steps, times and limits, without Airflow."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_rollout.analysis.parameters import JudgeParams, Mode, Policies, Promote
from airflow_rollout.analysis.sentences import terms
from airflow_rollout.cli.said import (
    KNOWN,
    add_duration,
    add_said_options,
    check_adapters,
    said_bindings,
)
from airflow_rollout.plan import Plan, make_plan
from airflow_rollout.spec.durations import say_duration
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.spec.shares import say_share
from airflow_rollout.spec.words import say_question

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "plan",
        help="show a file's steps, times and limits",
        description="Show what a release of this file does: steps, times, longest exposure, "
        "questions and limits.",
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_duration(parser, "--interval", "plan a release that overrides the interval, e.g. 5s")
    add_said_options(parser)


def run(args: argparse.Namespace) -> int:
    """Plan the file and print the plan."""
    bindings = said_bindings(args).filled()
    spec = load_spec(args.file, bindings=bindings, ignore=args.ignore, known=KNOWN)
    check_adapters(spec)
    spec = spec.overridden(interval_seconds=args.interval, dispersion=None)
    plan = make_plan(spec)
    if args.format == "json":
        print(json.dumps(_as_json(spec, plan), indent=2))
    else:
        _print(spec, plan)
    return 0


def _as_json(spec: RolloutSpec, plan: Plan) -> dict[str, Any]:
    judge = spec.judge
    return {
        "name": spec.name,
        "namespace": spec.namespace,
        "dialect": spec.dialect,
        "file": spec.file,
        **asdict(plan),
        "interval_seconds": judge.interval_seconds,
        "failure_limit": judge.failure_limit,
        "alpha": judge.alpha,
        "min_requests": judge.min_requests,
        "mode": judge.mode,
        "questions": [
            {"name": metric.name, "question": say_question(spec, metric), "mode": metric.mode}
            for metric in judge.metrics
        ],
        "unsupported": list(spec.unsupported),
        "ignored": list(spec.ignored),
    }


def _print(spec: RolloutSpec, plan: Plan) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=False)
    console.print(f"{spec.name} in {spec.namespace} ({spec.dialect}, {spec.file})")
    console.print(_steps_table(plan))
    console.print(_times(spec, plan))
    console.print()
    console.print("Asked at every step:")
    console.print(_questions_table(spec))
    console.print(_rules(spec))
    for title, paths in (
        ("Not executed; rollout_dag(...) refuses them unless `ignore` names them:",
         spec.unsupported),
        ("Not executed, as agreed:", spec.ignored),
    ):  # fmt: skip
        if paths:
            console.print(Text("\n".join(["", title, *(f"  {path}" for path in paths)])))


def _steps_table(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("step", no_wrap=True)
    for title in ("weight", "rises after", "hold", "gives up after", "backstop"):
        table.add_column(title, justify="right", no_wrap=True)
    for step in plan.steps:
        table.add_row(
            step.id,
            f"{step.weight} %",
            say_duration(step.rises_after_seconds),
            say_duration(step.hold_seconds),
            say_duration(step.deadline_seconds),
            say_duration(step.backstop_seconds),
        )
    return table


def _questions_table(spec: RolloutSpec) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for metric in spec.judge.metrics:
        table.add_row(f"  {metric.name}", say_question(spec, metric))
    return table


def _times(spec: RolloutSpec, plan: Plan) -> str:
    lines = ["", f"A good release takes at least {say_duration(plan.shortest_seconds)} of traffic."]
    if spec.judge.mode is Mode.OBSERVE:
        lines.append("A bad one is recorded and not stopped: this rollout only observes.")
        return "\n".join(lines)
    if spec.judge.comparison.enabled:
        lines.append("A bad one loses its traffic once it is surely worse than stable, or after")
    else:
        lines.append("A bad one loses its traffic after")
    lines += [
        f"  {say_duration(plan.counted_checks_seconds)} at most if it fails every counted check",
        f"  {say_duration(plan.longest_exposure_seconds)} at most if nothing can be judged",
        f"  {say_duration(plan.backstop_exposure_seconds)} at most if no triggerer runs",
    ]
    return "\n".join(lines)


def _rules(spec: RolloutSpec) -> str:
    judge = spec.judge
    lines = [
        "",
        f"Failed checks are counted every {say_duration(judge.interval_seconds)}; number "
        f"{judge.failure_limit} of a release rolls it back.",
    ]
    if judge.min_requests:
        lines.append(f"A step passes on at least {judge.min_requests} requests of the canary.")
    if judge.promotion.when is Promote.ON_EVIDENCE:
        least = say_duration(judge.promotion.min_duration_seconds)
        lines.append(f"A step ends sooner, after {least}, once surely no worse than stable.")
    lines += _policies(judge)
    if judge.comparison.enabled:
        lines.append(f"Both versions are compared with {terms(judge)}.")
        lines.append(
            f"Evidence stops a healthy release in at most {say_share(judge.alpha)} of cases."
        )
    return "\n".join(lines)


def _policies(judge: JudgeParams) -> list[str]:
    """Say what becomes of a step that shows nothing or cannot be measured, unless it is usual."""
    policies, plain, lines = judge.policies, Policies(), []
    if policies.on_inconclusive is not plain.on_inconclusive:
        lines.append(
            f"A step that is not shown to be as good as stable: {policies.on_inconclusive}."
        )
    if policies.on_error is not plain.on_error:
        lines.append(
            f"More than {policies.consecutive_error_limit} readings in a row that fail: "
            f"{policies.on_error}."
        )
    if policies.ask_seconds:
        lines.append(f"A person is asked for {say_duration(policies.ask_seconds)} at most.")
    return lines

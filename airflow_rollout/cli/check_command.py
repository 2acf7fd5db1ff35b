"""`airflow-rollout check FILE`: what a rollout will ask, and with --live what is answered now."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from dataclasses import asdict, replace

from airflow_rollout.cli.router_access import add_router_options
from airflow_rollout.cli.said import KNOWN, add_duration, said_bindings
from airflow_rollout.errors import RolloutError, SpecError
from airflow_rollout.hooks.adapters import make_adapters
from airflow_rollout.hooks.connection import environment_connections
from airflow_rollout.hooks.preflight import Finding, look, not_sent
from airflow_rollout.hooks.systems import Systems, open_systems
from airflow_rollout.release import describe
from airflow_rollout.spec.bindings import UNBOUND
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import RolloutSpec, WorkloadRef
from airflow_rollout.spec.words import say_question

__all__ = ["add_parser", "run"]

_DEFAULT_LOOK_BACK_SECONDS = 300.0

# A query of pages would hide the line below it; JSON has all of it.
_LONGEST_SHOWN = 300


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "check",
        help="show what a file's metrics ask; with --live ask, and say what is wrong",
        description="Show the requests that the metrics of a rollout come to. With --live every "
        "connection is used and every metric is read once, of the stable version: exit code 1 if "
        "the router does not answer or a metric has no number. No traffic is moved.",
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--live", action="store_true", help="ask router and metric system now")
    add_duration(parser, "--since", "how far back --live looks, 5m by default")
    parser.set_defaults(since=_DEFAULT_LOOK_BACK_SECONDS)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_router_options(parser)


def run(args: argparse.Namespace) -> int:
    """Check the file's metrics and print what was found."""
    spec = _load(args)
    reached, router, findings = asyncio.run(_live(spec, args) if args.live else _dry(spec))
    good = reached and all(one.ok for one in findings)
    if args.format == "json":
        metrics = [asdict(one) for one in findings]
        print(json.dumps({"ok": good, "router": router, "metrics": metrics}, indent=2))
    else:
        _print(spec, router, findings, live=args.live)
    return 0 if good else 1


def _load(args: argparse.Namespace) -> RolloutSpec:
    """Return the rollout; its workload need not be known, nothing is started."""
    bindings = said_bindings(args).filled()
    spec = load_spec(args.file, bindings=bindings, ignore=args.ignore, known=KNOWN)
    unsaid = {"--router": spec.traffic.router, "--provider": spec.source.provider}
    if args.live:
        unsaid |= {
            "--router-conn-id": spec.traffic.conn_id, "--provider-conn-id": spec.source.conn_id,
        }  # fmt: skip
    missing = [option for option, value in unsaid.items() if value == UNBOUND]
    if missing:
        raise SpecError("does not say what to ask", file=args.file, allowed=" and ".join(missing))
    if spec.workload.kind == UNBOUND:
        spec = replace(spec, workload=WorkloadRef(kind="endpoints", name=spec.name))
    return spec


async def _dry(spec: RolloutSpec) -> tuple[bool, str, list[Finding]]:
    adapters = make_adapters(spec)
    systems = Systems(
        router=adapters.router, workload=adapters.workload, provider=adapters.provider,
        router_send=not_sent, workload_send=not_sent, provider_send=not_sent,
        traffic=spec.traffic, namespace=spec.namespace, semantics=spec.judge.semantics,
    )  # fmt: skip
    metrics = spec.judge.metrics
    found = await look(systems, metrics, seconds=_DEFAULT_LOOK_BACK_SECONDS, pause_seconds=0)
    return True, "", [_unasked(one) for one in found]


def _unasked(finding: Finding) -> Finding:
    """Return a finding of a metric that was not asked; without a request it never will be."""
    text = "not asked" if finding.asked else finding.text
    return replace(finding, ok=bool(finding.asked), text=text)


async def _live(spec: RolloutSpec, args: argparse.Namespace) -> tuple[bool, str, list[Finding]]:
    """Return whether the router answers, its words, and what each metric gave."""
    connect = environment_connections(os.environ, dict(args.conn))
    async with open_systems(spec, connect) as systems:
        reached = True
        try:
            router = f"answers: {describe(await systems.read_split())}"
        except RolloutError as error:
            reached, router = False, f"NOT OK: {error}"
        found = await look(
            systems, spec.judge.metrics, seconds=args.since, pause_seconds=spec.source.every_seconds
        )
    return reached, router, found


def _print(spec: RolloutSpec, router: str, findings: list[Finding], *, live: bool) -> None:
    print(f"{spec.name}: metrics from {spec.source.provider}, traffic by {spec.traffic.router}")
    if live:
        print(f"  router {router}")
    for metric, finding in zip(spec.judge.metrics, findings, strict=True):
        mark = "" if not live else "ok: " if finding.ok else "NOT OK: "
        print(f"  {metric.name}: {mark}{finding.text} [{say_question(spec, metric)}]")
        for asked in finding.asked:
            short = asked if len(asked) <= _LONGEST_SHOWN else f"{asked[:_LONGEST_SHOWN]}..."
            print(f"    {short}")

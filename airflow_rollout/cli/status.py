"""`airflow-rollout status`: what a release did and why, in one look."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

import msgspec
from rich.console import Console

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_options import UsageError, add_airflow_options, api_from
from airflow_rollout.cli.record_view import record_view
from airflow_rollout.cli.router_access import add_router_options, load_for_router, with_router
from airflow_rollout.cli.watch import read_records
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.hooks.watched import who_watches
from airflow_rollout.release import describe

__all__ = ["add_parser", "run", "show_at_router"]

_SHOWN, _NOTHING, _USAGE, _UNWATCHED = 0, 1, 2, 3


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `status` to the command line."""
    parser = subparsers.add_parser(
        "status",
        help="show what a release did and why",
        description="Show the latest release of a rollout, or the one of a run: the reason "
        "first, then steps, numbers and timeline; of a DAG with several rollouts all of them (as a "
        "list with --format json). With --router: show what the router's record "
        "says, without Airflow; ROLLOUT is then the rollout's file. Exit 3 when a release is open "
        "there and nobody watches it any more: `airflow-rollout rollback` puts its traffic back.",
    )
    parser.add_argument("rollout", metavar="ROLLOUT", help="the rollout's DAG id, or its file")
    parser.add_argument("--run-id", help="the run to show; the latest one by default")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_airflow_options(parser)
    add_router_options(parser, bare_router=True)


def run(options: argparse.Namespace) -> int:
    """Print the record; 1 when there is none, 3 when nobody watches it any more.

    :raises RolloutError: nobody tells.
    """
    if options.router is not None:
        spec = load_for_router(options.rollout, options)
        return asyncio.run(
            with_router(spec, options, lambda it: show_at_router(it, options.format))
        )
    try:
        api = api_from(options, os.environ)
    except UsageError as error:
        print(f"airflow-rollout status: {error}", file=sys.stderr)
        return _USAGE
    with api.session:
        return _show(api, options)


def _show(api: AirflowApi, options: argparse.Namespace) -> int:
    run_id = options.run_id or _latest(api, options.rollout)
    records = read_records(api, options.rollout, run_id) if run_id else []
    if not records:
        what = f"run {run_id} has not opened one" if run_id else "it never ran"
        print(f"no release of {options.rollout}: {what}", file=sys.stderr)
        return _NOTHING
    if options.format == "json":
        found = [record.to_builtins() for record in records]
        print(json.dumps(found[0] if len(found) == 1 else found))
        return _SHOWN
    for record in records:
        Console(highlight=False, soft_wrap=False).print(record_view(record))
    return _SHOWN


def _latest(api: AirflowApi, rollout: str) -> str:
    runs = api.runs(rollout, limit=1)
    return runs[0].run_id if runs else ""


async def show_at_router(systems: Systems, form: str) -> int:
    """Print the router's record as `text` or `json`; return the exit code."""
    split = await systems.read_split()
    if split is None:
        print("the router has no record of this service", file=sys.stderr)
        return _NOTHING
    try:
        live = await systems.live_weight()
    except TransientAdapterError:
        live = None
    watch = await who_watches(systems, split)
    ended = _UNWATCHED if watch.is_lost else _SHOWN
    if form == "json":
        data = {
            "split": msgspec.to_builtins(split),
            "live_weight": live,
            "watched": watch.text,
            "is_lost": watch.is_lost,
        }
        print(json.dumps(data))
        return ended
    print(f"record: {describe(split)}")
    print(f"served: {'unknown' if live is None else f'{live} % on the canary'}")
    if watch.text:
        print(f"watch:  {watch.text}")
    return ended

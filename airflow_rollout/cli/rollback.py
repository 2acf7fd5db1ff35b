"""`airflow-rollout rollback`: put traffic back without Airflow; the glass to break."""

from __future__ import annotations

import argparse
import asyncio
import sys

from airflow_rollout.cli.router_access import add_router_options, load_for_router, with_router
from airflow_rollout.cli.said import add_duration
from airflow_rollout.errors import RolloutError
from airflow_rollout.hooks.moves import persist
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.hooks.way_back import go_back
from airflow_rollout.release import ReleaseState, TrafficSplit, describe

__all__ = ["add_parser", "run"]

_SAFE, _NOT_SAFE = 0, 1
_DEFAULT_REASON = "rolled back by hand"
_DEFAULT_TIMEOUT_SECONDS = 60.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `rollback` to the command line."""
    parser = subparsers.add_parser(
        "rollback",
        help="put all traffic on stable, without Airflow",
        description="Seal the open release of a rollout and put all traffic on its stable "
        "version. Talks to the router alone: no Airflow component is needed. Safe to run at any "
        "time, twice, and while Airflow runs. Exit 0 when traffic is safe.",
    )
    parser.add_argument("file", metavar="SPEC", help="the rollout's file")
    parser.add_argument("--reason", default=_DEFAULT_REASON, help="kept in the router's record")
    add_duration(parser, "--timeout", "how long it is tried; 1m by default")
    parser.set_defaults(timeout=_DEFAULT_TIMEOUT_SECONDS)
    add_router_options(parser)


def run(args: argparse.Namespace) -> int:
    """Go back, and say what was found and done."""
    spec = load_for_router(args.file, args)
    try:
        return asyncio.run(with_router(spec, args, lambda systems: _go(systems, args)))
    except RolloutError as error:
        print(f"NOT SAFE: {error}", file=sys.stderr)
        return _NOT_SAFE


async def _go(systems: Systems, args: argparse.Namespace) -> int:
    async def once() -> int:
        found = await systems.read_split()
        if found is None:
            print("nothing to put back: the router has no record of this service")
            return _SAFE
        print(f"found: {describe(found)}", flush=True)
        if found.state is ReleaseState.RELEASED:
            print("nothing to put back: that version is the stable one")
            return _SAFE
        move = await go_back(systems, owner=found.token.owner, reason=args.reason)
        print(_done(found, move.split, wrote=move.wrote))
        return _SAFE

    return await persist(once, seconds=args.timeout, on_error=_complain)


def _done(found: TrafficSplit, now: TrafficSplit | None, *, wrote: bool) -> str:
    if not wrote:
        return f"already safe: all traffic is on stable ({found.reason})"
    return f"put back: {describe(now)}"


def _complain(text: str) -> None:
    print(f"not yet: {text}", file=sys.stderr, flush=True)

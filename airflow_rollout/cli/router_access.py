"""Reach a rollout's router without Airflow: the file, its bindings, connections by environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airflow_rollout.cli.said import KNOWN, add_said_options, said_bindings
from airflow_rollout.errors import SpecError
from airflow_rollout.hooks.connection import Connect, environment_connections
from airflow_rollout.hooks.systems import Systems, open_router
from airflow_rollout.spec.bindings import UNBOUND
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["add_router_options", "load_for_router", "with_router"]

T = TypeVar("T")


def add_router_options(parser: argparse.ArgumentParser, *, bare_router: bool = False) -> None:
    """Add what names the router and its connection; see `add_said_options`."""
    parser.add_argument(
        "--conn", action="append", default=[], type=_connection, metavar="ID=URI",
        help="a connection, as an Airflow connection URI or JSON; else $AIRFLOW_CONN_<ID>; "
        "may be repeated",
    )  # fmt: skip
    add_said_options(parser, bare_router=bare_router)


def load_for_router(file: str, args: argparse.Namespace) -> RolloutSpec:
    """Load a rollout of which only the router has to be known.

    :raises SpecError: the file is wrong, or nobody says which router or connection.
    """
    spec = load_spec(file, bindings=said_bindings(args).filled(), ignore=args.ignore, known=KNOWN)
    unsaid = {"--router": spec.traffic.router, "--router-conn-id": spec.traffic.conn_id}
    missing = [option for option, value in unsaid.items() if value == UNBOUND]
    if missing:
        raise SpecError("does not say which router", file=file, allowed=" and ".join(missing))
    return spec


async def with_router(
    spec: RolloutSpec, args: argparse.Namespace, use: Callable[[Systems], Awaitable[T]]
) -> T:
    """Open the router, use it and close it."""
    connect: Connect = environment_connections(os.environ, dict(args.conn))
    async with open_router(spec, connect) as systems:
        return await use(systems)


def _connection(text: str) -> tuple[str, str]:
    conn_id, mark, uri = text.partition("=")
    if not mark or not conn_id or not uri:
        # The text is not shown: it may hold a password.
        raise argparse.ArgumentTypeError("write it as ID=URI, for example traefik=traefik://...")
    return conn_id, uri

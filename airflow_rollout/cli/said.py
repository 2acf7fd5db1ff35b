"""Options that say what a rollout file cannot say itself, as `rollout_dag(...)` would."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from airflow_rollout.analysis.parameters import Mode, Promote
from airflow_rollout.errors import SpecError
from airflow_rollout.hooks.adapters import make_adapters
from airflow_rollout.metrics.registry import PROVIDERS, make_provider
from airflow_rollout.spec.bindings import UNBOUND, Bindings, Known
from airflow_rollout.spec.durations import NATIVE_DURATION, parse_duration
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.traffic.registry import ROUTERS, make_router
from airflow_rollout.workloads.registry import WORKLOADS, make_workload

__all__ = [
    "KNOWN",
    "add_duration",
    "add_said_options",
    "check_adapters",
    "said_bindings",
    "whole_from_one",
]

KNOWN = Known(providers=PROVIDERS, routers=ROUTERS, workloads=WORKLOADS)

_TEXTS = (
    ("--router", "what moves the traffic"),
    ("--router-conn-id", "Airflow connection of the router"),
    ("--router-service", "the service's name at the router"),
    ("--workload", "kind of the thing that is released"),
    ("--provider", "where metrics come from"),
    ("--provider-conn-id", "Airflow connection of the metric source"),
)


def add_said_options(parser: argparse.ArgumentParser, *, bare_router: bool = False) -> None:
    """Add the options that `said_bindings` reads.

    :param bare_router: whether `--router` may stand alone, without a name.
    """
    group = parser.add_argument_group(
        "what the file does not say", "the arguments that rollout_dag(...) will be given"
    )
    for option, help_line in _TEXTS:
        bare = bare_router and option == "--router"
        alone: dict[str, Any] = {"nargs": "?", "const": ""} if bare else {}
        group.add_argument(option, metavar="NAME", help=help_line, **alone)
    add_duration(group, "--every", "how often the source is asked, e.g. 1s")
    group.add_argument(
        "--promote", type=Promote, choices=list(Promote),
        help="when a good step ends: once that is shown, or when its hold is over",
    )  # fmt: skip
    group.add_argument(
        "--mode", type=Mode, choices=list(Mode), help="judge and act, or judge and record only"
    )
    group.add_argument(
        "--ignore", action="append", default=[], metavar="PATH",
        help="a field that need not be executed, with all below it; may be repeated",
    )  # fmt: skip


def check_adapters(spec: RolloutSpec) -> None:
    """Raise `SpecError` for what adapters do not know or cannot do; no adapter is used.

    What nobody has said yet is not checked.
    """
    if UNBOUND not in (spec.workload.kind, spec.traffic.router, spec.source.provider):
        make_adapters(spec)
        return
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        (spec.workload.kind, partial(_workload, spec)),
        (spec.traffic.router, lambda: make_router(spec.traffic, namespace=spec.namespace)),
        (spec.source.provider, lambda: make_provider(spec.source)),
    )
    for name, make in checks:
        if name == UNBOUND:
            continue
        try:
            make()
        except SpecError as error:
            raise SpecError(
                error.message, file=spec.file, path=error.path, found=error.found,
                allowed=error.allowed,
            ) from error  # fmt: skip


def _workload(spec: RolloutSpec) -> object:
    return make_workload(spec.workload, namespace=spec.namespace, service=spec.traffic.service)


def add_duration(parser: argparse._ActionsContainer, option: str, help_line: str) -> None:
    """Add an option that takes a duration such as ``5s`` and yields seconds."""
    parser.add_argument(option, type=_duration, metavar="TIME", help=help_line)


def said_bindings(args: argparse.Namespace) -> Bindings:
    """Return what the options say."""
    return Bindings(
        workload=args.workload,
        router=args.router or None,
        router_conn_id=args.router_conn_id,
        router_service=args.router_service,
        provider=args.provider,
        provider_conn_id=args.provider_conn_id,
        every_seconds=args.every,
        promote=args.promote,
        mode=args.mode,
    )


def whole_from_one(text: str) -> int:
    """Read an option's whole number from 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return value


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except SpecError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {NATIVE_DURATION}") from None

"""`airflow-rollout demo`: what the package does, on this machine, in four minutes."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

_USAGE = 2
_NEEDS_EXTRA = "this needs the extra `demo`: pip install 'airflow-rollout[demo]'"


def add_parser(subparsers: Any) -> None:
    """Add `demo` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="release four versions of a real service on this machine",
        description="Start a real Airflow, a Traefik and a small service under load on this "
        "machine, release three bad versions and a good one, and show what happens. Everything "
        "listens on loopback only and is gone at the end.",
    )
    parser.add_argument(
        "--exit",
        action="store_true",
        dest="leave",
        help="end after the last release instead of staying until Ctrl-C; exit code 0 only if "
        "every version ended as it should",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the numbers as JSON")
    parser.add_argument(
        "--rate", type=_rate, default=100.0, help="requests a second, from 10 (default: 100)"
    )
    parser.add_argument(
        "--seed", type=int, help="which requests of v2 fail (default: chosen at random)"
    )
    parser.add_argument(
        "--keep-logs", type=Path, metavar="DIR", help="copy all logs to this directory at the end"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 if every version ended as it should."""
    # The lab's parts need an extra, and `--help` must not wait for Airflow's imports.
    try:
        import psutil  # noqa: F401
    except ModuleNotFoundError:
        print(f"airflow-rollout demo: {_NEEDS_EXTRA}", file=sys.stderr)
        return _USAGE
    from airflow_rollout.demo.example import find_dags
    from airflow_rollout.demo.laptop_show import LaptopShow
    from airflow_rollout.demo.screen import open_screen
    from airflow_rollout.demo.show import ShowOptions, run_show

    options = ShowOptions(
        leave=args.leave,
        rate=args.rate,
        seed=random.randrange(2**31) if args.seed is None else args.seed,  # noqa: S311
        report=args.report,
        keep_logs=args.keep_logs,
    )
    dags = find_dags()
    return run_show(lambda: LaptopShow(options, open_screen(), dags))


def _rate(text: str) -> float:
    value = float(text)
    # With fewer the canary gets less than one request a second, and nothing can be compared.
    if not 10 <= value <= 1000:
        raise argparse.ArgumentTypeError("from 10 to 1000 requests a second")
    return value

"""`airflow-rollout demo`: what the package does, on this machine or a cluster, in four minutes."""

from __future__ import annotations

import argparse
import random
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_rollout.demo.show import ShowOptions

__all__ = ["add_parser", "run"]

_USAGE = 2
_NAMESPACE = "airflow-rollout-demo"
_NEEDS_EXTRA = "this needs the extra `demo`: pip install 'airflow-rollout[demo]'"


def add_parser(subparsers: Any) -> None:
    """Add `demo` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="release four versions of a real service, here or on a cluster of yours",
        description="Start a real Airflow, a Traefik and a small service under load on this "
        "machine, release three bad versions and a good one, and show what happens. Everything "
        "listens on loopback only and is gone at the end. With --kubernetes the service and its "
        "load run in a namespace of your own cluster, which is removed at the end, and no router "
        "is needed: Airflow runs here, and reaches the cluster by your kubeconfig.",
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
    _add_cluster_options(parser)


def _add_cluster_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("on a cluster")
    group.add_argument(
        "--kubernetes",
        action="store_true",
        help="release on the cluster of your kubeconfig; makes a namespace, touches nothing else "
        "and removes it at the end",
    )
    group.add_argument("--context", metavar="NAME", help="context of the kubeconfig (the current)")
    group.add_argument(
        "--namespace",
        type=_name,
        metavar="NAME",
        help=f"must not exist yet (default: {_NAMESPACE})",
    )
    group.add_argument(
        "--image-template",
        type=_images,
        metavar="IMAGE",
        help="where Python 3.10 to 3.14 come from, for registries of your own "
        "(default: python:{version}-alpine)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 if every version ended as it should."""
    # The lab's parts need an extra, and `--help` must not wait for Airflow's imports.
    try:
        import psutil  # noqa: F401
    except ModuleNotFoundError:
        return _refuse(_NEEDS_EXTRA)
    from airflow_rollout.demo.show import ShowOptions

    misplaced = _misplaced(args)
    if misplaced:
        return _refuse(misplaced)
    options = ShowOptions(
        leave=args.leave,
        rate=args.rate,
        seed=random.randrange(2**31) if args.seed is None else args.seed,  # noqa: S311
        report=args.report,
        keep_logs=args.keep_logs,
    )
    return _run_on_cluster(options, args) if args.kubernetes else _run_here(options)


def _run_here(options: ShowOptions) -> int:
    from airflow_rollout.demo.example import find_dags
    from airflow_rollout.demo.laptop_show import LaptopShow
    from airflow_rollout.demo.screen import open_screen
    from airflow_rollout.demo.show import run_show

    dags = find_dags()
    return run_show(lambda: LaptopShow(options, open_screen(), dags))


def _run_on_cluster(options: ShowOptions, args: argparse.Namespace) -> int:
    from airflow_rollout.demo.cluster.login import ClusterUnfit, log_in
    from airflow_rollout.demo.cluster.show import ClusterShow
    from airflow_rollout.demo.cluster.story import DEFAULT_IMAGES
    from airflow_rollout.demo.screen import open_screen
    from airflow_rollout.demo.show import run_show

    try:
        login = log_in(args.context)
        return run_show(
            lambda: ClusterShow(
                options, open_screen(), login,
                namespace=args.namespace or _NAMESPACE,
                images=args.image_template or DEFAULT_IMAGES,
            )
        )  # fmt: skip
    except ClusterUnfit as error:
        return _refuse(str(error))


def _refuse(why: str) -> int:
    print(f"airflow-rollout demo: {why}", file=sys.stderr)
    return _USAGE


def _misplaced(args: argparse.Namespace) -> str:
    """Return which option has no meaning in this demo, empty if none."""
    if args.kubernetes:
        return "" if args.seed is None else "--seed has no meaning with --kubernetes"
    of_cluster = ("context", "namespace", "image_template")
    given = [f"--{name.replace('_', '-')}" for name in of_cluster if getattr(args, name)]
    return f"{' and '.join(given)}: only with --kubernetes" if given else ""


def _name(text: str) -> str:
    # What Kubernetes takes for a namespace: a label of a host's name.
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError("lower case letters, digits and dashes, 63 at most")
    return text


def _images(text: str) -> str:
    if "{version}" not in text:
        raise argparse.ArgumentTypeError("it needs {version}, as python:{version}-alpine has it")
    return text


def _rate(text: str) -> float:
    value = float(text)
    # With fewer the canary gets less than one request a second, and nothing can be compared.
    if not 10 <= value <= 1000:
        raise argparse.ArgumentTypeError("from 10 to 1000 requests a second")
    return value

"""The entry point of `airflow-rollout`: find the command, run it, end without a traceback."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from airflow_rollout import __version__
from airflow_rollout.errors import RolloutError

__all__ = ["COMMANDS", "main"]

# name, module, one line of help. A module is imported when its command is called: `--help`, lint
# and plan must not wait for an import they do not need, Airflow's least of all.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("check", "airflow_rollout.cli.check_command", "show what metrics ask, and what they answer"),
    ("calibrate", "airflow_rollout.cli.calibrate", "say what history tells about the rules"),
    (
        "demo",
        "airflow_rollout.demo.command",
        "release four versions, here or on a cluster of yours",
    ),
    ("lint", "airflow_rollout.cli.lint", "check rollout files and say what is wrong, and where"),
    ("plan", "airflow_rollout.cli.plan_command", "show a file's steps, times and limits"),
    ("release", "airflow_rollout.cli.release", "start a release, and wait for its end"),
    ("replay", "airflow_rollout.cli.replay", "judge recorded counts: what, when and why"),
    ("rollback", "airflow_rollout.cli.rollback", "put all traffic on stable, without Airflow"),
    ("status", "airflow_rollout.cli.status", "show what a release did and why"),
)

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code.

    0: it went well. 1: it did not, and the last line says why. 2: it was called wrongly.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _write_anything()
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has gone (`| head`). Nothing may be flushed to it at exit either.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _run(words: list[str]) -> int:
    try:
        args = _parser(words).parse_args(words)
        return int(args.run(args))
    except SystemExit as end:
        # argparse has printed help or usage.
        return end.code if isinstance(end.code, int) else 1
    except RolloutError as error:
        print(f"airflow-rollout: {error}", file=sys.stderr)
        return 1
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - the edge of the program
        print(f"airflow-rollout: this should not happen: {_where(error)}", file=sys.stderr)
        return 1


def _where(error: Exception) -> str:
    """Say what went wrong inside, and where, in the one line that a report of it needs."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airflow-rollout", description="Progressive delivery with automated rollback."
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    called = next((word for word in words if not word.startswith("-")), None)
    for name, module, help_line in COMMANDS:
        if name == called:
            command = import_module(module)
            command.add_parser(subparsers)
            subparsers.choices[name].set_defaults(run=command.run)
        else:
            subparsers.add_parser(name, help=help_line)
    return parser


def _write_anything() -> None:
    """Let no file name or value end the program because the terminal cannot show it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

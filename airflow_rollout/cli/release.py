"""`airflow-rollout release`: start a release as CI does, and wait for how it ends."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_options import UsageError, add_airflow_options, api_from
from airflow_rollout.cli.airflow_session import ApiNotFound
from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.said import add_duration
from airflow_rollout.cli.watch import Line, follow
from airflow_rollout.errors import RolloutError
from airflow_rollout.record import ReleaseRecord
from airflow_rollout.release import Outcome
from airflow_rollout.spec.durations import NATIVE_DURATION, native_seconds

__all__ = ["add_parser", "new_run_id", "release_conf", "run", "start_release"]

_PROMOTED, _NOT_PROMOTED, _USAGE, _INTERRUPTED = 0, 1, 2, 130
# What Airflow lets a run id consist of.
_RUN_ID = re.compile(r"[A-Za-z0-9_.~:+-]+")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `release` to the command line."""
    parser = subparsers.add_parser(
        "release",
        help="start a release, and wait for its end",
        description=(
            "Start a release of a rollout. With --wait: print what happens and exit 0 only when "
            "the new version was promoted, 1 when it was not (or the end was not seen)."
        ),
    )
    parser.add_argument("rollout", metavar="ROLLOUT", help="the rollout's DAG id")
    parser.add_argument("--version", required=True, help="name of the new version")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--url", help="where the new version listens (workload endpoints)")
    target.add_argument("--image", help="the new version's image (Kubernetes workloads)")
    parser.add_argument("--interval", type=_interval, help="time between two checks, e.g. 5s")
    parser.add_argument("--dispersion", type=float, help="how far errors come in clusters, from 1")
    parser.add_argument(
        "--skip-analysis", metavar="REASON", type=_reason,
        help="for a hotfix: judge nothing, and record why",
    )  # fmt: skip
    parser.add_argument(
        "--run-id", type=_run_id, help="id of the run: asking again with the same id starts nothing"
    )
    parser.add_argument("--wait", action="store_true", help="wait for the end of the release")
    add_duration(parser, "--timeout", "wait no longer; the release goes on")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_airflow_options(parser)


def run(options: argparse.Namespace) -> int:
    """Start the release and return the exit code."""
    try:
        api = api_from(options, os.environ)
        if options.timeout is not None and not options.wait:
            raise UsageError("--timeout bounds --wait, which was not asked for")
    except UsageError as error:
        print(f"airflow-rollout release: {error}", file=sys.stderr)
        return _USAGE
    say = _say_json if options.format == "json" else _say_text
    with api.session:
        try:
            started = start_release(
                api,
                options.rollout,
                release_conf(
                    options.version,
                    url=options.url,
                    image=options.image,
                    interval=options.interval,
                    dispersion=options.dispersion,
                    reason=options.skip_analysis,
                ),
                run_id=options.run_id or new_run_id(options.version),
            )
        except RolloutError as error:
            return _refuse(say, options.rollout, error)
        return _watched(api, started, options, say)


def release_conf(
    version: str,
    *,
    url: str | None = None,
    image: str | None = None,
    interval: str | None = None,
    dispersion: float | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """Return the conf of a release: only what was said.

    :param reason: why the analysis is skipped, None where it is not.
    """
    said = {
        "version": version,
        "url": url,
        "image": image,
        "interval": interval,
        "dispersion": dispersion,
        "skip_analysis": None if reason is None else True,
        "reason": reason,
    }
    return {name: value for name, value in said.items() if value is not None}


def new_run_id(version: str) -> str:
    """Return a run id with the version and the time in it, so that a list of runs can be read."""
    name = re.sub(r"[^A-Za-z0-9_.~-]+", "-", version)[:60]
    moment = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(moment))
    return f"release-{name}-{stamp}.{int(moment % 1 * 1000):03d}"


def start_release(api: AirflowApi, rollout: str, conf: dict[str, Any], *, run_id: str) -> DagRun:
    """Start a release and return its run; the API's refusal says what is wrong with `conf`."""
    try:
        return api.trigger(rollout, run_id=run_id, conf=conf)
    except ApiNotFound as error:
        broken = api.import_errors()
        files = f"; Airflow cannot read: {', '.join(sorted(broken))}" if broken else ""
        raise ApiNotFound(
            f"no rollout {rollout!r} at {api.url}: no DAG of this id{files}", status=error.status
        ) from error


Say = Callable[[dict[str, Any]], None]


def _watched(api: AirflowApi, started: DagRun, options: argparse.Namespace, say: Say) -> int:
    url = api.run_url(started.dag_id, started.run_id)
    head = {"run_id": started.run_id, "url": url}
    say({"what": "start", "text": f"release {started.run_id} of {started.dag_id}: {url}", **head})
    if not options.wait:
        return _PROMOTED
    stop = f"it goes on: {url}"
    try:
        _warn_if_paused(api, started, say)
        run, record = follow(
            api,
            started.dag_id,
            started.run_id,
            lambda line: say(_line(line)),
            timeout_seconds=options.timeout,
        )
    except KeyboardInterrupt:
        say({"what": "end", "outcome": None, "text": f"no longer watching; {stop}", **head})
        return _INTERRUPTED
    except TimeoutError as error:
        say({"what": "end", "outcome": None, "text": f"timed out: {error}; {stop}", **head})
        return _NOT_PROMOTED
    except RolloutError as error:
        text = f"lost sight of the release: {error}; {stop}"
        say({"what": "end", "outcome": None, "text": text, **head})
        return _NOT_PROMOTED
    return _end(run, record, head, say)


def _end(run: DagRun, record: ReleaseRecord | None, head: dict[str, str], say: Say) -> int:
    outcome = record.outcome if record else None
    fine = outcome is Outcome.PROMOTED and run.state == "success"
    say(
        {
            "what": "end",
            "outcome": outcome,
            "run_state": run.state,
            "text": _sentence(run, record),
            "record": record.to_builtins() if record else None,
            **head,
        }
    )
    return _PROMOTED if fine else _NOT_PROMOTED


def _sentence(run: DagRun, record: ReleaseRecord | None) -> str:
    if record is None:
        return f"the run ended as {run.state} and left no record: nothing was released"
    if record.outcome is None:
        return f"the run ended as {run.state} before the release did: {record.reason}"
    name = record.outcome.replace("_", " ")
    text = f"{record.version} {name}: {record.reason}"
    if record.outcome is Outcome.PROMOTED and run.state != "success":
        return f"{text} (but the run ended as {run.state})"
    if record.outcome is Outcome.FAILED_TO_ROLL_BACK:
        return f"{text}; look at the router now"
    return text


def _warn_if_paused(api: AirflowApi, started: DagRun, say: Say) -> None:
    if not started.has_ended and api.dag(started.dag_id).get("is_paused"):
        text = f"DAG {started.dag_id} is paused: nothing happens until someone unpauses it"
        say({"what": "warning", "text": text})


def _refuse(say: Say, rollout: str, error: RolloutError) -> int:
    say(
        {
            "what": "end",
            "outcome": None,
            "text": f"no release of {rollout} was started: {error}",
            "failed": True,
        }
    )
    return _NOT_PROMOTED


def _line(line: Line) -> dict[str, Any]:
    return {"what": line.what, "at": line.at, "task": line.task, "text": line.text}


def _say_json(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _say_text(message: dict[str, Any]) -> None:
    if "at" not in message:
        # What a script must not take for the release's own words goes the other way.
        error = message["what"] == "warning" or bool(message.get("failed"))
        print(message["text"], file=sys.stderr if error else sys.stdout, flush=True)
        return
    clock = time.strftime("%H:%M:%S", time.localtime(message["at"]))
    task = f"{message['task']}  " if message["task"] else ""
    print(f"{clock}  {task}{message['text']}", flush=True)


def _interval(text: str) -> str:
    try:
        seconds = native_seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {NATIVE_DURATION}") from None
    # Whole seconds are what a release may ask for; the API says so to anything else.
    return f"{seconds:.0f}s" if seconds.is_integer() else text


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say why nobody is to judge this release")
    return text


def _run_id(text: str) -> str:
    if not _RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError("a run id has letters, digits and _.~:+- only")
    return text

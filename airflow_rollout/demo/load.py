"""A paced load generator: `python -m airflow_rollout.demo.load --url URL --out FILE`.

Open loop: requests are sent when they are due, however slowly the earlier ones are answered, as
users do. What is in flight is bounded by rate times timeout.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from airflow_rollout.demo.answers import NO_ANSWER, Answer
from airflow_rollout.demo.http_client import HttpClient, NoAnswer

__all__ = ["generate", "main"]

VERSION_HEADER = "x-version"


async def generate(
    client: HttpClient,
    *,
    rate: float,
    record: Callable[[Answer], object],
    count: int | None = None,
    duration_seconds: float | None = None,
) -> int:
    """Send `rate` requests a second and record each answer; return how many were sent.

    Ends after `count` requests or `duration_seconds`, whichever comes first, once the last answer
    is there. Cancelled, it drops what is in flight.
    """
    loop = asyncio.get_running_loop()
    in_flight: set[asyncio.Task[None]] = set()
    # One reading of the clock for all times, so that a clock that is set back changes no order.
    epoch = time.time() - time.perf_counter()
    start = time.perf_counter()
    sent = 0
    try:
        while count is None or sent < count:
            due = start + sent / rate
            if duration_seconds is not None and due >= start + duration_seconds:
                break
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = loop.create_task(_send(client, epoch, record))
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)
            sent += 1
        if in_flight:
            await asyncio.wait(in_flight)
    finally:
        for task in in_flight:
            task.cancel()
    return sent


async def _send(client: HttpClient, epoch: float, record: Callable[[Answer], object]) -> None:
    started = time.perf_counter()
    try:
        answer = await client.get()
        status, version = answer.status, answer.headers.get(VERSION_HEADER, "")
    except NoAnswer:
        status, version = NO_ANSWER, ""
    done = time.perf_counter()
    record(
        Answer(
            sent=epoch + started,
            done=epoch + done,
            status=status,
            version=version,
            latency_ms=(done - started) * 1000,
        )
    )


async def _run(client: HttpClient, out: TextIO, options: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await generate(
            client,
            rate=options.rate,
            record=lambda answer: out.write(answer.to_line()),
            count=options.count,
            duration_seconds=options.duration,
        )
    client.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Send requests until the time, the count or a signal ends it; exit code 0 for all three."""
    parser = argparse.ArgumentParser(prog="python -m airflow_rollout.demo.load")
    parser.add_argument("--url", required=True)
    parser.add_argument("--out", required=True, help="file that gets one line an answer")
    parser.add_argument("--rate", type=_positive, default=100.0, help="requests a second")
    parser.add_argument("--duration", type=_positive, help="seconds; without: until ended")
    parser.add_argument("--count", type=int, help="requests; without: until ended")
    parser.add_argument("--timeout", type=_positive, default=10.0, help="seconds a request")
    parser.add_argument("--header", action="append", default=[], metavar="NAME:VALUE")
    options = parser.parse_args(argv)
    headers = dict(_header(text) for text in options.header)
    client = HttpClient(options.url, headers=headers, timeout_seconds=options.timeout)
    # Line by line, so that whoever reads along sees an answer as soon as it is there.
    with Path(options.out).open("a", buffering=1) as out:
        asyncio.run(_run(client, out, options))
    return 0


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip(), value.strip()


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


if __name__ == "__main__":
    raise SystemExit(main())

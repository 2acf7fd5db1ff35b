"""Send requests and print each answer: `python3 load.py`.

Each request has a connection of its own, since a Service chooses a pod for a connection and not
for a request. They are sent when they are due, however slowly the earlier ones are answered. A line
is what `answers.Answer.from_line` reads: sent, done (epoch seconds), status, version, milliseconds;
status 0 and `-` when nothing came back.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

__all__ = ["main"]

HOST = os.environ.get("TARGET_HOST", "127.0.0.1")
PORT = int(os.environ.get("TARGET_PORT", "80"))
RATE = float(os.environ.get("RATE", "100"))
# Longer than a slow version takes. A pod that is gone may swallow a connection's first packet, and
# users would not wait for that either.
TIMEOUT_SECONDS = 3.0
# Answers that wait to be printed; one write for all of them is cheaper than one for each.
FLUSH_SECONDS = 0.1

REQUEST = b"GET / HTTP/1.1\r\nHost: checkout\r\nConnection: close\r\n\r\n"

# One reading of the clock for all times, so that a clock that is set back changes no order.
EPOCH = time.time() - time.perf_counter()


async def ask() -> tuple[int, str]:
    """Send one request and return status and version."""
    reader, writer = await asyncio.open_connection(HOST, PORT)
    try:
        writer.write(REQUEST)
        answer = await reader.read()
    finally:
        writer.close()
    return parse(answer)


def parse(answer: bytes) -> tuple[int, str]:
    """Return status and version of a whole answer; ValueError when it is none."""
    head, end, _ = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not end:
        raise ValueError("the answer was broken off")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    return int(first.split()[1]), headers.get("x-version", "-")


async def send_one() -> None:
    """Send one request and print what came back."""
    began = time.perf_counter()
    try:
        status, version = await asyncio.wait_for(ask(), TIMEOUT_SECONDS)
    # Before Python 3.11 not the built-in one.
    except (OSError, ValueError, IndexError, asyncio.TimeoutError):  # noqa: UP041
        status, version = 0, "-"
    done = time.perf_counter()
    took = 1000.0 * (done - began)
    sys.stdout.write(f"{EPOCH + began:.6f} {EPOCH + done:.6f} {status} {version} {took:.2f}\n")


async def print_on() -> None:
    """Print what has gathered, for ever."""
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        sys.stdout.flush()


async def main() -> None:
    """Send requests until the pod ends."""
    loop = asyncio.get_running_loop()
    # The first process of a container has no default for it.
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    running = {loop.create_task(print_on())}
    began, sent = time.perf_counter(), 0
    while True:
        await asyncio.sleep(max(0.0, began + sent / RATE - time.perf_counter()))
        task = loop.create_task(send_one())
        running.add(task)
        task.add_done_callback(running.discard)
        sent += 1


if __name__ == "__main__":
    asyncio.run(main())

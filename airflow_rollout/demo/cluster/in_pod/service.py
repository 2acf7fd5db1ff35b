"""A service whose image decides what is wrong with it: `python3 service.py`.

A release changes nothing but the image, so the image's Python version is the service's version.
`/healthz` is for probes: it has no faults and does not count. Stops when it is told to, at once:
the pod's `preStop` has waited until nobody sends any more.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["main"]

# As official images say it; others leave it to the interpreter.
PYTHON = os.environ.get("PYTHON_VERSION") or sys.version.split()[0]
PORT = int(os.environ.get("PORT", "8080"))
# Python's minor version -> version, share of requests that fail, seconds more, requests until exit.
VERSIONS = json.loads(os.environ.get("VERSIONS", "{}"))
HEALTH_PATH = "/healthz"
CRASH_EXIT_CODE = 70

_random = random.Random()  # noqa: S311
_lock = threading.Lock()
_answered = 0


def behaviour() -> tuple[str, float, float, int]:
    """Return what this image's version is called and what is wrong with it."""
    minor = ".".join(PYTHON.split(".")[:2])
    found = VERSIONS.get(minor, {})
    return (
        str(found.get("version", f"python-{minor}")),
        float(found.get("error_rate", 0.0)),
        float(found.get("latency_seconds", 0.0)),
        int(found.get("exit_after_requests", 0)),
    )


VERSION, ERROR_RATE, LATENCY_SECONDS, EXIT_AFTER_REQUESTS = behaviour()


class Handler(BaseHTTPRequestHandler):
    """Answer one request a connection."""

    def do_GET(self) -> None:
        """Answer with this version's name, and with its faults."""
        if self.path == HEALTH_PATH:
            self._say(200)
            return
        _count()
        time.sleep(LATENCY_SECONDS)
        self._say(500 if _random.random() < ERROR_RATE else 200)

    def log_message(self, *_: object) -> None:
        """Say nothing: whoever sends requests says it."""

    def _say(self, status: int) -> None:
        body = f"{VERSION}\n".encode()
        self.send_response(status)
        self.send_header("X-Version", VERSION)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Listen on every address of the pod, of both families where there are two."""

    daemon_threads = True
    request_queue_size = 128
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        """Bind, without the look-up of this host's name that the class above would wait for."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "", self.server_address[1]


def _count() -> None:
    global _answered  # noqa: PLW0603
    with _lock:
        _answered += 1
        if EXIT_AFTER_REQUESTS and _answered > EXIT_AFTER_REQUESTS:
            os._exit(CRASH_EXIT_CODE)


def main() -> None:
    """Serve until the pod ends."""
    # The first process of a container has no default for it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Server(("", PORT), Handler).serve_forever()


if __name__ == "__main__":
    main()

"""The proxy that faults are made with does what it says."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import httpx
import pytest
from proxy import Fault, Proxy


class _Named(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.server.server_name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _server(name: str) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Named)
    server.server_name = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _url(server: http.server.ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def one() -> Iterator[str]:
    server = _server("one")
    yield _url(server)
    server.shutdown()
    server.server_close()


@pytest.fixture
def two() -> Iterator[str]:
    server = _server("two")
    yield _url(server)
    server.shutdown()
    server.server_close()


def test_proxy_passes_on_and_can_be_led_elsewhere(one: str, two: str) -> None:
    with Proxy(one) as proxy:
        assert httpx.get(proxy.url).text == "one"
        proxy.lead_to(two)
        assert httpx.get(proxy.url).text == "two"


def test_broken_proxy_refuses_hangs_or_talks_nonsense_until_mended(one: str) -> None:
    with Proxy(one) as proxy:
        proxy.break_with(Fault.REFUSE)
        with pytest.raises(httpx.TransportError):
            httpx.get(proxy.url)
        proxy.break_with(Fault.HANG)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(proxy.url, timeout=0.3)
        proxy.break_with(Fault.GARBAGE)
        assert b"\xff<<<" in httpx.get(proxy.url).content
        proxy.mend()
        assert httpx.get(proxy.url).text == "one"

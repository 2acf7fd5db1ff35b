"""The pages behind a prefix and a strict policy, in a plain page instead of Airflow's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

__all__ = ["PREFIX", "STRICT", "serve"]

PREFIX = "/team/airflow"

# Nothing inline, nothing from elsewhere.
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'"
)

_HOST = """import { mountRun } from "./rollout/static/0/run.js";
import { mountList } from "./rollout/static/0/list.js";
const place = document.querySelector("#page");
const asked = new URLSearchParams(location.search);
document.documentElement.className = asked.get("theme") || "light";
const mount = asked.get("run") ? mountRun : mountList;
globalThis.leave = mount(place, { dagId: asked.get("dag"), runId: asked.get("run") });
"""
_STYLE = """html, body { margin: 0; height: 100%; } #page { height: 100%; }
html.dark { --chakra-colors-bg: #111827; --chakra-colors-fg: #eef2f8; background: #111827; }
"""
_PAGE = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Rollouts</title>"
    f"<link rel='icon' href='data:,'><link rel='stylesheet' href='{PREFIX}/host.css'></head>"
    "<body><main id='page' class='rollout-page'></main>"
    f"<script type='module' src='{PREFIX}/host.js'></script></body></html>"
)


def _host(app: FastAPI, writes: list[tuple[str, str, Any]]) -> FastAPI:
    whole = FastAPI()

    @whole.middleware("http")
    async def policy(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["Content-Security-Policy"] = STRICT
        return response

    @whole.get(f"{PREFIX}/page")
    def page() -> HTMLResponse:
        return HTMLResponse(_PAGE)

    @whole.get(f"{PREFIX}/host.js")
    def script() -> Response:
        return Response(_HOST, media_type="text/javascript")

    @whole.get(f"{PREFIX}/host.css")
    def style() -> Response:
        return Response(_STYLE, media_type="text/css")

    @whole.api_route(f"{PREFIX}/api/v2/{{path:path}}", methods=["PATCH", "POST"])
    async def airflow(request: Request, path: str) -> JSONResponse:
        writes.append((request.method, path, await request.json()))
        if "refused" in str(writes[-1][2]):
            return JSONResponse({"detail": "Forbidden"}, status_code=403)
        return JSONResponse({})

    whole.mount(f"{PREFIX}/rollout", app)
    return whole


@contextmanager
def serve(app: FastAPI) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """Yield the address of the page, and what it has written to Airflow's API."""
    writes: list[tuple[str, str, Any]] = []
    config = uvicorn.Config(_host(app, writes), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}{PREFIX}/page", writes
    finally:
        server.should_exit = True
        thread.join(10)

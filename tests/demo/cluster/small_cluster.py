"""An API server that keeps objects and nothing else, and a kubeconfig that leads to it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from airflow_rollout.demo.part import Part

_STATUS = {"kind": "Status", "apiVersion": "v1"}


class KubeApi(Part):
    """Keep objects by path.

    :ivar denied: `verb resource` that nobody may do.
    :ivar breaks: methods after whose work no answer is given.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.denied: set[str] = set()
        self.breaks: set[str] = set()
        self.asked: list[str] = []
        self._numbers = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def come_up(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, path: Path) -> Path:
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": {"token": "secret"}}],
        }  # fmt: skip
        path.write_text(json.dumps(config))
        return path

    def namespace(self, name: str) -> dict[str, Any] | None:
        return self.objects.get(f"/api/v1/namespaces/{name}")

    def put_namespace(self, name: str, **labels: str) -> dict[str, Any]:
        body = {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        return self._keep("/api/v1/namespaces", body)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(f"{method} {path}")
        if path.endswith("selfsubjectaccessreviews"):
            return 201, {"status": {"allowed": self._may(body["spec"]["resourceAttributes"])}}
        if method == "POST":
            return 201, self._keep(path, body)
        found = self.objects.get(path)
        if found is None:
            return 404, {**_STATUS, "message": f"{path} not found"}
        if method == "DELETE":
            uid = (body.get("preconditions") or {}).get("uid")
            if uid != found["metadata"]["uid"]:
                return 409, {**_STATUS, "message": "the UID in the precondition is another one"}
            inside = f"{path.removeprefix('/api/v1')}/"
            gone = [one for one in self.objects if one == path or inside in one]
            for one in gone:
                del self.objects[one]
        return 200, found

    def _may(self, asked: dict[str, str]) -> bool:
        return f"{asked['verb']} {asked['resource']}" not in self.denied

    def _keep(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._numbers += 1
        body["metadata"]["uid"] = f"uid-{self._numbers}"
        self.objects[f"{path}/{body['metadata']['name']}"] = body
        return body


def _handler(api: KubeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _respond(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            status, found = api.answer(self.command, path, json.loads(sent or b"{}"))
            if self.command in api.breaks and not path.endswith("reviews"):
                self.close_connection = True
                return
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _respond

        def log_message(self, *_: object) -> None:
            pass

    return Handler

"""A Kubernetes API in memory, as far as its documented rules for objects reach.

Generations grow with the spec, versions with every change; a JSON patch that carries another
version is answered 409, an object that is there already as well, a lost precondition too.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from airflow_rollout.wire import HttpRequest, HttpResponse, Request

RawObject = dict[str, Any]


class KubeApi:
    """Hold objects by path and answer requests; `sent` is what was asked.

    All namespaces are there but those of `gone_namespaces`. `ready` is what `/readyz` answers, and
    what has become of the server then is up to `before`.
    """

    def __init__(self) -> None:
        self.objects: dict[str, RawObject] = {}
        self.logs: dict[str, str] = {}
        self.gone_namespaces: set[str] = set()
        self.sent: list[HttpRequest] = []
        self.ready = 200
        self.before: Callable[[HttpRequest], HttpResponse | None] = lambda request: None
        self._version = 0

    async def send(self, request: Request) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        if request.url == "/readyz":
            return HttpResponse(status=self.ready)
        self.sent.append(request)
        return self.before(request) or self._answer(request)

    def put(self, path: str, found: RawObject) -> RawObject:
        """Place an object as the server would store it."""
        meta = found.setdefault("metadata", {})
        self._version += 1
        meta.setdefault("name", path.rpartition("/")[2])
        meta.setdefault("uid", f"uid-{self._version}")
        meta.setdefault("generation", 1)
        meta["resourceVersion"] = str(self._version)
        self.objects[path] = found
        return found

    def change(self, path: str, **spec: Any) -> None:
        """Change an object's spec by hand."""
        found = self.objects[path]
        found["spec"] = {**found["spec"], **spec}
        found["metadata"]["generation"] += 1
        self.put(path, found)

    def writes(self) -> list[tuple[str, str]]:
        return [(one.method, one.url) for one in self.sent if one.method != "GET"]

    def _answer(self, request: HttpRequest) -> HttpResponse:
        path = unquote(request.url)
        body = json.loads(request.body) if request.body else None
        if request.method == "GET":
            return self._get(path, dict(request.params))
        if request.method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                return _status(409, f"{path} already exists")
            return _json(201, self.put(path, body))
        found = self.objects.get(path)
        if found is None:
            return _status(404, f"{path} not found")
        if request.method == "DELETE":
            if body["preconditions"]["uid"] != found["metadata"]["uid"]:
                return _status(409, "the UID in the precondition does not match")
            del self.objects[path]
            return _status(200, "")
        if dict(request.headers)["content-type"] == "application/merge-patch+json":
            return _json(200, self.put(path, _merged(found, body)))
        return self._patch(path, found, body)

    def _get(self, path: str, params: dict[str, str]) -> HttpResponse:
        if path in self.logs:
            return HttpResponse(status=200, body=self.logs[path].encode())
        if path in self.objects:
            return _json(200, self.objects[path])
        if path.startswith("/api/v1/namespaces/") and path.count("/") == 4:
            name = path.rpartition("/")[2]
            gone = name in self.gone_namespaces
            return _status(404, f"{name} not found") if gone else _json(200, {"metadata": {}})
        listed = [one for place, one in self.objects.items() if place.rpartition("/")[0] == path]
        if "labelSelector" not in params:
            # Whether a path is that of a kind is not known here: one without objects is no list.
            return _json(200, {"items": listed}) if listed else _status(404, f"{path} not found")
        wanted = dict(pair.split("=") for pair in params["labelSelector"].split(","))
        items = [
            found
            for found in listed
            if wanted.items() <= (found["metadata"].get("labels") or {}).items()
        ]
        return _json(200, {"items": items})

    def _patch(self, path: str, found: RawObject, operations: list[Any]) -> HttpResponse:
        changed = copy.deepcopy(found)
        try:
            for one in operations:
                _operate(changed, one)
        except (KeyError, IndexError) as error:
            return _status(422, f"the path {error} is missing")
        if changed["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return _status(409, "the object has been modified")
        if changed["spec"] != found["spec"]:
            changed["metadata"]["generation"] += 1
        return _json(200, self.put(path, changed))


def _operate(found: Any, one: RawObject) -> None:
    *parents, last = [
        part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]
    ]
    for part in parents:
        found = found[int(part) if isinstance(found, list) else part]
    key = int(last) if isinstance(found, list) else last
    if one["op"] in ("replace", "remove") and not isinstance(found, list):
        _ = found[key]
    if one["op"] == "remove":
        del found[key]
    else:
        found[key] = one["value"]


def _merged(found: Any, change: Any) -> Any:
    if not isinstance(change, dict) or not isinstance(found, dict):
        return change
    return {**found, **{key: _merged(found.get(key), value) for key, value in change.items()}}


def _json(status: int, found: object) -> HttpResponse:
    return HttpResponse(status=status, body=json.dumps(found).encode())


def _status(status: int, message: str) -> HttpResponse:
    return _json(status, {"kind": "Status", "code": status, "message": message})

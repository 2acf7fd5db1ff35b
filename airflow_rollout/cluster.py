"""Objects of a Kubernetes API: read, change, make and remove them by path, over a `Send`.

For any kind, without a client library. A change is conditional: it carries the `resourceVersion`
that was read, and `ObjectChanged` says that somebody else was quicker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError, shorten
from airflow_rollout.wire import HttpRequest, HttpResponse, Send, ask_http, refuse_status

__all__ = [
    "MANAGER",
    "Cluster",
    "ObjectChanged",
    "RawObject",
    "annotations_of",
    "canary_label",
    "changed_by",
    "condition",
    "label_query",
    "object_path",
    "pointer",
]

# A JSON object as the API gives it; adapters take out what they need.
RawObject = dict[str, Any]

# Who changed a field, as `managedFields` shows it.
MANAGER = "airflow-rollout"

# The API server answers in milliseconds; one that does not is asked again by whoever waits.
_TIMEOUT_SECONDS = 5.0

# What Kubernetes allows for a label's value.
_LONGEST_LABEL = 63
_CANARY_ENDING = "-canary"

_READY = "/readyz"

_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"


class ObjectChanged(Exception):
    """Say that an object is not what it was when it was read, or that its name is taken."""


class Cluster:
    """Ask one API server; every method is one request, and three where it is refused.

    Methods raise `TransientAdapterError` and `PermanentAdapterError` with the server's own words.

    :param system: the adapter's name, for error messages.
    """

    def __init__(self, send: Send, *, system: str, timeout_seconds: float | None = None) -> None:
        self._send = send
        self._system = system
        self._timeout_seconds = timeout_seconds or _TIMEOUT_SECONDS

    async def get(self, path: str, params: tuple[tuple[str, str], ...] = ()) -> RawObject | None:
        """Return an object or a list, None when there is none.

        A Role goes with its namespace, and then even what is gone is forbidden. So where the
        namespace may be asked for, what was in one that is gone is gone too.
        """
        response = await self._ask("GET", path, params=params)
        if response.status == 404:
            return None
        if response.status == 403 and await self._is_namespace_gone(path):
            return None
        self._refuse(response, f"GET {path}")
        return self._object(response)

    async def _is_namespace_gone(self, path: str) -> bool:
        place = _namespace_path(path)
        return bool(place) and (await self._ask("GET", place)).status == 404

    async def text(self, path: str, params: tuple[tuple[str, str], ...] = ()) -> str:
        """Return what the server says as text, a container's log for example."""
        response = await self._ask("GET", path, params=params)
        self._refuse(response, f"GET {path}")
        return response.body.decode(errors="replace")

    async def patch(
        self, path: str, version: str, operations: Sequence[Mapping[str, Any]]
    ) -> RawObject:
        """Change an object if it still has the version that was read.

        :param operations: a JSON patch (RFC 6902).
        :raises ObjectChanged: it has another version by now.
        """
        # With a version in the patch, the server answers 409 to whoever comes too late.
        guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
        return self._changed(await self._write("PATCH", path, [guard, *operations], _JSON_PATCH))

    async def merge(self, path: str, change: Mapping[str, Any]) -> RawObject | None:
        """Change an object whatever it is, None when there is none; the last writer wins."""
        response = await self._write("PATCH", path, change, _MERGE_PATCH)
        return None if response.status == 404 else self._changed(response)

    async def create(self, path: str, body: RawObject) -> RawObject:
        """Make an object.

        :raises ObjectChanged: there is one of that name.
        """
        return self._changed(await self._write("POST", path, body, "application/json"))

    async def delete(self, path: str, found: RawObject) -> None:
        """Remove the very object that was read, and what belongs to it; gone is fine.

        :raises ObjectChanged: another one of that name is there by now, or it was changed.
        """
        meta = found["metadata"]
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
            "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
        }
        response = await self._write("DELETE", path, body, "application/json")
        if response.status != 404:
            self._changed(response)

    async def _write(self, method: str, path: str, body: Any, kind: str) -> HttpResponse:
        return await self._ask(
            method,
            path,
            params=() if method == "DELETE" else (("fieldManager", MANAGER),),
            headers=(("content-type", kind),),
            body=json.dumps(body).encode(),
        )

    async def _ask(self, method: str, path: str, **fields: Any) -> HttpResponse:
        seconds = self._timeout_seconds
        request = HttpRequest(method=method, url=path, timeout_seconds=seconds, **fields)
        response = await ask_http(self._send, request)
        if response.status != 403:
            return response
        await self._check_ready(f"{method} {path}: {_message(response)}")
        # It may have become ready between the two answers; what it refuses now is refused.
        return await ask_http(self._send, request)

    async def _check_ready(self, refused: str) -> None:
        """Tell a right that is missing from a server that does not know the roles yet.

        For a second after its start an API server refuses everybody everything, its own `/readyz`
        included; then that says 500 until all is loaded. Every login may ask for it, by a role that
        Kubernetes brings.

        :raises TransientAdapterError: the server is not ready.
        """
        ready = HttpRequest(url=_READY, timeout_seconds=self._timeout_seconds)
        status = (await ask_http(self._send, ready)).status
        if status == 403 or status >= 500:
            raise TransientAdapterError(
                f"{refused} (HTTP 403, and {_READY} answers {status}: an API server that starts "
                "refuses everybody)",
                system=self._system,
            )

    def _changed(self, response: HttpResponse) -> RawObject:
        if response.status == 409:
            raise ObjectChanged(_message(response))
        self._refuse(response, "the change")
        return self._object(response)

    def _refuse(self, response: HttpResponse, what: str) -> None:
        refuse_status(response, system=self._system, what=what, detail=_message(response))

    def _object(self, response: HttpResponse) -> RawObject:
        try:
            data = json.loads(response.body)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise PermanentAdapterError("the API's answer is no JSON object", system=self._system)
        return data


def _namespace_path(path: str) -> str:
    """Return the path of the namespace that an object is in, empty where it is in none."""
    parts = path.split("/")
    if "namespaces" not in parts[:-2]:
        return ""
    return f"/api/v1/namespaces/{parts[parts.index('namespaces') + 1]}"


def _message(response: HttpResponse) -> str:
    """Return the server's own sentence of a refusal, empty where there is none."""
    if response.status < 400:
        return ""
    try:
        message = json.loads(response.body)["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(message) if len(str(message)) <= _LONGEST else shorten(str(message), _LONGEST)


# An admission webhook may answer with a page; a sentence is enough to know whom to ask.
_LONGEST = 500


def object_path(api: str, plural: str, name: str = "", *, namespace: str = "") -> str:
    """Return the path of an object, or of a list without a name.

    :param api: ``v1`` for the core, else group and version: ``apps/v1``.
    """
    parts = ["/api" if api == "v1" else "/apis", api]
    parts += ["namespaces", quote(namespace, safe="")] if namespace else []
    parts += [plural, *([quote(name, safe="")] if name else [])]
    return "/".join(parts)


def pointer(*parts: str | int) -> str:
    """Return a JSON pointer (RFC 6901); a part may hold slashes."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def annotations_of(found: RawObject) -> dict[str, str]:
    """Return an object's annotations, empty where it has none."""
    return found["metadata"].get("annotations") or {}


def label_query(labels: Mapping[str, str]) -> str:
    """Return labels in the form of a query for the objects that have them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def canary_label(value: str) -> str:
    """Return the value that a label of stable's pods has on the canary's.

    Whoever makes pods and whoever selects them agree on it here.
    """
    return value[: _LONGEST_LABEL - len(_CANARY_ENDING)] + _CANARY_ENDING


def condition(found: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return one condition of a status (of an object, a parent, a listener), empty without it."""
    status = found.get("status", found)
    for one in status.get("conditions") or []:
        if one.get("type") == kind:
            return dict(one)
    return {}


def changed_by(found: RawObject, field: str) -> str:
    """Return who changed a field of the spec last, as the object's `managedFields` show it.

    :param field: its name there, for example ``f:template``.
    """
    entries = [
        entry
        for entry in found["metadata"].get("managedFields") or []
        if entry.get("manager") != MANAGER
        and field in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    last = max(entries, key=lambda entry: str(entry.get("time")), default=None)
    return f"{last['manager']} at {last.get('time')}" if last else "somebody else"

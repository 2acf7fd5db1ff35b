"""Router `traefik_file`: one file a service in the directory that Traefik watches.

The file holds the services `<svc>` (weighted), `<svc>-stable` and `<svc>-canary`, and, in a
comment, the record. Weight and record change with one atomic replace under a lock, and only if the
file is still what was read: that makes this router a conditional one.
The file is always rendered from the model, never edited. What a person changed in it by hand
counts when it is read (the weight and the servers that Traefik serves are the truth), and is gone
with the next write. If the rest of the file cannot be read, its canary is shown as one that no
release brought: gates then stop, and the write that stops them makes the file whole.

What Traefik does, as measured with 3.7:

* It loads every `*.yaml`, `*.yml` and `*.toml` in the directory and below, hidden ones too, and
  one broken file stops it from loading any. So locks and unfinished files have other endings, and
  `live` shows what is really served.
* It expands `{{ }}` in the whole file, comments included: strings are written without braces.
* A weighted service whose weights are all 0 answers 503 "no available server". That is what a
  service without a stable version does until its first version becomes stable.
* An arm at weight 0 gets no request, whether its server is up or not.
* If two files name the same service, the first by name wins: service names are unique in one
  Traefik, whatever their namespace.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

import yaml

from airflow_rollout.errors import PermanentAdapterError, SpecError
from airflow_rollout.release import Arm, ReleaseState, TrafficSplit
from airflow_rollout.traffic.base import Feature, Lease, WriteConflict
from airflow_rollout.traffic.records import (
    decode_lease,
    decode_record,
    encode_lease,
    encode_record,
    quoted,
)
from airflow_rollout.traffic.targets import join_targets, server_urls
from airflow_rollout.wire import (
    ConnectionField,
    ConnectionForm,
    FileContent,
    FileRead,
    FileReplace,
    FileReplaced,
    HttpRequest,
    NoteRead,
    NoteWrite,
    Send,
    ask_http,
    refuse_status,
)

__all__ = ["CONNECTION", "TraefikFileRouter"]

SYSTEM = "traefik_file"

CONNECTION = ConnectionForm(
    conn_type="traefik",
    label="Traefik",
    hook="airflow_rollout.hooks.traefik.TraefikHook",
    hidden=("schema",),
    relabelled=(("host", "API address"),),
    placeholders=(("host", "http://traefik:8080"),),
    fields=(
        ConnectionField(
            name="directory",
            label="Watched directory",
            description="The directory of Traefik's file provider, as this machine sees it",
            required=True,
        ),
    ),
)

_SCHEMES = ("http", "https", "h2c")

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")

_RECORD_MARK = "# airflow-rollout: "

_HEADER = (
    "# Written by airflow_rollout and replaced with every change; the next line is its record.\n"
)

# The API is on the same machine or next to it; a slow answer is worth less than the next one.
_API_TIMEOUT_SECONDS = 2.0


class TraefikFileRouter:
    """Keep one service's split in one file of Traefik's file provider.

    :param service: name of the weighted service; Traefik knows it as `<service>@file`.
    :param namespace: first part of the file's name.
    :param rule: if given, the file also holds a Traefik router with this rule; without it a
        router of the user's own refers to `<service>@file`.
    :param entry_points: Traefik entry points of that router; none means all of Traefik's defaults.
    """

    features = frozenset(
        {Feature.WEIGHTS, Feature.CONDITIONAL_WRITE, Feature.READ_BACK, Feature.LEASE}
    )

    def __init__(
        self,
        *,
        service: str,
        namespace: str,
        rule: str | None = None,
        entry_points: tuple[str, ...] = (),
    ) -> None:
        for path, name in (("traffic.service", service), ("metadata.namespace", namespace)):
            if not _NAME.fullmatch(name):
                raise SpecError(
                    "not a name that Traefik and the file system take",
                    path=path,
                    found=name,
                    allowed="lower case letters, digits, '.', '_' and '-' between them",
                )
        self._service = service
        self._rule = rule
        self._entry_points = entry_points
        self.file_name = f"{namespace}.{service}.yaml"
        self._lease_name = f"{namespace}.{service}.lease"

    async def read(self, send: Send) -> TrafficSplit | None:
        """Return the record with the weight and servers that the file really has.

        :raises PermanentAdapterError: the file has no record that can be read, or another's.
        """
        content = await self._content(send)
        return None if content is None else self._parse(content)

    async def write(
        self, split: TrafficSplit, expected: TrafficSplit | None, send: Send
    ) -> TrafficSplit:
        """Replace the file if it still says `expected`; already there counts as written.

        :raises WriteConflict: somebody else wrote in between.
        """
        content = self.render(split)
        current = await self._content(send)
        if current == content:
            return split
        found = None if current is None else self._parse(current)
        if found != expected:
            raise WriteConflict(found)
        # Users of a bad version do not wait for a disk.
        is_urgent = split.state is ReleaseState.SEALED
        request = FileReplace(
            name=self.file_name, content=content, expected=current, is_urgent=is_urgent
        )
        answer = await send(request)
        if not isinstance(answer, FileReplaced):
            raise TypeError(f"a FileReplace was answered with {type(answer).__name__}")
        if not answer.replaced:
            raise WriteConflict(None if answer.content is None else self._parse(answer.content))
        return split

    async def live(self, send: Send) -> int | None:
        """Return the canary's share that Traefik serves now, by its own API.

        None while Traefik does not know the service: it has not loaded the file yet, or cannot.

        :raises PermanentAdapterError: Traefik loaded the service and refuses to serve it.
        """
        path = f"/api/http/services/{self._service}@file"
        request = HttpRequest(url=path, timeout_seconds=_API_TIMEOUT_SECONDS)
        response = await ask_http(send, request)
        if response.status == 404:
            return None
        refuse_status(response, system=SYSTEM, what=f"GET {path}")
        data = _json_object(response.body)
        if data.get("status") != "enabled":
            raise PermanentAdapterError(
                f"Traefik does not serve {self._service}@file: {data.get('error', 'no reason')}",
                system=SYSTEM,
            )
        return self._share(_weights(data.get("weighted")))

    async def read_lease(self, send: Send) -> Lease | None:
        """Return the lease, from a note beside the file."""
        answer = await send(NoteRead(name=self._lease_name))
        if not isinstance(answer, FileContent):
            raise TypeError(f"a NoteRead was answered with {type(answer).__name__}")
        return None if answer.content is None else decode_lease(answer.content)

    async def renew_lease(self, lease: Lease, send: Send) -> None:
        """Write the lease; Traefik does not read it."""
        await send(NoteWrite(name=self._lease_name, content=encode_lease(lease)))

    def render(self, split: TrafficSplit) -> bytes:
        """Return the whole file for a split; deterministic.

        :raises PermanentAdapterError: a target that is no address, a weight out of 0-100.
        """
        if not 0 <= split.weight <= 100:
            raise PermanentAdapterError(f"weight {split.weight} is not 0-100", system=SYSTEM)
        stable = "" if split.stable is None else f"{self._service}-stable"
        canary = "" if split.canary is None else f"{self._service}-canary"
        lines = [_HEADER + _RECORD_MARK + encode_record(split), "http:"]
        lines += self._router_lines()
        lines += ["  services:", f"    {quoted(self._service)}:", "      weighted:"]
        lines.append("        services:" if stable or canary else "        services: []")
        for name, weight in ((stable, 100 - split.weight), (canary, split.weight)):
            if name:
                lines += [f"          - name: {quoted(name)}", f"            weight: {weight}"]
        for name, arm in ((stable, split.stable), (canary, split.canary)):
            if arm is not None:
                lines += [f"    {quoted(name)}:", "      loadBalancer:", "        servers:"]
                urls = server_urls(arm.target, schemes=_SCHEMES, system=SYSTEM)
                lines += [f"          - url: {quoted(url)}" for url in urls]
        return ("\n".join(lines) + "\n").encode()

    def _router_lines(self) -> list[str]:
        if self._rule is None:
            return []
        lines = ["  routers:", f"    {quoted(self._service)}:"]
        lines += [f"      rule: {quoted(self._rule)}", f"      service: {quoted(self._service)}"]
        if self._entry_points:
            lines.append("      entryPoints:")
            lines += [f"        - {quoted(point)}" for point in self._entry_points]
        return lines

    async def _content(self, send: Send) -> bytes | None:
        answer = await send(FileRead(name=self.file_name))
        if not isinstance(answer, FileContent):
            raise TypeError(f"a FileRead was answered with {type(answer).__name__}")
        return answer.content

    def _parse(self, content: bytes) -> TrafficSplit:
        record = self._record(content)
        try:
            return self._as_served(record, self._services(content))
        except PermanentAdapterError as error:
            if record.canary is None:
                return record
            # Refusing to read would also refuse the write that puts the traffic back. This canary
            # is nobody's: nothing rises any more, and an abort replaces the file.
            version = f"{record.canary.version} in a damaged file ({error.message})"
            return replace(record, canary=replace(record.canary, version=version))

    def _as_served(self, record: TrafficSplit, services: dict[str, Any]) -> TrafficSplit:
        weighted = services.get(self._service)
        # A service that is no longer in the file gets no request at all, so its canary has none.
        weights = _weights(weighted.get("weighted") if isinstance(weighted, dict) else None)
        return replace(
            record,
            weight=self._share(weights),
            stable=_served(record.stable, services.get(f"{self._service}-stable")),
            canary=_served(record.canary, services.get(f"{self._service}-canary")),
        )

    def _record(self, content: bytes) -> TrafficSplit:
        text = content.decode(errors="replace")
        records = [line for line in text.split("\n") if line.startswith(_RECORD_MARK)]
        if len(records) != 1:
            raise self._unusable(
                f"it holds {len(records)} records. Move a file of your own elsewhere and let a "
                "release write this one; if the record was deleted by hand, put it back or delete "
                "the file, which makes the next release the service's first"
            )
        record = decode_record(records[0].removeprefix(_RECORD_MARK).strip(), system=SYSTEM)
        if record.service != self._service:
            raise self._unusable(f"its record is of service {record.service!r}")
        return record

    def _services(self, content: bytes) -> dict[str, Any]:
        try:
            data = _loaded(content)
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f" (line {mark.line + 1})" if mark is not None else ""
            raise self._unusable(
                f"no YAML{line}: Traefik goes on with what it loaded last, for all its files"
            ) from None
        http = data.get("http") if isinstance(data, dict) else None
        services = http.get("services") if isinstance(http, dict) else None
        return services if isinstance(services, dict) else {}

    def _share(self, weights: dict[str, int]) -> int:
        """Return the canary's share in percent, rounded up: a little traffic is not none."""
        total = sum(weights.values())
        canary = weights.get(f"{self._service}-canary", 0)
        return math.ceil(100 * canary / total) if total else 0

    def _unusable(self, why: str) -> PermanentAdapterError:
        return PermanentAdapterError(f"{self.file_name}: {why}", system=SYSTEM)


# Read every few seconds and rarely changed. The caller changes nothing in it.
@lru_cache(maxsize=1024)
def _loaded(content: bytes) -> object:
    return yaml.safe_load(content)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise PermanentAdapterError("the API's answer is no JSON object", system=SYSTEM)
    return data


def _weights(weighted: object) -> dict[str, int]:
    """Return weight by service name of a weighted service, as the file and the API both show it."""
    entries = weighted.get("services") if isinstance(weighted, dict) else None
    weights: dict[str, int] = {}
    for entry in entries if isinstance(entries, list) else []:
        name, weight = (
            (entry.get("name"), entry.get("weight", 1)) if isinstance(entry, dict) else (None, None)
        )
        if not isinstance(name, str) or type(weight) is not int or weight < 0:
            raise PermanentAdapterError(f"unreadable weight in {entry!r}", system=SYSTEM)
        weights[name.removesuffix("@file")] = weight
    return weights


def _served(arm: Arm | None, service: object) -> Arm | None:
    """Return the arm with the servers the file gives it; the model's own if it gives none."""
    target = join_targets(_server_list(service))
    if arm is None or not target:
        return arm
    urls = server_urls(target, schemes=_SCHEMES, system=SYSTEM)
    own = server_urls(arm.target, schemes=_SCHEMES, system=SYSTEM)
    return arm if urls == own else replace(arm, target=join_targets(urls))


def _server_list(service: object) -> list[str]:
    balancer = service.get("loadBalancer") if isinstance(service, dict) else None
    servers = balancer.get("servers") if isinstance(balancer, dict) else None
    if not isinstance(servers, list):
        return []
    return [
        str(server["url"]) for server in servers if isinstance(server, dict) and "url" in server
    ]

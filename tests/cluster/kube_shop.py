"""One namespace with the example's service in it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from admin import RawObject
from images import image
from policies import policy_against

if TYPE_CHECKING:
    from api_lab import Lab

__all__ = ["CANARY", "Shop"]

CANARY = "checkout-canary"

# Warnings about pods of this node that start well: it has no DNS, and they listen a moment later.
_AT_EVERY_START = ("MissingClusterDNS", "Unhealthy")

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Shop:
    """One namespace with the example's service in it."""

    def __init__(self, lab: Lab, namespace: str) -> None:
        self.lab = lab
        self.name = namespace
        self.admin = lab.admin

    def get(self, kind: str, name: str = "checkout") -> RawObject | None:
        return self.admin.get(kind, name, self.name)

    def patch(self, kind: str, name: str, change: Any) -> None:
        self.admin.patch(kind, name, self.name, change)

    def answer(self) -> str:
        """Return which version answers one request, or the status of an error."""
        request = urllib.request.Request(self.lab.users_url, headers={"host": self.host})
        try:
            with _direct.open(request, timeout=3) as found:
                return found.read().decode().strip()  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            return str(error.code)
        except OSError as error:
            return type(error).__name__

    def answers(self, count: int) -> dict[str, int]:
        """Return how many of some requests each version answered."""
        found: dict[str, int] = {}
        for _ in range(count):
            version = self.answer()
            found[version] = found.get(version, 0) + 1
        return found

    @property
    def host(self) -> str:
        return f"{self.name}.test"

    def is_accepted(self, kind: str) -> bool:
        """Say whether the gateway has taken a route as it stands now."""
        found = self.get(kind)
        parents = ((found or {}).get("status") or {}).get("parents") or [{}]
        generation = (found or {"metadata": {}})["metadata"].get("generation")
        conditions = parents[0].get("conditions") or []
        return bool(conditions) and all(
            one["status"] == "True" and one["observedGeneration"] == generation
            for one in conditions
        )

    def weights(self, kind: str = "HTTPRoute") -> dict[str, int]:
        """Return weight by backend, as the route says it."""
        found = self.get(kind)
        if found is None:
            return {}
        refs = found["spec"]["rules"][0].get("backendRefs") or []
        return {ref["name"]: ref.get("weight", 1) for ref in refs}

    def stable_image(self) -> str:
        found = self.get("Deployment")
        assert found is not None
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def may_make_pod(self, image_name: str) -> bool:
        """Say whether the API would take a pod of this image."""
        container = {"name": "asked", "image": image_name}
        body = {"metadata": {"name": "asked"}, "spec": {"containers": [container]}}
        path = f"/api/v1/namespaces/{self.name}/pods?dryRun=All"
        try:
            self.admin.ask("POST", path, json.dumps(body).encode())
        except urllib.error.HTTPError:
            return False
        return True

    def has_room_for(self, pods: int) -> None:
        """Let the namespace have no more pods than these."""
        kind = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
        self.admin.apply({**kind, "spec": {"hard": {"pods": str(pods)}}}, self.name)

    def refuse(self, image_name: str) -> None:
        """Let nobody make pods of an image in the namespace."""
        policy, binding = policy_against(image_name, self.name)
        self.admin.apply(policy)
        self.admin.apply(binding)
        # The API server knows of a policy a moment later.
        self.until(
            lambda: self.may_make_pod(image("v1")) and not self.may_make_pod(image_name),
            "the policy is in force",
        )

    def first_warning(self) -> float:
        """Return when the cluster said for the first time that the canary cannot start.

        Its time stamps are whole seconds, some of them. Where a canary is only never ready, the
        first probe that failed counts.
        """
        found = self.admin.get("Event", "", self.name)
        assert found is not None
        said = [
            one
            for one in found["items"]
            if one.get("type") == "Warning" and one["involvedObject"]["name"].startswith(CANARY)
        ]
        faults = [one for one in said if one.get("reason") not in _AT_EVERY_START]
        texts = [one.get("firstTimestamp") or one.get("eventTime") for one in faults or said]
        return min(datetime.fromisoformat(text).timestamp() for text in texts if text)

    def revisions(self) -> dict[str, str]:
        """Return the version of each object that a release changes."""
        kinds = ("Deployment", "HTTPRoute", "Service")
        found = {kind: self.get(kind) for kind in kinds}
        return {kind: one["metadata"]["resourceVersion"] for kind, one in found.items() if one}

    def made(self) -> list[str]:
        """Return what a release has made and not removed."""
        kinds = ("Deployment", "Service")
        return [kind for kind in kinds if self.get(kind, CANARY) is not None]

    def gets_back(self, *, seconds: float = 5.0) -> None:
        """Wait until the gateway has followed the route: all requests go to v1."""
        self.until(lambda: self.answers(30) == {"v1": 30}, "all requests on stable", seconds)

    def until(
        self, true: Callable[[], bool], what: str, seconds: float = 90.0, *, every: float = 0.1
    ) -> float:
        """Wait until something is true; return how many seconds it took.

        :param every: seconds between two looks; many scenes that look all the time are what they
            wait for.
        """
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"{self.name}: not within {seconds:g} s: {what}")
            time.sleep(every)
        return time.monotonic() - began

"""The parts of a route of the Gateway API that a release reads and writes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow_rollout.cluster import RawObject, pointer

__all__ = ["API", "PLURALS", "Rule", "find_rule", "parents", "rules_to"]

API = "gateway.networking.k8s.io/v1"

# kind -> the word for it in a path.
PLURALS = {"GRPCRoute": "grpcroutes", "HTTPRoute": "httproutes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a route with the two backendRefs of a release.

    :param index: its place among the rules.
    :param refs: all of its backendRefs.
    :param stable: that of the service, None where somebody has taken it out.
    :param canary: that of the canary's, None while it is not there.
    """

    index: int
    refs: tuple[dict[str, Any], ...]
    service: str
    canary_service: str

    @property
    def place(self) -> str:
        """Return the JSON pointer of the rule's backendRefs."""
        return pointer("spec", "rules", self.index, "backendRefs")

    @property
    def stable(self) -> dict[str, Any] | None:
        """Return the service's backendRef."""
        return self._ref(self.service)

    @property
    def canary(self) -> dict[str, Any] | None:
        """Return the canary's backendRef."""
        return self._ref(self.canary_service)

    @property
    def share(self) -> int:
        """Return the canary's percent of the rule, rounded up: a little traffic is not none."""
        total = sum(weight_of(ref) for ref in self.refs)
        canary = weight_of(self.canary) if self.canary else 0
        return math.ceil(100 * canary / total) if total else 0

    @property
    def others(self) -> list[str]:
        """Return the names of backends that are neither arm."""
        own = (self.service, self.canary_service)
        return [str(ref.get("name")) for ref in self.refs if not _is(ref, own)]

    def with_weight(self, weight: int) -> list[dict[str, Any]]:
        """Return the backendRefs with the canary at `weight` percent; other fields are kept.

        An arm that is not there gets the fields of the other one.
        """
        model = self.stable or self.canary or {}
        stable = {**(self.stable or {**model, "name": self.service}), "weight": 100 - weight}
        canary = {**(self.canary or {**model, "name": self.canary_service}), "weight": weight}
        kept = [
            stable if ref is self.stable else canary if ref is self.canary else ref
            for ref in self.refs
        ]
        kept += [stable] if self.stable is None else []
        return kept + ([canary] if self.canary is None else [])

    def without_canary(self, weight_before: int | None) -> list[dict[str, Any]]:
        """Return the backendRefs as they were before the release."""
        return [
            {**ref, "weight": weight_before}
            if ref is self.stable and weight_before is not None
            else ref
            for ref in self.refs
            if ref is not self.canary
        ]

    def _ref(self, name: str) -> dict[str, Any] | None:
        return next((ref for ref in self.refs if _is(ref, (name,))), None)

    @staticmethod
    def backends(route: RawObject) -> list[str]:
        """Return the names of all backends of a route, in their order."""
        refs = [ref for rule in _rules(route) for ref in rule.get("backendRefs") or []]
        return list(dict.fromkeys(str(ref.get("name")) for ref in refs))


def weight_of(ref: dict[str, Any]) -> int:
    """Return a backendRef's weight; one that is not given is 1."""
    return int(ref.get("weight", 1))


def rules_to(route: RawObject, service: str, canary_service: str) -> Iterator[Rule]:
    """Yield the rules that lead to one of the two arms."""
    for index, rule in enumerate(_rules(route)):
        refs = tuple(rule.get("backendRefs") or [])
        if any(_is(ref, (service, canary_service)) for ref in refs):
            yield Rule(index=index, refs=refs, service=service, canary_service=canary_service)


def find_rule(route: RawObject, service: str, canary_service: str) -> Rule | None:
    """Return the rule of a release, None where nothing leads to its arms any more."""
    return next(rules_to(route, service, canary_service), None)


def _rules(route: RawObject) -> list[dict[str, Any]]:
    return (route.get("spec") or {}).get("rules") or []


def _is(ref: dict[str, Any], names: tuple[str, ...]) -> bool:
    return ref.get("kind", "Service") == "Service" and ref.get("name") in names


def parents(route: RawObject | None) -> list[dict[str, Any]]:
    """Return what each parent says of the route: its `name` and `conditions`.

    `is_current` and `is_behind` say whether its controller has seen the last change of the spec,
    or has not; one that counts no generations says neither. What a controller has left behind of a
    parent that the route no longer names is left out: nobody renews it.
    """
    if route is None:
        return []
    generation = route["metadata"].get("generation", 0)
    place = route["metadata"].get("namespace", "")
    named = [_identity(ref, place) for ref in route["spec"].get("parentRefs") or []]
    found = []
    for parent in (route.get("status") or {}).get("parents") or []:
        conditions = parent.get("conditions") or []
        ref = parent.get("parentRef") or {}
        if named and _identity(ref, place) not in named:
            continue
        seen = [one["observedGeneration"] for one in conditions if "observedGeneration" in one]
        found.append(
            {
                "name": f"{ref.get('kind', 'Gateway')} {ref.get('name')}",
                "ref": ref,
                "conditions": conditions,
                "is_current": bool(seen) and min(seen) >= generation,
                "is_behind": bool(seen) and min(seen) < generation,
            }
        )
    return found


def _identity(ref: dict[str, Any], namespace: str) -> tuple[Any, ...]:
    """Return what makes a reference to a parent the same one; defaults may be left out."""
    words = (ref.get("kind", "Gateway"), ref.get("namespace", namespace), ref.get("name"))
    return (*words, ref.get("sectionName"), ref.get("port"))

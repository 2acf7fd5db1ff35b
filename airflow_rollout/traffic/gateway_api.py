"""Router `gateway_api`: the weights of one rule of an HTTPRoute or GRPCRoute (Gateway API v1).

The route stays the user's own. A release writes two things into it, in one request that carries
the `resourceVersion` which was read, so that this router is a conditional one: the weights of two
backendRefs of one rule, and the record, in an annotation of the route. All other rules, filters
and fields stay as they are.

* The backendRef of the canary is added at weight 0 when the canary has been made, and taken out
  when the release has ended and the canary goes: a route that names a Service which is not there
  is a broken one, and a backend that comes or goes while it is judged may start its series anew.
* The weights in the spec are the truth, and the record only says who may change them. A status that
  is current proves nothing about traffic, but one that is not proves that it has not moved: nothing
  passes and no canary is removed meanwhile.
* A copy of the record lies in a Lease beside the route. It is read when the annotation or the
  route is gone, so that a gate and the way back still know whose traffic that was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_rollout.cluster import (
    Cluster,
    ObjectChanged,
    RawObject,
    annotations_of,
    changed_by,
    condition,
    object_path,
    pointer,
)
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.release import ReleaseState, TrafficSplit
from airflow_rollout.traffic.base import Feature, Lease, WriteConflict
from airflow_rollout.traffic.gateway_check import (
    Unfit,
    check_parents,
    check_rules,
    others_hold,
)
from airflow_rollout.traffic.gateway_route import (
    API,
    PLURALS,
    Rule,
    find_rule,
    parents,
    rules_to,
)
from airflow_rollout.traffic.leases import ServiceLease, as_found, is_news, stopped
from airflow_rollout.traffic.records import decode_record, encode_record
from airflow_rollout.wire import ConnectionForm, Send

__all__ = ["CONNECTION", "GatewayApiRouter"]

SYSTEM = "gateway_api"

# The type and its form are those of the provider for Kubernetes.
CONNECTION = ConnectionForm(conn_type="kubernetes", label="Kubernetes")

# Controllers write a route's status after each change; more than that is somebody's fight.
_MAX_CONFLICTS = 10


class GatewayApiRouter:
    """Keep one service's split in one rule of a route.

    :param service: the Service of the stable version; the canary's is `<service>-canary`.
    :param namespace: where route and Services are.
    :param route: the route's name.
    :param kind: ``HTTPRoute`` or ``GRPCRoute``.
    """

    features = frozenset({Feature.WEIGHTS, Feature.CONDITIONAL_WRITE, Feature.LEASE})

    def __init__(
        self, *, service: str, namespace: str, route: str, kind: str = "HTTPRoute"
    ) -> None:
        self._service = service
        self._canary = f"{service}-canary"
        self._namespace = namespace
        self._name = route
        self._kind = kind
        self._path = object_path(API, PLURALS[kind], route, namespace=namespace)
        self._lease = ServiceLease(system=SYSTEM, service=service, namespace=namespace)
        # Each service has annotations of its own: a route may lead to several.
        self._record_key = f"{service}.airflow-rollout/record"
        self._before_key = f"{service}.airflow-rollout/weight-before"

    async def read(self, send: Send) -> TrafficSplit | None:
        """Return the record with the weight that the route really has.

        A route without a record is one that no release has touched: its Service is the stable
        version, as found.

        :raises PermanentAdapterError: no record, and no rule that leads to the service.
        """
        return await self._found(await self._route(send), send)

    async def write(
        self, split: TrafficSplit, expected: TrafficSplit | None, send: Send
    ) -> TrafficSplit:
        """Write weights and record if the route still says `expected`; there already is written.

        :raises WriteConflict: somebody else wrote in between.
        """
        route = await self._route(send)
        found = await self._found(route, send)
        if found == split:
            return split
        if found != expected:
            raise WriteConflict(found)
        if route is None:
            raise self._error(f"there is no {self._kind} {self._name}")
        try:
            await self._patch(route, self._operations(route, split), send)
        except ObjectChanged:
            raise WriteConflict(await self.read(send)) from None
        if is_news(split, expected):
            await self._lease.copy(encode_record(split), split.state, send)
        return split

    async def live(self, send: Send) -> int | None:
        """Return the canary's share once the route's controllers have seen the last change.

        None where a controller does not say what it has seen.

        :raises TransientAdapterError: a controller has not seen the last change yet.
        :raises PermanentAdapterError: traffic is on the canary and a controller refuses the route
            or finds no such Service: the canary's share gets errors.
        """
        route = await self._route(send)
        rule = find_rule(route, self._service, self._canary) if route else None
        weight = rule.share if rule else 0
        for parent in parents(route):
            if parent["is_behind"]:
                raise TransientAdapterError(
                    f"{parent['name']} has not seen the last change of {self._kind} {self._name}",
                    system=SYSTEM,
                )
            for kind in ("Accepted", "ResolvedRefs"):
                one = condition(parent, kind)
                if not parent["is_current"]:
                    return None
                if weight > 0 and one.get("status") == "False":
                    raise self._error(f"{kind} is False at {parent['name']}: {_words(one)}")
        return weight

    async def read_lease(self, send: Send) -> Lease | None:
        """Return the last sign of life from the Lease beside the route."""
        return await self._lease.read(send)

    async def renew_lease(self, lease: Lease, send: Send) -> None:
        """Renew the Lease beside the route."""
        await self._lease.renew(lease, send)

    async def preflight(self, send: Send) -> list[str]:
        """Check that the route can carry a release; return what a person should know.

        :raises PermanentAdapterError: no route, no rule or two, another backend in the rule, a
            controller that refuses the route or cannot do what it asks for.
        """
        route = await self._route(send)
        if route is None:
            raise self._error(f"there is no {self._kind} {self._name}")
        found = list(rules_to(route, self._service, self._canary))
        if not found:
            raise self._no_rule(route)
        try:
            check_rules(found, has_record=self._record_key in annotations_of(route))
            told = await check_parents(self._cluster(send), route, namespace=self._namespace)
        except Unfit as fault:
            raise self._error(f"{self._kind} {self._name}: {fault}") from None
        return told + others_hold(route)

    async def attach(self, send: Send) -> None:
        """Name the canary's Service in the route at weight 0, while a release is open."""
        await self._shape(send, attached=True)

    async def detach(self, send: Send) -> None:
        """Take the canary's Service out of the route, once no release is open any more."""
        await self._shape(send, attached=False)

    async def _shape(self, send: Send, *, attached: bool) -> None:
        """Bring the canary's backendRef, at weight 0, or take it out; weights stay as they are.

        :raises TransientAdapterError: others write so often that it did not come to it.
        """
        for _ in range(_MAX_CONFLICTS):
            route = await self._route(send)
            split = await self._found(route, send)
            is_open = split is not None and split.state is ReleaseState.OPEN
            if route is None or is_open != attached:
                return
            operations = self._shaping(route, attached=attached)
            if not operations:
                return
            try:
                await self._patch(route, operations, send)
            except ObjectChanged:
                continue
            return
        raise TransientAdapterError(
            f"{self._kind} {self._name} changed under {_MAX_CONFLICTS} writes in a row",
            system=SYSTEM,
        )

    def _shaping(self, route: RawObject, *, attached: bool) -> list[dict[str, Any]]:
        """Return the changes that bring or take out the canary's backendRef, none if it is so."""
        rule = find_rule(route, self._service, self._canary)
        if rule is None or rule.stable is None or rule.share > 0:
            return []
        if (rule.canary is not None) == attached:
            return []
        place = pointer("metadata", "annotations", self._before_key)
        if attached:
            refs = rule.with_weight(0)
            weight = str(rule.stable.get("weight", 1))
            note: list[dict[str, Any]] = [{"op": "add", "path": place, "value": weight}]
        else:
            before = annotations_of(route).get(self._before_key, "")
            refs = rule.without_canary(int(before) if before.isdigit() else None)
            note = [{"op": "remove", "path": place}] if before else []
        return [{"op": "replace", "path": rule.place, "value": refs}, *note]

    def _operations(self, route: RawObject, split: TrafficSplit) -> list[dict[str, Any]]:
        record: dict[str, Any] = {
            "op": "add",
            "path": pointer("metadata", "annotations", self._record_key),
            "value": encode_record(split),
        }
        operations = [record]
        if not annotations_of(route):
            operations.insert(0, {"op": "add", "path": "/metadata/annotations", "value": {}})
        rule = find_rule(route, self._service, self._canary)
        if rule is None:
            # A seal needs no rule: where none leads to the canary it has no traffic.
            if split.weight > 0:
                raise self._no_rule(route)
            return operations
        if rule.canary is not None or split.weight > 0:
            refs = rule.with_weight(split.weight)
            operations.append({"op": "replace", "path": rule.place, "value": refs})
        return operations

    async def _patch(self, route: RawObject, operations: list[dict[str, Any]], send: Send) -> None:
        version = route["metadata"]["resourceVersion"]
        await self._cluster(send).patch(self._path, version, operations)

    async def _found(self, route: RawObject | None, send: Send) -> TrafficSplit | None:
        if route is None:
            return stopped(await self._spare(send), f"{self._kind} {self._name} is gone", weight=0)
        rule = find_rule(route, self._service, self._canary)
        weight = rule.share if rule else 0
        text = annotations_of(route).get(self._record_key)
        if text is not None:
            record = decode_record(text, system=SYSTEM)
            if record.weight == weight or record.state is not ReleaseState.OPEN:
                return replace(record, weight=weight)
            reason = f"weight set to {weight} % by {changed_by(route, 'f:rules')}"
            return replace(record, weight=weight, reason=reason)
        if rule is None:
            raise self._no_rule(route)
        # Also at weight 0: who has sealed it may still have to remove the canary.
        what = f"the record is gone from {self._kind} {self._name}"
        spare = stopped(await self._spare(send), what, weight=weight)
        return spare or as_found(self._service, weight)

    async def _route(self, send: Send) -> RawObject | None:
        return await self._cluster(send).get(self._path)

    async def _spare(self, send: Send) -> TrafficSplit | None:
        text = await self._lease.spare(send)
        return decode_record(text, system=SYSTEM) if text else None

    def _cluster(self, send: Send) -> Cluster:
        return Cluster(send, system=SYSTEM)

    def _no_rule(self, route: RawObject) -> PermanentAdapterError:
        names = ", ".join(Rule.backends(route)) or "none"
        return self._error(
            f"no rule of {self._kind} {self._name} leads to Service {self._service}; "
            f"its backends: {names}"
        )

    def _error(self, why: str) -> PermanentAdapterError:
        return PermanentAdapterError(f"{why} (namespace {self._namespace})", system=SYSTEM)


def _words(one: dict[str, Any]) -> str:
    return f"{one.get('reason')}: {one.get('message')}"

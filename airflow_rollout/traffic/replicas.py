"""Router `replicas`: no router at all, but the pods of both versions behind one Service.

The share of the canary is its share of the pods, so it is a coarse one; the workload sizes the
canary before a weight rises. The Service is the switch, and carries the record in an annotation.
Both are written in one request that carries the `resourceVersion` which was read, so that this
router is a conditional one.

* The Service's selector has three forms: its own, which leads to stable's pods; one that leads to
  the canary's; and what both have in common, for all weights between. So an abort is one write that
  takes all of the canary's pods out of traffic, however many there are, and nothing of it depends
  on scaling.
* The canary's pods differ from stable's in one label of the selector. Stable's Deployment selects
  by it too, or its controller and an autoscaler would count the canary's pods.
* The selector is the truth about traffic, and the record only says who may change it. The user's
  own selector is in the record, to be put back as it was.
* Requests on a connection that is open stay with its pod until it is closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from airflow_rollout.cluster import (
    Cluster,
    ObjectChanged,
    RawObject,
    annotations_of,
    changed_by,
    label_query,
    object_path,
    pointer,
)
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.release import ReleaseState, TrafficSplit
from airflow_rollout.traffic.base import Feature, Lease, WriteConflict
from airflow_rollout.traffic.leases import ServiceLease, as_found, is_news, stopped
from airflow_rollout.traffic.records import decode_record, decode_selector, encode_record
from airflow_rollout.traffic.replicas_switch import Switch
from airflow_rollout.wire import ConnectionForm, Send

__all__ = ["CONNECTION", "DEFAULT_LABEL", "ReplicasRouter"]

SYSTEM = "replicas"

# The type and its form are those of the provider for Kubernetes.
CONNECTION = ConnectionForm(conn_type="kubernetes", label="Kubernetes")

# As in the documentation of Kubernetes: `track: stable`.
DEFAULT_LABEL = "track"

_SLICES = "discovery.k8s.io/v1"

# Of pods that must not be there; who has that many knows what they are.
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one look found: the Service, None where it is gone, its split and its selectors."""

    service: RawObject | None
    split: TrafficSplit | None
    switch: Switch


class ReplicasRouter:
    """Keep one service's split in its Service.

    :param service: the Service that leads to both versions.
    :param arm_label: the label of its selector that tells their pods apart.
    """

    features = frozenset({Feature.WEIGHTS, Feature.CONDITIONAL_WRITE, Feature.LEASE})

    def __init__(self, *, service: str, namespace: str, arm_label: str = DEFAULT_LABEL) -> None:
        self.arm_label = arm_label
        self._service = service
        self._namespace = namespace
        self._path = object_path("v1", "services", service, namespace=namespace)
        self._lease = ServiceLease(system=SYSTEM, service=service, namespace=namespace)
        self._record_key = f"{service}.airflow-rollout/record"

    async def read(self, send: Send) -> TrafficSplit | None:
        """Return the record with the weight that the Service's selector stands for.

        A Service without a record is one that no release has touched: it is the stable version, as
        found.
        """
        return (await self._look(send)).split

    async def write(
        self, split: TrafficSplit, expected: TrafficSplit | None, send: Send
    ) -> TrafficSplit:
        """Write selector and record if the Service still says `expected`.

        :raises WriteConflict: somebody else wrote in between.
        """
        seen = await self._look(send)
        if seen.split == split:
            return split
        if seen.split != expected:
            raise WriteConflict(seen.split)
        service, switch = seen.service, seen.switch
        if service is None:
            raise self._error("it does not exist")
        if split.weight > 0 and switch.fault:
            raise self._error(switch.fault)
        record = encode_record(split, selector=switch.stable)
        operations = self._operations(service, record, switch.selector(split.weight))
        try:
            version = service["metadata"]["resourceVersion"]
            await self._cluster(send).patch(self._path, version, operations)
        except ObjectChanged:
            raise WriteConflict(await self.read(send)) from None
        if is_news(split, expected):
            await self._lease.copy(record, split.state, send)
        return split

    async def live(self, send: Send) -> int | None:
        """Return the canary's weight once the Service's endpoints show it.

        :raises TransientAdapterError: they do not yet: a pod of the canary is among them at 0 %,
            none above, or another one at 100 %.
        """
        seen = await self._look(send)
        weight = seen.split.weight if seen.split else 0
        if seen.service is None or seen.switch.fault:
            return weight
        # In this order: a pod that is new in between is not taken for one of stable's.
        ready = await self._ready_pods(send)
        canary = {_name(pod) for pod in await self._pods(seen.switch.canary, send)}
        fault = _lag(weight, canary=len(ready & canary), others=len(ready - canary))
        if fault:
            raise TransientAdapterError(
                f"{fault} among the endpoints of Service {self._service}", system=SYSTEM
            )
        return weight

    async def read_lease(self, send: Send) -> Lease | None:
        """Return the last sign of life from the Lease beside the Service."""
        return await self._lease.read(send)

    async def renew_lease(self, lease: Lease, send: Send) -> None:
        """Renew the Lease beside the Service."""
        await self._lease.renew(lease, send)

    async def preflight(self, send: Send) -> list[str]:
        """Check that the Service can switch; return what a person should know.

        :raises PermanentAdapterError: no Service, one without a second label, one that a release
            has left or somebody has set to lead to the canary, or strange pods.
        """
        seen = await self._look(send)
        service, switch = seen.service, seen.switch
        if service is None:
            raise self._error("it does not exist")
        if switch.fault:
            raise self._error(switch.fault)
        selector = _selector(service)
        is_open = seen.split is not None and seen.split.state is ReleaseState.OPEN
        if selector != switch.stable and not is_open:
            raise self._error(
                f"it selects {label_query(selector)} although no release is open; "
                f"its own selector was {label_query(switch.stable)}"
            )
        await self._refuse_strangers(switch, send)
        await self._ready_pods(send)
        if service["spec"].get("sessionAffinity") == "ClientIP":
            return [
                f"Service {self._service} has sessionAffinity ClientIP: the share is of clients"
            ]
        return []

    async def _refuse_strangers(self, switch: Switch, send: Send) -> None:
        """Refuse a Service whose selector for both versions leads to somebody else's pods too."""
        known = {form[self.arm_label] for form in (switch.stable, switch.canary)}
        strange = [
            _name(pod)
            for pod in await self._pods(switch.both, send)
            if "deletionTimestamp" not in pod["metadata"]
            and (pod["metadata"].get("labels") or {}).get(self.arm_label) not in known
        ]
        if strange:
            named = ", ".join(sorted(strange)[:_MOST_NAMED])
            raise self._error(
                f"between 0 and 100 % it selects {label_query(switch.both)}, which leads to pods "
                f"of neither version: {named}; give the Service a label that only its own have"
            )

    async def _look(self, send: Send) -> _Seen:
        """Read the Service and its record, or the copy of the record where that is gone."""
        service = await self._cluster(send).get(self._path)
        text = annotations_of(service).get(self._record_key) if service else None
        is_copy = not text
        text = text or await self._lease.spare(send)
        record = decode_record(text, system=SYSTEM) if text else None
        selector = _selector(service)
        recorded = (decode_selector(text) if text else {}) or selector
        switch = Switch(stable=recorded, label=self.arm_label)
        split = self._split(service, record, switch, is_copy=is_copy)
        is_open = record is not None and record.state is ReleaseState.OPEN
        if not is_open and not switch.knows(selector):
            # No release has it: the user has given the Service another selector.
            switch = Switch(stable=selector, label=self.arm_label)
        return _Seen(service=service, split=split, switch=switch)

    def _split(
        self,
        service: RawObject | None,
        record: TrafficSplit | None,
        switch: Switch,
        *,
        is_copy: bool,
    ) -> TrafficSplit | None:
        """Return the split that the selector and the record stand for."""
        if service is None:
            return stopped(record, f"Service {self._service} is gone", weight=0)
        if record is None:
            return as_found(self._service, 0)
        selector = _selector(service)
        is_open = record.state is ReleaseState.OPEN
        weight = switch.weight(selector, recorded=record.weight, is_open=is_open)
        if is_copy:
            # Also at weight 0: who has sealed it may still have to remove the canary.
            what = f"the record is gone from Service {self._service}"
            return stopped(record, what, weight=weight) or as_found(self._service, weight)
        if record.weight == weight or not is_open:
            return replace(record, weight=weight)
        who = changed_by(service, "f:selector")
        reason = f"selector of Service {self._service} set to {label_query(selector)} by {who}"
        return replace(record, weight=weight, reason=reason)

    def _operations(
        self, service: RawObject, record: str, selector: dict[str, str]
    ) -> list[dict[str, Any]]:
        place = pointer("metadata", "annotations", self._record_key)
        operations: list[dict[str, Any]] = [{"op": "add", "path": place, "value": record}]
        if not annotations_of(service):
            operations.insert(0, {"op": "add", "path": "/metadata/annotations", "value": {}})
        if selector != _selector(service):
            operations.append({"op": "add", "path": "/spec/selector", "value": selector})
        return operations

    async def _ready_pods(self, send: Send) -> set[str]:
        """Return the names of the pods that the Service leads to now."""
        path = object_path(_SLICES, "endpointslices", namespace=self._namespace)
        asked = (("labelSelector", f"kubernetes.io/service-name={self._service}"),)
        found = await self._cluster(send).get(path, asked)
        endpoints = [
            endpoint
            for one in (found or {}).get("items") or []
            for endpoint in one.get("endpoints") or []
        ]
        # Not said is ready, by the API's own rule.
        return {
            str((one.get("targetRef") or {}).get("name"))
            for one in endpoints
            if (one.get("conditions") or {}).get("ready") is not False
        }

    async def _pods(self, labels: dict[str, str], send: Send) -> list[RawObject]:
        path = object_path("v1", "pods", namespace=self._namespace)
        found = await self._cluster(send).get(path, (("labelSelector", label_query(labels)),))
        return (found or {}).get("items") or []

    def _cluster(self, send: Send) -> Cluster:
        return Cluster(send, system=SYSTEM)

    def _error(self, why: str) -> PermanentAdapterError:
        text = f"Service {self._service}: {why} (namespace {self._namespace})"
        return PermanentAdapterError(text, system=SYSTEM)


def _selector(service: RawObject | None) -> dict[str, str]:
    return dict(service["spec"].get("selector") or {}) if service else {}


def _name(pod: RawObject) -> str:
    return str(pod["metadata"]["name"])


def _lag(weight: int, *, canary: int, others: int) -> str:
    """Return how ready pods contradict a weight, empty where they do not."""
    if weight == 0:
        return f"{canary} pods of the canary are still" if canary else ""
    if canary == 0:
        return "no pod of the canary is"
    return f"{others} other pods are still" if weight == 100 and others else ""

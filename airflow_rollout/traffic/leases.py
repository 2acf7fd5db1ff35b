"""The Lease beside a service in a cluster, and what stands where there is no record.

A router whose record is on an object of the cluster keeps a Lease `<service>-rollout`. It holds a
gate's sign of life, and a copy of the record. The copy is read when the record or its object is
gone, so that a gate and the way back still know whose traffic that was.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_rollout.cluster import Cluster, ObjectChanged, annotations_of, object_path
from airflow_rollout.errors import AdapterError
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.traffic.base import Lease
from airflow_rollout.wire import Send

__all__ = ["ServiceLease", "as_found", "is_news", "stopped"]

_LEASES = "coordination.k8s.io/v1"
# How long a sign of life is good for, as other readers of Leases see it.
_LEASE_SECONDS = 45
_EPOCH = "airflow-rollout/epoch"
_SPARE = "airflow-rollout/record"

# Traffic is safe by then: a copy that is not written is worth no wait.
_SPARE_SECONDS = 2.0


class ServiceLease:
    """Keep one service's Lease.

    :param system: the router's name, for error messages.
    """

    def __init__(self, *, system: str, service: str, namespace: str) -> None:
        self._system = system
        self._path = object_path(_LEASES, "leases", f"{service}-rollout", namespace=namespace)

    async def read(self, send: Send) -> Lease | None:
        """Return the last sign of life, None when there is none that can be understood."""
        found = await self._cluster(send).get(self._path)
        spec = (found or {}).get("spec") or {}
        epoch = annotations_of(found).get(_EPOCH) if found else None
        try:
            renewed_at = datetime.fromisoformat(spec["renewTime"]).timestamp()
        except (KeyError, TypeError, ValueError):
            return None
        if epoch is None:
            return None
        return Lease(epoch=epoch, holder=str(spec.get("holderIdentity")), renewed_at=renewed_at)

    async def renew(self, lease: Lease, send: Send) -> None:
        """Leave a sign of life; it stays when the release is over, as the record does."""
        renewed = datetime.fromtimestamp(lease.renewed_at, UTC)
        spec = {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        await self._put({_EPOCH: lease.epoch}, spec, self._cluster(send))

    async def spare(self, send: Send) -> str | None:
        """Return the copy of the record, None where there is none."""
        found = await self._cluster(send).get(self._path)
        return annotations_of(found).get(_SPARE) if found else None

    async def copy(self, record: str, state: ReleaseState, send: Send) -> None:
        """Leave a copy of the record; only an opening may fail for want of it."""
        cluster = Cluster(send, system=self._system, timeout_seconds=_SPARE_SECONDS)
        try:
            await self._put({_SPARE: record}, {}, cluster)
        except AdapterError:
            if state is ReleaseState.OPEN:
                raise

    async def _put(self, notes: dict[str, str], spec: dict[str, Any], cluster: Cluster) -> None:
        change = {"metadata": {"annotations": notes}, "spec": spec}
        if await cluster.merge(self._path, change) is not None:
            return
        folder, _, name = self._path.rpartition("/")
        kind = {"apiVersion": _LEASES, "kind": "Lease"}
        meta = {"name": name, "annotations": notes}
        try:
            await cluster.create(folder, {**kind, "metadata": meta, "spec": spec})
        except ObjectChanged:
            await cluster.merge(self._path, change)

    def _cluster(self, send: Send) -> Cluster:
        return Cluster(send, system=self._system)


def is_news(split: TrafficSplit, before: TrafficSplit | None) -> bool:
    """Say whether a write changes what the copy is for: whose release it is, and its state."""
    return before is None or (split.token, split.state) != (before.token, before.state)


def as_found(service: str, weight: int) -> TrafficSplit:
    """Return the split of a service that no release has touched: it is the stable version."""
    stable = Arm(version="as found", target=f"service/{service}")
    return TrafficSplit(
        service=service, stable=stable, canary=None, weight=weight,
        state=ReleaseState.RELEASED, token=Token(epoch="", owner="", digest=""),
    )  # fmt: skip


def stopped(spare: TrafficSplit | None, why: str, *, weight: int) -> TrafficSplit | None:
    """Return the copy of a record that is gone, as that of a release that was stopped.

    Gates stop and nothing rises, and the abort that they lead to finds whose traffic it is.
    """
    if spare is None or spare.state is ReleaseState.RELEASED:
        return None
    if spare.state is ReleaseState.SEALED:
        return replace(spare, weight=weight)
    return replace(spare, weight=weight, state=ReleaseState.SEALED, reason=why)

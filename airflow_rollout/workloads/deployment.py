"""Workload `deployment`: a copy of a Kubernetes Deployment lives beside it for one release.

The stable Deployment is not touched until the canary has carried all traffic and was judged there.
A release makes `<name>-canary` (Deployment) and `<service>-canary` (Service); both carry a label
with their owner, and nothing without it is ever changed or deleted.

The canary has as many replicas as stable from the start: each weight finds room. Or it starts with
one and grows before its weight does (`sizes`). It never shrinks while it may have traffic, and
stable never does at all, so that the way back finds room too. That "rolled out" is not "healthy" is
why pods are looked at during the whole release: a version that crashes after it was ready looks
complete to the Deployment's controller.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace

from airflow_rollout.analysis.readings import Probe
from airflow_rollout.cluster import (
    Cluster,
    ObjectChanged,
    RawObject,
    changed_by,
    condition,
    object_path,
)
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.release import Arm
from airflow_rollout.wire import Send
from airflow_rollout.workloads.base import Place, TargetForm
from airflow_rollout.workloads.canary_objects import (
    Unfit,
    advice,
    canary_deployment,
    canary_labels,
    canary_service,
    copied_revision,
    image_of,
    is_made_for,
    is_ours,
    revision_of,
)
from airflow_rollout.workloads.pod_faults import (
    SCHEDULE_SECONDS,
    Fault,
    is_rolled_out,
    ready_text,
    workload_fault,
)
from airflow_rollout.workloads.pods import explained, pods_of
from airflow_rollout.workloads.promotion_note import note_for, note_of, stable_change
from airflow_rollout.workloads.sizes import Size, first_pods, pods_for, real_shares
from airflow_rollout.workloads.surroundings import autoscalers, selecting_services

__all__ = ["TARGET", "DeploymentWorkload"]

SYSTEM = "deployment"

TARGET = TargetForm(
    name="image",
    title="Image",
    description="The new version's image, with its tag or digest",
    pattern=r"^[^\s{}]+$",
)

# An API server that restarts says nothing about pods; metrics go on judging meanwhile.
_UNASKED_SECONDS = 20.0


class DeploymentWorkload:
    """Release a Deployment.

    :param name: the stable Deployment's name.
    :param container: the container that gets the new image; None: the only one.
    :param size: how many pods its canary has; behind one Service that is the weight.
    :param schedule_seconds: how long one of the canary's pods may wait for a node.
    """

    def __init__(
        self,
        *,
        name: str,
        place: Place,
        container: str | None = None,
        size: Size = Size.FULL,
        schedule_seconds: float = SCHEDULE_SECONDS,
    ) -> None:
        self._name = name
        self._container = container
        self._namespace = place.namespace
        self._service = place.service
        self._arm_label = place.arm_label
        self._size = Size.BY_SHARE if place.arm_label else size
        self._schedule_seconds = schedule_seconds
        self.grows = self._size is not Size.FULL
        self._last: dict[Arm, Probe] = {}
        self._id = uuid.uuid4().hex

    async def preflight(self, send: Send) -> list[str]:
        """Check that a canary can be made; return what a person should know.

        :raises PermanentAdapterError: no Deployment or Service, selectors that overlap, a strategy
            without a way back, or something of the canary's name that no release made.
        """
        cluster = Cluster(send, system=SYSTEM)
        stable, service = await self._stable(cluster), await self._stable_service(cluster)
        await self._made_objects(stable, service, Arm(version="", target=""), cluster)
        if (stable["spec"].get("strategy") or {}).get("type") == "Recreate":
            raise self._error(
                f"Deployment {self._name} has the strategy Recreate: its promotion would leave "
                "nobody to fall back on; use RollingUpdate"
            )
        return advice(stable, self._container)

    async def check_beside(self, reached: Collection[str], send: Send) -> list[str]:
        """Look for Services that lead to the canary's pods by themselves, and for autoscalers."""
        cluster = Cluster(send, system=SYSTEM)
        stable, service = await self._stable(cluster), await self._stable_service(cluster)
        try:
            told = await selecting_services(
                canary_labels(stable, service, self._arm_label),
                cluster,
                namespace=self._namespace,
                own=(self._service, f"{self._service}-canary"),
                reached=reached,
            )
        except Unfit as error:
            raise self._error(str(error)) from None
        return told + await autoscalers(self._name, cluster, namespace=self._namespace)

    async def deploy(self, canary: Arm, send: Send) -> None:
        """Make the canary's Deployment and Service; those of an earlier canary are replaced."""
        cluster = Cluster(send, system=SYSTEM)
        stable, service = await self._stable(cluster), await self._stable_service(cluster)
        for path, body, found in await self._made_objects(stable, service, canary, cluster):
            try:
                if (
                    found is not None
                    and is_made_for(found, canary)
                    and copied_revision(found) == copied_revision(body)
                ):
                    await self._start_small(path, found, body, cluster)
                    continue
                if found is not None:
                    await cluster.delete(path, found)
                await cluster.create(path.rpartition("/")[0], body)
            except ObjectChanged as error:
                raise TransientAdapterError(f"{path}: {error}", system=SYSTEM) from None

    async def _start_small(
        self, path: str, found: RawObject, body: RawObject, cluster: Cluster
    ) -> None:
        """Take the pods of an earlier attempt's last weight from a canary that may stay."""
        wanted = body["spec"].get("replicas", 0)
        if self.grows and found["spec"].get("replicas", 0) > wanted:
            await self._scale(path, found, wanted, cluster)

    async def size(self, canary: Arm, weight: int, at: float, send: Send) -> str:
        """Let the canary grow to what a weight needs, and say what it still waits for.

        :raises PermanentAdapterError: it is gone, scaled to 0 by hand, or cannot have more pods.
        """
        if not self.grows:
            return ""
        cluster = Cluster(send, system=SYSTEM)
        found = await cluster.get(self._canary_path())
        if found is None or not is_ours(found, self._name) or not is_made_for(found, canary):
            raise self._error(f"{self._name}-canary is gone")
        has = found["spec"].get("replicas", 1)
        if has == 0:
            raise self._error(f"{self._name}-canary is scaled to 0")
        wanted = pods_for(self._size, weight, _pods_wanted(await self._stable(cluster)))
        if has < wanted:
            try:
                await self._scale(self._canary_path(), found, wanted, cluster)
            except ObjectChanged as error:
                raise TransientAdapterError(str(error), system=SYSTEM) from None
            return f"{self._name}-canary grows from {has} to {wanted} pods"
        fault = await self._canary_fault(found, canary, at, cluster)
        if fault is not None and fault.is_final:
            raise self._error(await explained(fault, cluster, namespace=self._namespace))
        return "" if is_rolled_out(found) else f"{self._name}-canary has {ready_text(found)}"

    async def shares(self, weights: Collection[int], send: Send) -> list[str]:
        """Return which weights no number of whole pods makes, and what they will be."""
        if self._size is not Size.BY_SHARE:
            return []
        stable = await self._stable(Cluster(send, system=SYSTEM))
        return real_shares(weights, _pods_wanted(stable))

    async def _scale(self, path: str, found: RawObject, replicas: int, cluster: Cluster) -> None:
        change = {"op": "replace", "path": "/spec/replicas", "value": replicas}
        await cluster.patch(path, found["metadata"]["resourceVersion"], [change])

    async def probe(self, arm: Arm, at: float, send: Send) -> Probe:
        """Look at an arm's Deployment and pods; final faults carry the reason a person needs.

        While the API does not answer, what was seen last stands for a while.
        """
        try:
            probe = await self._probe(arm, at, Cluster(send, system=SYSTEM))
        except TransientAdapterError as error:
            last = self._last.get(arm)
            if last is None or at - last.at > _UNASKED_SECONDS:
                raise
            return replace(last, detail=f"{last.detail}, seen {at - last.at:.0f} s ago ({error})")
        self._last[arm] = probe
        return probe

    async def promote(self, canary: Arm, send: Send) -> str:
        """Give stable the canary's image; return what it still waits for.

        The first call announces it by a note and changes nothing else; see `promotion_note` for why
        the record has to be asked between two calls.

        :raises PermanentAdapterError: stable cannot run it; its old pods still serve.
        """
        cluster = Cluster(send, system=SYSTEM)
        stable = await self._stable(cluster)
        image = self._image(stable)
        if image != canary.target:
            note = note_for(canary, image, by=self._id)
            is_announced = note_of(stable) == note
            new_image = canary.target if is_announced else None
            await self._change_stable(stable, new_image, note, cluster)
            will = "gets" if is_announced else "will get"
            return f"{self._name} {will} {canary.target}"
        pods = await pods_of(stable, canary.target, cluster, namespace=self._namespace)
        fault = workload_fault(stable, pods, at=0.0)
        if fault is not None and fault.is_final:
            why = await explained(fault, cluster, namespace=self._namespace)
            raise self._error(f"{self._name} cannot run {canary.target}: {why}")
        if is_rolled_out(stable):
            return ""
        return f"{self._name} has {ready_text(stable)}"

    async def remove(self, canary: Arm, send: Send, *, released: bool) -> None:
        """Delete the canary's Deployment and Service if a release made them for this canary."""
        cluster = Cluster(send, system=SYSTEM)
        await self._end_promotion(canary, released=released, cluster=cluster)
        for path in (self._canary_path(), self._canary_service_path()):
            found = await cluster.get(path)
            if found is None or not is_ours(found, self._name) or not is_made_for(found, canary):
                continue
            try:
                await cluster.delete(path, found)
            except ObjectChanged as error:
                raise TransientAdapterError(f"{path}: {error}", system=SYSTEM) from None

    async def _end_promotion(self, canary: Arm, *, released: bool, cluster: Cluster) -> None:
        """Close the promotion of a canary: leave it, or put the image before in again."""
        stable = await cluster.get(self._path("deployments", self._name))
        note = note_of(stable)
        if stable is None or note.get("image") != canary.target:
            return
        taken_back = not released and self._image(stable) == canary.target
        await self._change_stable(stable, note["before"] if taken_back else None, None, cluster)

    async def _change_stable(
        self, stable: RawObject, image: str | None, note: dict[str, str] | None, cluster: Cluster
    ) -> None:
        operations = stable_change(stable, image=image, note=note, container=self._container)
        version = stable["metadata"]["resourceVersion"]
        try:
            await cluster.patch(self._path("deployments", self._name), version, operations)
        except ObjectChanged as error:
            raise TransientAdapterError(str(error), system=SYSTEM) from None

    async def _probe(self, arm: Arm, at: float, cluster: Cluster) -> Probe:
        canary = await cluster.get(self._canary_path())
        stable = await cluster.get(self._path("deployments", self._name))
        if canary is not None and is_ours(canary, self._name) and is_made_for(canary, arm):
            changed = self._stable_changed(canary, stable)
            if changed:
                return Probe(at=at, ok=False, detail=changed, fatal=True)
            return await self._probe_canary(canary, arm, at, cluster)
        image = self._image(stable) if stable else "nothing"
        if stable is None or arm.target not in (image, f"service/{self._service}"):
            detail = f"nothing runs {arm.target}: {self._name}-canary is gone, {self._name} runs "
            return Probe(at=at, ok=False, detail=detail + image, fatal=True)
        available = (stable.get("status") or {}).get("availableReplicas", 0)
        return Probe(at=at, ok=available > 0, detail=f"{self._name} has {ready_text(stable)}")

    def _stable_changed(self, canary: RawObject, stable: RawObject | None) -> str:
        """Return how stable is another version than the one that the canary is compared with."""
        copied = copied_revision(canary)
        # Where stable is gone the canary is the last one that serves: no reason to take it away.
        if stable is None or not copied or copied == (now := revision_of(stable)):
            return ""
        who = changed_by(stable, "f:template")
        return f"stable changed: {self._name} is at revision {now}, not {copied} ({who})"

    async def _probe_canary(self, found: RawObject, arm: Arm, at: float, cluster: Cluster) -> Probe:
        if found["spec"].get("replicas") == 0:
            return Probe(at=at, ok=False, detail=f"{self._name}-canary is scaled to 0", fatal=True)
        fault = await self._canary_fault(found, arm, at, cluster)
        if fault is not None and fault.is_final:
            detail = await explained(fault, cluster, namespace=self._namespace)
            return Probe(at=at, ok=False, detail=detail, fatal=True)
        text = f"{ready_text(found)}{f' ({fault.text})' if fault else ''}"
        # Once all of them were ready, a pod that is moved to another node is no bad version.
        if condition(found, "Progressing").get("reason") == "NewReplicaSetAvailable":
            available = condition(found, "Available")
            serves = available.get("status") == "True"
            why = "" if serves else f", not available: {available.get('message')}"
            return Probe(at=at, ok=serves, detail=text + why)
        return Probe(at=at, ok=is_rolled_out(found), detail=text)

    async def _canary_fault(
        self, found: RawObject, arm: Arm, at: float, cluster: Cluster
    ) -> Fault | None:
        pods = await pods_of(found, arm.target, cluster, namespace=self._namespace)
        return workload_fault(found, pods, at, schedule_seconds=self._schedule_seconds)

    async def _made_objects(
        self, stable: RawObject, service: RawObject, canary: Arm, cluster: Cluster
    ) -> list[tuple[str, RawObject, RawObject | None]]:
        """Return path, wanted and found object of Deployment and Service of a canary."""
        try:
            bodies = (
                canary_deployment(
                    stable,
                    service,
                    canary,
                    container=self._container,
                    replicas=first_pods(self._size, _pods_wanted(stable)),
                    arm_label=self._arm_label,
                ),
                canary_service(stable, service, canary, arm_label=self._arm_label),
            )
        except Unfit as error:
            raise self._error(str(error)) from None
        made = []
        paths = (self._canary_path(), self._canary_service_path())
        for path, body in zip(paths, bodies, strict=True):
            found = await cluster.get(path)
            if found is not None and not is_ours(found, self._name):
                what = f"{body['kind']} {body['metadata']['name']}"
                raise self._error(f"there is a {what} already that no release made")
            made.append((path, body, found))
        return made

    async def _stable(self, cluster: Cluster) -> RawObject:
        found = await cluster.get(self._path("deployments", self._name))
        if found is None:
            raise self._error(
                f"there is no Deployment {self._name}: a canary is made from the stable version, "
                "so create the first version yourself"
            )
        return found

    async def _stable_service(self, cluster: Cluster) -> RawObject:
        found = await cluster.get(self._path("services", self._service))
        if found is None:
            raise self._error(f"there is no Service {self._service}")
        return found

    def _image(self, stable: RawObject) -> str:
        try:
            return image_of(stable, self._container)
        except Unfit as error:
            raise self._error(f"Deployment {self._name}: {error}") from None

    def _canary_path(self) -> str:
        return self._path("deployments", f"{self._name}-canary")

    def _canary_service_path(self) -> str:
        return self._path("services", f"{self._service}-canary")

    def _path(self, plural: str, name: str = "") -> str:
        api = "apps/v1" if plural == "deployments" else "v1"
        return object_path(api, plural, name, namespace=self._namespace)

    def _error(self, why: str) -> PermanentAdapterError:
        return PermanentAdapterError(f"{why} (namespace {self._namespace})", system=SYSTEM)


def _pods_wanted(stable: RawObject) -> int:
    return int(stable["spec"].get("replicas", 1))

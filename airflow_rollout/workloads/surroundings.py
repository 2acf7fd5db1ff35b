"""What else stands beside a Deployment and would reach into its release."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from airflow_rollout.cluster import Cluster, RawObject, label_query, object_path
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.workloads.canary_objects import Unfit, selector_matches

__all__ = ["autoscalers", "selecting_services"]


async def selecting_services(
    labels: Mapping[str, str],
    cluster: Cluster,
    *,
    namespace: str,
    own: Collection[str],
    reached: Collection[str],
) -> list[str]:
    """Return a line for each other Service that would lead to the canary's pods.

    :param labels: those of the canary's pods.
    :param own: names of the release's own Services.
    :param reached: those that users reach by the same route.
    :raises Unfit: one of `reached` would give the canary traffic that no weight holds back.
    """
    told = []
    for found in await _listed("v1", "services", cluster, namespace):
        if isinstance(found, str):
            told.append(f"whether other Services lead to the canary was not checked: {found}")
            continue
        name, selector = found["metadata"]["name"], found["spec"].get("selector")
        if name in own or not selector or not selector_matches({"matchLabels": selector}, labels):
            continue
        what = f"Service {name} would lead to the canary's pods too, by {label_query(selector)}"
        if name in reached:
            raise Unfit(f"{what}, and the same route leads to it: no weight holds that back")
        told.append(f"{what}: who uses it gets the new version before anybody has judged it")
    return told


async def autoscalers(name: str, cluster: Cluster, *, namespace: str) -> list[str]:
    """Return a line for each autoscaler of a Deployment, which has little to do in a release."""
    told = []
    for found in await _listed("autoscaling/v2", "horizontalpodautoscalers", cluster, namespace):
        if isinstance(found, str):
            told.append(f"whether an autoscaler has {name} was not checked: {found}")
            continue
        target = found["spec"]["scaleTargetRef"]
        if (target.get("kind"), target.get("name")) == ("Deployment", name):
            told.append(
                f"HorizontalPodAutoscaler {found['metadata']['name']} may take pods from {name} "
                "while the canary has its traffic, which the way back and the promotion need: its "
                "minReplicas, or a scaleDown.stabilizationWindowSeconds longer than a release, "
                "keep them"
            )
    return told


async def _listed(api: str, plural: str, cluster: Cluster, namespace: str) -> list[RawObject | str]:
    """Return all objects of a kind; instead of them, why they may not be seen."""
    try:
        found = await cluster.get(object_path(api, plural, namespace=namespace))
    except PermanentAdapterError as error:
        return [error.message]
    return list((found or {}).get("items") or [])

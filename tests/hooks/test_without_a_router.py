"""A release without a router: what the workload makes is what the Service leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from in_memory import MemoryProvider, make_spec
from kube_api import KubeApi

from airflow_rollout.hooks import systems as module
from airflow_rollout.hooks.adapters import make_workload_behind
from airflow_rollout.hooks.moves import abort, make_stable, open_release, raise_weight
from airflow_rollout.hooks.sizing import until_sized
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.plan import PlannedStep, make_plan
from airflow_rollout.release import Arm, Token
from airflow_rollout.spec.model import TrafficRef, WorkloadRef
from airflow_rollout.traffic.registry import make_router
from airflow_rollout.wire import HttpRequest, HttpResponse

T = TypeVar("T")

SERVICE = "/api/v1/namespaces/prod/services/shop"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices/shop-x"
PODS = "/api/v1/namespaces/prod/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/prod/deployments"

CANARY = Arm(version="v2", target="shop:2")
TOKEN = Token(epoch="e1", owner="dag/run", digest="d")
SPEC = replace(
    make_spec(weights=(10, 50)),
    workload=WorkloadRef(kind="deployment", name="shop"),
    traffic=TrafficRef(router="replicas", service="shop", conn_id="c"),
)


class Cluster(KubeApi):
    """An API whose controllers have done their work before each request."""

    def __init__(self) -> None:
        super().__init__()
        self.before = self._work
        labels = {"app": "shop", "track": "stable"}
        container = {"name": "app", "image": "shop:1"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 4, "selector": {"matchLabels": dict(labels)}, "template": template}
        self.put(f"{DEPLOYMENTS}/shop", {"spec": spec})
        self.put(SERVICE, {"spec": {"selector": dict(labels), "ports": [{"port": 80}]}})

    def _work(self, request: HttpRequest) -> HttpResponse | None:
        pods = [path for path in self.objects if path.startswith(f"{PODS}/")]
        for path in pods:
            del self.objects[path]
        for path in [path for path in self.objects if path.startswith(f"{DEPLOYMENTS}/")]:
            self._roll_out(self.objects[path])
        self.objects[SLICE] = {
            "metadata": {"labels": {"kubernetes.io/service-name": "shop"}},
            "endpoints": [{"targetRef": {"name": name}} for name in self.led_to()],
        }
        return None

    def _roll_out(self, found: dict[str, Any]) -> None:
        spec, meta = found["spec"], found["metadata"]
        for number in range(spec["replicas"]):
            name = f"{meta['name']}-{number}"
            labels = dict(spec["template"]["metadata"]["labels"])
            body = {"metadata": {"name": name, "labels": labels}, "spec": spec["template"]["spec"]}
            self.objects[f"{PODS}/{name}"] = body
        names = ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
        counts = dict.fromkeys(names, spec["replicas"])
        found["status"] = {**counts, "observedGeneration": meta["generation"]}

    def led_to(self) -> list[str]:
        """Return the names of the pods that the Service's selector matches."""
        wanted = self.objects[SERVICE]["spec"]["selector"].items()
        return [
            found["metadata"]["name"]
            for path, found in self.objects.items()
            if path.startswith(f"{PODS}/") and wanted <= found["metadata"]["labels"].items()
        ]

    def share(self) -> tuple[int, int]:
        """Return how many pods of stable and of the canary have traffic."""
        names = self.led_to()
        canary = sum(name.startswith("shop-canary-") for name in names)
        return len(names) - canary, canary


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def systems(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Systems:
    monkeypatch.setattr(module, "_DRAIN_SECONDS", 0.0)
    router = make_router(SPEC.traffic, namespace="prod")
    return Systems(
        router=router, workload=make_workload_behind(router, SPEC), provider=MemoryProvider(),
        router_send=cluster.send, workload_send=cluster.send, provider_send=cluster.send,
        traffic=SPEC.traffic, namespace="prod",
    )  # fmt: skip


def run(work: Awaitable[T]) -> T:
    async def done() -> T:
        return await work

    return asyncio.run(done())


async def go_up(systems: Systems, step: PlannedStep) -> None:
    await until_sized(
        systems, token=TOKEN, canary=CANARY, step=step, seconds=5.0, say=lambda text: None,
        timer=_NoTime(),
    )  # fmt: skip
    await raise_weight(
        systems, token=TOKEN, canary=CANARY, weight=step.weight,
        previous_weight=step.previous_weight, step=step.id,
    )  # fmt: skip


class _NoTime:
    """A timer for a cluster that is always quick enough."""

    def now(self) -> float:
        return 0.0

    async def pause(self, seconds: float) -> None:
        """Let no time pass."""


async def begin(systems: Systems) -> None:
    await open_release(systems, service="shop", token=TOKEN, canary=CANARY)
    await systems.deploy(CANARY)


def test_preflight_of_both_agrees_and_says_the_real_shares(systems: Systems) -> None:
    told = run(systems.preflight([10, 50, 100]))
    assert "step of 10 % will be 20 %: 1 of 5 pods" in told


def test_the_share_of_the_pods_follows_the_weights_and_the_promotion_ends_it(
    cluster: Cluster, systems: Systems
) -> None:
    run(begin(systems))
    seen = [cluster.share()]
    for step in make_plan(SPEC).steps:
        run(go_up(systems, step))
        assert run(systems.live_weight()) == step.weight
        seen.append(cluster.share())
    assert seen == [(4, 0), (4, 1), (4, 4), (0, 4)]
    assert run(systems.promote(CANARY))
    assert run(systems.promote(CANARY))
    assert run(systems.promote(CANARY)) == ""
    run(make_stable(systems, token=TOKEN, canary=CANARY))
    assert cluster.share() == (4, 0)
    run(systems.remove(CANARY, released=True))
    assert not [path for path in cluster.objects if path.endswith("shop-canary")]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_abort_takes_all_pods_of_the_canary_out_at_once(
    cluster: Cluster, systems: Systems, steps: int
) -> None:
    run(begin(systems))
    for step in make_plan(SPEC).steps[:steps]:
        run(go_up(systems, step))
    assert cluster.share()[1] > 0
    cluster.sent.clear()
    run(abort(systems, epoch="e1", owner="dag/run", reason="bad"))
    assert cluster.writes()[0] == ("PATCH", SERVICE)
    assert cluster.share() == (4, 0)
    assert run(systems.live_weight()) == 0
    run(systems.remove(CANARY, released=False))
    assert cluster.share() == (4, 0)

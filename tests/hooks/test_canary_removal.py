"""A canary that may still be sent to is not removed."""

from __future__ import annotations

import asyncio

import pytest
from in_memory import CANARY, MemoryRouter, World, open_split

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks import systems as module
from airflow_rollout.release import Token
from airflow_rollout.wire import Send

TOKEN = Token(epoch="e1", owner="dag/run", digest="d")


class Route(MemoryRouter):
    """A router that is told which backends there are."""

    attached = True

    async def attach(self, send: Send) -> None:
        self.attached = True

    async def detach(self, send: Send) -> None:
        self.attached = False


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world whose route has weight 0, as it says."""
    monkeypatch.setattr(module, "_DRAIN_SECONDS", 0.0)
    return World(router=Route(open_split(TOKEN, weight=0)))


def remove(world: World) -> None:
    asyncio.run(world.systems.remove(CANARY, released=False))


def test_a_canary_without_traffic_is_taken_out_and_removed(world: World) -> None:
    remove(world)
    assert isinstance(world.router, Route)
    assert not world.router.attached
    assert world.workload.removed == [CANARY]


@pytest.mark.parametrize(
    ("weight", "fault"),
    [
        pytest.param(5, None, id="has traffic"),
        pytest.param(None, TransientAdapterError("behind", system="route"), id="nobody knows"),
    ],
)
def test_a_canary_that_may_have_traffic_stays(
    world: World, weight: int | None, fault: Exception | None
) -> None:
    world.router.data_plane, world.router.live_fault = weight, fault
    with pytest.raises(TransientAdapterError):
        remove(world)
    assert isinstance(world.router, Route)
    assert world.router.attached
    assert world.workload.removed == []


class Behind(MemoryRouter):
    """A router with both arms behind one Service."""

    arm_label = "track"


def test_pods_behind_one_service_are_not_removed_while_they_are_led_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_DRAIN_SECONDS", 0.0)
    world = World(router=Behind(open_split(TOKEN, weight=0)))
    world.router.live_fault = TransientAdapterError("still among the endpoints", system="router")
    with pytest.raises(TransientAdapterError):
        remove(world)
    assert world.workload.removed == []
    world.router.live_fault = None
    remove(world)
    assert world.workload.removed == [CANARY]

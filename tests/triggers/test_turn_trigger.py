from __future__ import annotations

import asyncio

import pytest
from gates import AWAY, OTHER
from in_memory import World, make_spec, open_split
from virtual_time import run_virtual

from airflow_rollout.release import ReleaseState
from airflow_rollout.triggers import turn
from airflow_rollout.triggers.turn import TurnTrigger


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    world.router.split = open_split(OTHER, weight=30)
    monkeypatch.setattr(turn, "open_systems", world.open)
    return world


async def first_event(trigger: TurnTrigger) -> object:
    return (await anext(trigger.run())).payload


def waiting() -> TurnTrigger:
    return TurnTrigger(spec=make_spec().to_builtins(), owner="shop/run")


@pytest.mark.parametrize("state", [ReleaseState.SEALED, ReleaseState.RELEASED])
def test_turn_comes_when_the_other_release_has_ended(world: World, state: ReleaseState) -> None:
    async def play() -> object:
        turn_comes = asyncio.create_task(first_event(waiting()))
        await asyncio.sleep(60)
        assert not turn_comes.done()
        world.router.change(state=state)
        return await turn_comes

    assert run_virtual(play()) == "free"


def test_router_that_cannot_be_read_is_no_turn(world: World) -> None:
    async def play() -> object:
        world.router.read_fault = AWAY
        turn_comes = asyncio.create_task(first_event(waiting()))
        await asyncio.sleep(60)
        assert not turn_comes.done()
        world.router.read_fault = None
        world.router.split = None
        return await turn_comes

    assert run_virtual(play()) == "free"


def test_router_that_stays_unreadable_is_left_to_prepare(world: World) -> None:
    async def play() -> object:
        world.router.read_fault = AWAY
        gives_up = asyncio.create_task(first_event(waiting()))
        await asyncio.sleep(240)
        assert not gives_up.done()
        return await gives_up

    assert run_virtual(play()) == "unreadable"


def test_router_that_answers_now_and_then_is_waited_for(world: World) -> None:
    async def play() -> None:
        turn_comes = asyncio.create_task(first_event(waiting()))
        for _ in range(10):
            world.router.read_fault = AWAY
            await asyncio.sleep(240)
            world.router.read_fault = None
            await asyncio.sleep(10)
        assert not turn_comes.done()
        turn_comes.cancel()

    run_virtual(play())


def test_own_open_release_is_no_reason_to_wait(world: World) -> None:
    world.router.split = open_split(OTHER, weight=30)
    own = TurnTrigger(spec=make_spec().to_builtins(), owner=OTHER.owner)
    assert run_virtual(first_event(own)) == "free"


def test_arguments_survive_serialization() -> None:
    path, arguments = waiting().serialize()
    assert path == "airflow_rollout.triggers.turn.TurnTrigger"
    assert TurnTrigger(**arguments).serialize() == (path, arguments)

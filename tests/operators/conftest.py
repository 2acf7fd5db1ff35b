"""A run whose tasks are executed one by one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from in_memory import STABLE, MemoryRouter, World, open_split
from notifiers import Deaf
from runs import Run

from airflow_rollout.release import ReleaseState, Token


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run of a service whose stable version is v1; nothing is open."""
    token = Token(epoch="e0", owner="shop/first", digest="d")
    world = World(router=MemoryRouter(open_split(token)))
    world.router.change(stable=STABLE, canary=None, state=ReleaseState.RELEASED)
    return Run(world).install(monkeypatch)


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    """Return a notifier whose receiver accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Deaf(server.getsockname()[1])

"""`status --router`: who has the traffic and whether anybody still watches, as an exit code too."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from in_memory import MemoryRouter, World, open_split

from airflow_rollout.cli.status import show_at_router
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.release import ReleaseState, Token
from airflow_rollout.traffic.base import Lease

TOKEN = Token(epoch="e", owner="shop/run", digest="d")


def shown(router: MemoryRouter, form: str = "text") -> int:
    return asyncio.run(show_at_router(World(router=router).systems, form))


def watched(seconds_ago: float, *, epoch: str = "e") -> MemoryRouter:
    """Return a router with an open release that a gate watched so long ago."""
    router = MemoryRouter(open_split(TOKEN, weight=20))
    renewed_at = time.time() - seconds_ago
    router.lease = Lease(epoch=epoch, holder="shop/run", renewed_at=renewed_at)
    return router


def test_a_release_that_is_watched_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(watched(12.0)) == 0
    said = capsys.readouterr().out
    assert "20 % on v2, stable v1, open by shop/run" in said
    assert "served: 20 % on the canary" in said
    assert "a gate watched it" in said


def test_a_release_that_nobody_watches_any_more_is_three(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(watched(100.0)) == 3
    assert "nobody has watched it for" in capsys.readouterr().out


def test_a_program_reads_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(watched(100.0), "json") == 3
    data = json.loads(capsys.readouterr().out)
    assert data["live_weight"] == data["split"]["weight"] == 20
    assert data["is_lost"] is True
    assert "nobody has watched it" in data["watched"]


@pytest.mark.parametrize("state", [ReleaseState.SEALED, ReleaseState.RELEASED])
def test_a_release_that_has_ended_needs_nobody(state: ReleaseState) -> None:
    router = watched(100.0)
    router.change(state=state)
    assert shown(router) == 0


def test_a_sign_of_life_of_an_earlier_attempt_says_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(watched(100.0, epoch="earlier")) == 0
    assert "no gate has watched it so far" in capsys.readouterr().out


def test_a_sign_of_life_that_cannot_be_read_is_no_alarm() -> None:
    router = watched(100.0)

    async def fails(send: object) -> Lease | None:
        raise TransientAdapterError("busy", system="router")

    router.read_lease = fails
    assert shown(router) == 0


def test_a_service_without_a_record_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(MemoryRouter()) == 1
    assert "no record of this service" in capsys.readouterr().err

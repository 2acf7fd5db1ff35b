"""A gate whose split is not its own any more, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from gates import MINE, OTHER, Gate, at_ten_percent, is_safe
from in_memory import World, make_spec, open_split

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.release import Arm, ReleaseState, TrafficSplit


def _sealed(world: World) -> None:
    world.router.change(weight=0, state=ReleaseState.SEALED, reason="by hand")


_FAULTS: dict[str, tuple[Callable[[World], None], str]] = {
    "weight edited": (lambda it: it.router.change(weight=90), "the weight is 90 %"),
    "sealed by a person": (_sealed, "this attempt was stopped: by hand"),
    "another canary": (
        lambda it: it.router.change(canary=Arm(version="v9", target="http://127.0.0.1:9")),
        "the canary at the router is",
    ),
    "spec changed": (
        lambda it: it.router.change(token=replace(MINE, digest="other")),
        "spec changed in mid-release",
    ),
}


@pytest.mark.parametrize(("happens", "found"), _FAULTS.values(), ids=_FAULTS)
def test_a_changed_split_ends_the_gate_with_what_was_found(
    happens: Callable[[World], None], found: str
) -> None:
    gate = Gate(at_ten_percent())
    gate.later[3.0] = lambda: happens(gate.world)
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert piece.judgement.reason.startswith("FAIL split: ")
    assert found in piece.judgement.reason
    assert gate.ended_after == pytest.approx(5.0, abs=0.5)
    assert is_safe(gate.world)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(open_split(OTHER, weight=30), id="another release"),
        pytest.param(
            open_split(replace(MINE, epoch="e0"), weight=30), id="another attempt of the run"
        ),
        pytest.param(None, id="record gone"),
    ],
)
def test_a_gate_never_writes_into_a_split_that_is_not_its_own(found: TrafficSplit | None) -> None:
    gate = Gate(at_ten_percent())
    gate.later[3.0] = lambda: setattr(gate.world.router, "split", found)
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert gate.world.router.split == found
    assert gate.world.router.written == []


def test_a_data_plane_that_does_not_follow_the_record_ends_the_gate() -> None:
    gate = Gate(at_ten_percent(), spec=make_spec(interval_seconds=60.0))
    gate.world.router.data_plane = 0
    piece = gate.run()
    assert "the router works with 0 %, its record says 10 %" in piece.judgement.reason
    assert 30.0 < gate.ended_after <= 35.5, "it gets its grace first"


def test_a_data_plane_that_lags_is_waited_for() -> None:
    gate = Gate(at_ten_percent())
    gate.world.router.data_plane = 0
    gate.later[8.0] = lambda: setattr(gate.world.router, "data_plane", None)
    assert gate.run().judgement.verdict is Verdict.PASS

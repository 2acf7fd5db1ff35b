"""A gate whose split is not its own any more, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from gates import MINE, OTHER, Gate, at_ten_percent, is_safe
from in_memory import World, make_spec, open_split
from virtual_time import EPOCH

from airflow_rollout.analysis.parameters import Mode
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
    assert gate.ended_after == pytest.approx(4.0, abs=0.5)
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


def test_requests_that_do_not_follow_the_record_end_the_gate() -> None:
    """The router says 10 %, and its counters say that the canary has half of the requests."""
    gate = Gate(at_ten_percent(), spec=make_spec(interval_seconds=60.0))
    gate.world.provider.share = 50.0
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert piece.judgement.reason.startswith("FAIL split: 50.00 % of the requests (")
    assert "went to the canary, 10 % is written" in piece.judgement.reason
    assert 30.0 < gate.ended_after <= 35.5, "it gets its grace first"
    assert is_safe(gate.world)


def test_a_pass_waits_for_requests_that_do_not_follow_yet() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.share = 50.0
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert gate.ended_after > 30.0, "its check at 10 s was good and did not pass it"
    assert any("INCONCLUSIVE would pass, but 50.00 % of the requests" in it.judgement.reason
               for it in gate.notebook.pieces)  # fmt: skip


def test_requests_that_follow_late_end_nothing() -> None:
    gate = Gate(at_ten_percent())
    provider = gate.world.provider
    provider.moves_at = EPOCH + 15.0
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.PASS
    assert "; split observed: " in piece.judgement.reason
    assert piece.judgement.checks_done == 2, "the first check passed before they had followed"


def test_below_thirty_expected_requests_the_verdict_says_so() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.rate = 2.0
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.PASS
    assert "; split not yet observed: " in piece.judgement.reason


@pytest.mark.parametrize("change", ["a query of its own", "another system"])
def test_counts_that_are_not_the_routers_say_nothing_of_the_split(change: str) -> None:
    spec = make_spec()
    if change == "another system":
        spec = replace(spec, source=replace(spec.source, provider="datadog"))
    else:
        metrics = tuple(replace(one, query="of mine") for one in spec.judge.metrics)
        spec = replace(spec, judge=replace(spec.judge, metrics=metrics))
    gate = Gate(at_ten_percent(), spec=spec)
    gate.world.provider.share = 50.0
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.PASS
    assert "split not observed: no metric counts the router's requests" in piece.judgement.reason


def test_a_gate_that_observes_only_says_what_it_saw_of_the_split() -> None:
    gate = Gate(at_ten_percent(), spec=make_spec(mode=Mode.OBSERVE))
    gate.world.provider.share = 50.0
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.PASS
    assert "went to the canary, 10 % is written" in piece.judgement.reason
    assert gate.world.router.written == []

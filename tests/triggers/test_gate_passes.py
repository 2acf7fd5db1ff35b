"""When a gate lets the release go on, in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gates import AWAY, MINE, Gate, at_ten_percent, is_safe, never, started
from in_memory import World, make_spec

from airflow_rollout.analysis.parameters import Mode
from airflow_rollout.analysis.verdict import Verdict


def test_a_good_version_passes_at_its_first_check_and_nothing_is_written() -> None:
    gate = Gate(at_ten_percent())
    piece = gate.run()
    assert (piece.judgement.verdict, piece.judgement.ends, piece.stop) == (Verdict.PASS, True, None)
    assert gate.ended_after == pytest.approx(10.0, abs=0.5)
    assert gate.world.router.written == []
    assert gate.notebook.pieces[-1] == piece
    assert gate.notebook.checkpoints[-1].epoch == MINE.epoch


def test_a_pass_is_given_only_after_the_split_was_read_once_more() -> None:
    # The watch looks every 5 s, the check is due at 12: only the last look can see this.
    gate = Gate(at_ten_percent(), spec=make_spec(interval_seconds=12.0))
    gate.later[11.0] = lambda: gate.world.router.change(weight=40)
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert piece.judgement.reason == (
        "FAIL split: the weight is 40 %, this step put it at 10 %"
    )  # fmt: skip
    assert gate.ended_after == pytest.approx(12.0, abs=0.5)
    assert is_safe(gate.world)


def test_a_pass_waits_for_a_router_that_cannot_be_read() -> None:
    gate = Gate(at_ten_percent())
    router = gate.world.router
    gate.later = {
        8.0: lambda: setattr(router, "read_fault", AWAY),
        17.0: lambda: setattr(router, "read_fault", None),
    }
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.PASS
    assert gate.ended_after == pytest.approx(17.0, abs=1.0)
    waiting = [it.judgement for it in gate.notebook.pieces if not it.judgement.ends]
    assert any(
        "the split could not be confirmed: router: timed out" in judgement.reason
        for judgement in waiting
    )


def test_a_router_that_stays_unreadable_ends_the_gate_at_its_deadline() -> None:
    gate = Gate(at_ten_percent())
    gate.later[8.0] = lambda: setattr(gate.world.router, "read_fault", AWAY)
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert "could not be confirmed: router: timed out" in piece.judgement.reason
    # Deadline 10 + (2 + 2) x 10 s, then 5 s in which the way back is tried.
    assert 49.9 < gate.ended_after < 57.0
    assert piece.stop is not None
    assert (piece.stop.written_at, piece.stop.error) == (None, "router: timed out")


def test_a_pass_waits_for_a_stable_version_that_is_gone() -> None:
    gate = Gate(at_ten_percent())
    workload = gate.world.workload
    gate.later = {
        4.5: lambda: setattr(workload, "stable_fault", "connection refused"),
        17.0: lambda: setattr(workload, "stable_fault", ""),
    }
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.PASS
    assert gate.ended_after == pytest.approx(17.0, abs=1.5)
    said = [it.judgement.reason for it in gate.notebook.pieces if not it.judgement.ends]
    assert any("stable version v1 does not answer: connection refused" in it for it in said)
    assert gate.world.router.written == []


def test_a_stable_version_that_stays_away_ends_the_gate_at_its_deadline() -> None:
    gate = Gate(at_ten_percent())
    gate.later[4.5] = lambda: setattr(gate.world.workload, "stable_fault", "connection refused")
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert "stable version v1 does not answer" in piece.judgement.reason
    assert gate.ended_after == pytest.approx(50.0, abs=1.0)
    assert is_safe(gate.world)


def test_a_stable_version_that_knows_no_health_path_holds_up_nobody() -> None:
    gate = Gate(at_ten_percent())
    gate.world.workload.stable_fault = "HTTP 404"
    assert gate.run().judgement.verdict is Verdict.PASS
    assert gate.ended_after == pytest.approx(10.0, abs=0.5)


def test_the_first_version_of_a_service_passes_at_once_and_asks_nothing() -> None:
    gate = Gate(at_ten_percent(), start=started(first=True))
    piece = gate.run()
    assert (piece.judgement.verdict, gate.ended_after) == (Verdict.PASS, 0.0)
    assert "first version of this service" in piece.judgement.reason
    assert (gate.world.provider.reads, gate.world.workload.probes) == ([], 0)


def test_a_release_that_nobody_judges_passes_at_once_and_asks_nothing() -> None:
    start = started()
    start = replace(start, attempt=replace(start.attempt, unjudged="closes a hole"))
    gate = Gate(at_ten_percent(), start=start)
    gate.world.provider.answer = never
    piece = gate.run()
    assert (piece.judgement.verdict, gate.ended_after) == (Verdict.PASS, 0.0)
    assert piece.judgement.reason == "PASS analysis is skipped: closes a hole"
    assert (gate.world.router.written, gate.world.workload.probes) == ([], 0)


def test_a_gate_that_observes_never_writes_whatever_it_measures() -> None:
    gate = Gate(at_ten_percent(), spec=make_spec(mode=Mode.OBSERVE))
    gate.world.provider.bad_share = 0.5
    gate.world.workload.probe_fault = "HTTP 500"
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.PASS
    assert "would have stopped: FAIL" in piece.judgement.reason
    assert (gate.world.router.written, piece.stop) == ([], None)


def test_a_gate_that_observes_does_not_stop_for_a_silent_source() -> None:
    gate = Gate(at_ten_percent(), spec=make_spec(mode=Mode.OBSERVE))
    gate.world.provider.answer = never
    assert gate.run().judgement.verdict is Verdict.PASS
    assert gate.world.router.written == []


def test_a_gate_that_guards_no_traffic_only_judges() -> None:
    gate = Gate(World(), guards=False)
    gate.world.provider.bad_share = 0.5
    piece = gate.run()
    assert (piece.judgement.verdict, piece.stop) == (Verdict.FAIL, None)
    assert gate.notebook.pieces[-1] == piece

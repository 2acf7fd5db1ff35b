"""When a gate puts the traffic back, and how, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from gates import AWAY, MINE, Gate, at_ten_percent, is_safe, never
from in_memory import make_spec, open_split
from virtual_time import EPOCH, run_virtual

from airflow_rollout.analysis.parameters import Semantics
from airflow_rollout.analysis.readings import NoData, Reading
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.spec.model import RolloutSpec


def native(spec: RolloutSpec) -> RolloutSpec:
    """Return the spec under native rules, where silence fails no check but holds the step."""
    return replace(spec, judge=replace(spec.judge, semantics=Semantics.NATIVE))


def test_a_bad_version_is_put_back_by_the_gate_itself_within_seconds() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.bad_share = 0.5
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert piece.judgement.reason.startswith("FAIL request-success-rate after")
    assert gate.ended_after < 6.0
    assert is_safe(gate.world)
    assert gate.world.router.split is not None
    assert gate.world.router.split.reason == piece.judgement.reason
    stop = piece.stop
    assert stop is not None
    assert stop.decided_at == stop.written_at == stop.seen_at == EPOCH + gate.ended_after
    assert (stop.tries, stop.error) == (1, "")
    assert gate.notebook.pieces[-1] == piece, "the last word holds how the traffic went back"


def test_two_failed_probes_in_a_row_stop_the_release_whatever_the_metrics_say() -> None:
    gate = Gate(at_ten_percent())
    gate.later[3.5] = lambda: setattr(gate.world.workload, "probe_fault", "connection refused")
    piece = gate.run()
    assert "failed 2 health probes in a row, the last: connection refused" in piece.judgement.reason
    assert gate.ended_after == pytest.approx(5.0, abs=0.2)
    assert is_safe(gate.world)


def test_a_fatal_probe_stops_the_release_at_once() -> None:
    gate = Gate(at_ten_percent())
    gate.world.workload.fatal = True
    gate.later[3.5] = lambda: setattr(gate.world.workload, "probe_fault", "no endpoint left")
    assert "the canary cannot serve: no endpoint left" in gate.run().judgement.reason
    assert gate.ended_after == pytest.approx(4.0, abs=0.2)


def test_no_data_is_never_a_success() -> None:
    async def empty(query: MetricQuery, window: Window) -> Reading:
        return NoData(at=window.end, reason="no series")

    gate = Gate(at_ten_percent())
    gate.world.provider.answer = empty
    piece = gate.run()
    assert piece.judgement.verdict is Verdict.FAIL
    assert "2 of 2 checks failed" in piece.judgement.reason
    assert gate.ended_after == pytest.approx(20.0, abs=0.5)
    assert is_safe(gate.world)


@pytest.mark.parametrize(
    "error",
    [TransientAdapterError("503", system="metrics"), PermanentAdapterError("401", system="metrics"),
     ValueError("a bug of the adapter")],
    ids=["transient", "permanent", "bug"],
)  # fmt: skip
def test_a_source_that_fails_is_asked_on_and_never_counts_as_success(error: Exception) -> None:
    async def failing(query: MetricQuery, window: Window) -> Reading:
        raise error

    gate = Gate(at_ten_percent())
    gate.world.provider.answer = failing
    assert gate.run().judgement.verdict is Verdict.FAIL
    assert gate.ended_after == pytest.approx(20.0, abs=0.5)
    assert len(gate.world.provider.reads) >= 20
    assert is_safe(gate.world)


def test_silence_does_not_hold_up_the_probes() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.answer = never
    gate.later[2.5] = lambda: setattr(gate.world.workload, "probe_fault", "HTTP 502")
    assert "health probes in a row" in gate.run().judgement.reason
    assert gate.ended_after == pytest.approx(4.0, abs=0.2)


def test_silence_does_not_hold_up_the_look_at_the_split() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.answer = never
    gate.later[3.0] = lambda: gate.world.router.change(weight=100)
    assert "FAIL split: the weight is 100 %" in gate.run().judgement.reason
    assert gate.ended_after == pytest.approx(4.0, abs=0.5)
    assert is_safe(gate.world)


def test_silence_does_not_hold_up_the_deadline() -> None:
    gate = Gate(at_ten_percent(), spec=native(make_spec()))
    gate.world.provider.answer = never
    piece = gate.run()
    assert (piece.judgement.verdict, piece.judgement.ends) == (Verdict.NO_DATA, True)
    assert gate.ended_after == pytest.approx(50.0, abs=0.6)
    assert is_safe(gate.world)


def test_an_abort_that_fails_for_all_of_its_time_is_reported() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.bad_share = 0.5
    gate.world.router.write_fault = PermanentAdapterError("read-only", system="router")
    piece = gate.run()
    stop = piece.stop
    assert stop is not None
    assert (stop.written_at, stop.seen_at, stop.error) == (None, None, "router: read-only")
    assert stop.tries > 3
    assert gate.ended_after <= stop.decided_at - EPOCH + 5.0
    assert piece.judgement.verdict is Verdict.FAIL
    assert gate.notebook.pieces[-1] == piece
    assert any("could not put the traffic back yet" in line for line in gate.notebook.lines)


def test_an_abort_is_repeated_until_the_router_takes_it() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.bad_share = 0.5
    gate.world.router.write_fault = AWAY
    gate.later[4.0] = lambda: setattr(gate.world.router, "write_fault", None)
    stop = gate.run().stop
    assert stop is not None
    assert (stop.error, stop.tries > 1) == ("", True)
    assert is_safe(gate.world)


def test_a_weight_zero_that_is_written_but_not_seen_is_told_apart() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.bad_share = 0.5
    gate.later[1.0] = lambda: setattr(gate.world.router, "data_plane", 10)
    stop = gate.run().stop
    assert stop is not None
    assert (stop.written_at is not None, stop.seen_at) == (True, None)
    assert stop.error == "router: the record says 0 %, the data plane shows 10 %"


@pytest.mark.parametrize("times", [1, 3])
def test_a_gate_that_is_cancelled_in_the_middle_of_its_write_still_finishes_it(times: int) -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.bad_share = 0.5
    gate.world.router.write_seconds = 2.0
    decided = asyncio.Event()
    gate.notebook.say = lambda text: decided.set() if text.startswith("FAIL") else None  # type: ignore[method-assign]

    async def cancelled_while_writing() -> None:
        running = asyncio.create_task(gate.judge())
        await decided.wait()
        assert gate.world.router.written == []
        for _ in range(times):
            running.cancel()
            await asyncio.sleep(0.1)
        await asyncio.wait({running})
        assert running.cancelled()

    run_virtual(cancelled_while_writing())
    assert is_safe(gate.world)


def test_a_gate_that_is_cancelled_while_it_judges_leaves_the_traffic_alone() -> None:
    gate = Gate(at_ten_percent())
    gate.run_until(6.0)
    assert gate.world.router.split == open_split(MINE, weight=10)

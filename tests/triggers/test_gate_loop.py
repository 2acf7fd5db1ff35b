"""The loop of a gate, from its start to its last word, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from gates import MINE, OTHER, Gate, MemoryNotebook, at_ten_percent, started
from in_memory import CANARY, MemoryRouter, World, make_spec, open_split
from virtual_time import EPOCH, run_virtual

from airflow_rollout.analysis.parameters import Mode, Semantics
from airflow_rollout.analysis.readings import NoData, Reading
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.release import Arm, ReleaseState, TrafficSplit
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.gate_loop import read_window

AWAY = TransientAdapterError("timed out", system="router")


async def never(query: MetricQuery, window: Window) -> Reading:
    """Be a source that takes the question and never answers."""
    await asyncio.Event().wait()
    raise AssertionError


def native(spec: RolloutSpec) -> RolloutSpec:
    """Return the spec under native rules, where silence fails no check but holds the step."""
    return replace(spec, judge=replace(spec.judge, semantics=Semantics.NATIVE))


def is_safe(world: World) -> bool:
    split = world.router.split
    assert split is not None
    return split.weight == 0 and split.state is ReleaseState.SEALED


# --- pass ---


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


def test_the_first_version_of_a_service_passes_at_once_and_asks_nothing() -> None:
    gate = Gate(at_ten_percent(), start=started(first=True))
    piece = gate.run()
    assert (piece.judgement.verdict, gate.ended_after) == (Verdict.PASS, 0.0)
    assert "first version of this service" in piece.judgement.reason
    assert (gate.world.provider.reads, gate.world.workload.probes) == ([], 0)


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


# --- stop ---


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


# --- a source that never answers holds nothing up ---


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
    assert gate.ended_after == pytest.approx(5.0, abs=0.5)
    assert is_safe(gate.world)


def test_silence_does_not_hold_up_the_deadline() -> None:
    gate = Gate(at_ten_percent(), spec=native(make_spec()))
    gate.world.provider.answer = never
    piece = gate.run()
    assert (piece.judgement.verdict, piece.judgement.ends) == (Verdict.NO_DATA, True)
    assert gate.ended_after == pytest.approx(50.0, abs=0.6)
    assert is_safe(gate.world)


# --- a split that is not the gate's own any more ---


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
    assert 10.0 < gate.ended_after <= 15.5, "it gets its grace first"


def test_a_data_plane_that_lags_is_waited_for() -> None:
    gate = Gate(at_ten_percent())
    gate.world.router.data_plane = 0
    gate.later[8.0] = lambda: setattr(gate.world.router, "data_plane", None)
    assert gate.run().judgement.verdict is Verdict.PASS


# --- the way back fails or is interrupted ---


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
    gate.later[5.0] = lambda: setattr(gate.world.router, "write_fault", None)
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


# --- what is saved ---


@pytest.mark.parametrize("bad_share", [0.0, 0.5])
@pytest.mark.parametrize(
    "notebook",
    [MemoryNotebook(fault=RuntimeError("no answer")), MemoryNotebook(hangs=True)],
    ids=["raises", "hangs"],
)
def test_saving_that_fails_changes_nothing(notebook: MemoryNotebook, bad_share: float) -> None:
    plain = Gate(at_ten_percent())
    troubled = Gate(at_ten_percent(), notebook=replace(notebook, lines=[]))
    for gate in (plain, troubled):
        gate.world.provider.bad_share = bad_share
    expected, found = plain.run(), troubled.run()
    assert found == expected
    assert troubled.world.router.written == plain.world.router.written
    assert any(
        "could not save" in line or "took no record" in line for line in troubled.notebook.lines
    )


def test_state_is_saved_soon_then_every_five_seconds_and_with_the_verdict() -> None:
    gate = Gate(at_ten_percent(), spec=make_spec(interval_seconds=22.0))
    gate.run()
    times = [checkpoint.at - EPOCH for checkpoint in gate.notebook.checkpoints]
    assert times[0] <= 2.0
    pauses = [after - before for before, after in pairwise(times[:-1])]
    assert min(pauses) >= 5.0
    assert max(pauses) <= 6.5
    assert times[-1] == pytest.approx(gate.ended_after)


@pytest.mark.parametrize("broken_off", [3.3, 6.3, 9.9])
def test_a_gate_that_goes_on_from_its_checkpoint_counts_everything_once(broken_off: float) -> None:
    first = Gate(at_ten_percent())
    first.run_until(broken_off)
    world = first.world
    world.closed = False
    piece = Gate(world, state=first.notebook.checkpoints[-1].state).run(second=broken_off + 2.0)
    assert piece.judgement.verdict is Verdict.PASS
    counted = piece.judgement.metrics[0]
    totals = [
        world.provider.counters(read.end).canary[0].points[0].requests
        for read in world.provider.reads[-2:]
    ]
    assert counted.canary_requests in totals, "everything since the write, nothing twice"


def test_a_gate_that_starts_when_its_check_is_due_measures_before_it_passes() -> None:
    first = Gate(at_ten_percent())
    first.run_until(9.9)
    first.world.closed = False
    first.world.provider.bad_share = 0.5  # went bad while no triggerer had the gate
    gate = Gate(first.world, state=first.notebook.checkpoints[-1].state)
    assert gate.run(second=40.0).judgement.verdict is Verdict.FAIL
    assert is_safe(first.world)


def test_a_gate_that_starts_when_its_check_is_due_does_not_pass_on_old_numbers() -> None:
    first = Gate(at_ten_percent())
    first.run_until(9.9)
    first.world.closed = False
    first.world.provider.answer = never
    gate = Gate(first.world, state=first.notebook.checkpoints[-1].state)
    piece = gate.run(second=20.0)
    assert piece.judgement.verdict is Verdict.FAIL
    assert "the metric source has not answered this gate" in piece.judgement.reason
    assert gate.ended_after == pytest.approx(50.0, abs=0.6), "its deadline"
    assert is_safe(first.world)


def test_evidence_of_the_gate_before_is_kept() -> None:
    before = Gate(at_ten_percent(), spec=make_spec(failure_limit=5, comparison=False))
    before.world.provider.bad_share = 0.5
    before.run_until(25.0)
    state = before.notebook.checkpoints[-1].state
    assert state["release"]["failed_checks"] == 2

    world = World(router=MemoryRouter(open_split(MINE, weight=50)))
    world.provider.bad_share = 0.5
    gate = Gate(
        world,
        spec=before.spec,
        start=started(step_id="step_02", weight=50),
        state=state,
    )
    piece = gate.run()
    assert "5 of 5 checks failed" in piece.judgement.reason
    assert gate.ended_after == pytest.approx(30.0, abs=0.5), "three more, not five"


def test_a_read_looks_back_to_the_last_answer_but_never_before_the_release() -> None:
    assert read_window(100.0, 120.0, 125.0) == Window(start=100.0, end=125.0)
    assert read_window(100.0, 500.0, 505.0) == Window(start=440.0, end=505.0)


def test_every_read_of_a_gate_ends_now_and_starts_after_the_release_was_opened() -> None:
    gate = Gate(at_ten_percent())
    gate.run()
    reads = gate.world.provider.reads
    assert len(reads) == pytest.approx(10, abs=1), "once a second"
    assert all(window.start >= EPOCH - 5 for window in reads)
    assert [window.end for window in reads] == sorted(window.end for window in reads)


def test_the_canary_that_is_probed_is_the_releases() -> None:
    gate = Gate(at_ten_percent())
    probed: list[Arm] = []
    probe = gate.world.workload.probe

    async def remember(arm: Arm, at: float, send: object) -> object:
        probed.append(arm)
        return await probe(arm, at, send)  # type: ignore[arg-type]

    gate.world.workload.probe = remember  # type: ignore[method-assign,assignment]
    gate.run()
    assert set(probed) == {CANARY}

"""What a gate saves, and how another one goes on from it, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from gates import MINE, Gate, MemoryNotebook, at_ten_percent, is_safe, never, started
from in_memory import CANARY, STABLE, MemoryRouter, World, make_spec, open_split
from virtual_time import EPOCH

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.metrics.base import Window
from airflow_rollout.release import Arm
from airflow_rollout.triggers.pace import read_window


@pytest.mark.parametrize("bad_share", [0.0, 0.5])
@pytest.mark.parametrize(
    "notebook",
    [MemoryNotebook(fault=RuntimeError("no answer")), MemoryNotebook(hangs=True)],
    ids=["raises", "hangs"],
)
def test_saving_that_fails_changes_nothing(notebook: MemoryNotebook, bad_share: float) -> None:
    # No answer falls on a tick of the judge's: what comes first then is the event loop's affair.
    spec = make_spec(every_seconds=1.3)
    plain = Gate(at_ten_percent(), spec=spec)
    troubled = Gate(at_ten_percent(), spec=spec, notebook=replace(notebook, lines=[]))
    for gate in (plain, troubled):
        gate.world.provider.bad_share = bad_share
    expected, found = plain.run(), troubled.run()
    assert found == expected
    assert troubled.world.router.written == plain.world.router.written
    assert any(
        "could not save" in line or "took no record" in line for line in troubled.notebook.lines
    )


def test_nothing_is_saved_over_the_last_word() -> None:
    gate = Gate(at_ten_percent())
    gate.world.provider.bad_share = 0.5
    gate.world.router.write_seconds = 9.0  # long enough for everything that is saved in between
    piece = gate.run()
    ended = [it.judgement.ends for it in gate.notebook.pieces]
    assert False in ended, "something was saved before"
    assert ended == sorted(ended), "and nothing but the end after the end"
    assert gate.notebook.pieces[-1] == piece


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
    assert read_window(100.0, 120.0, 125.0) == Window(start=100.0, end=125.0, earliest=100.0)
    assert read_window(100.0, 500.0, 505.0) == Window(start=440.0, end=505.0, earliest=100.0)


def test_every_read_of_a_gate_ends_now_and_starts_after_the_release_was_opened() -> None:
    gate = Gate(at_ten_percent())
    gate.run()
    reads = gate.world.provider.reads
    assert len(reads) == pytest.approx(11, abs=1), "at once, then once a second"
    assert all(window.start >= EPOCH - 5 for window in reads)
    assert [window.end for window in reads] == sorted(window.end for window in reads)


def test_the_versions_that_are_probed_are_the_releases() -> None:
    gate = Gate(at_ten_percent())
    probed: list[Arm] = []
    probe = gate.world.workload.probe

    async def remember(arm: Arm, at: float, send: object) -> object:
        probed.append(arm)
        return await probe(arm, at, send)  # type: ignore[arg-type]

    gate.world.workload.probe = remember  # type: ignore[method-assign,assignment]
    gate.run()
    assert set(probed) == {CANARY, STABLE}


def test_a_gate_keeps_what_each_metric_was_last_read_from() -> None:
    gate = Gate(at_ten_percent())
    piece = gate.run()
    (answer,) = piece.answers
    assert answer.metric == gate.spec.judge.metrics[0].name
    assert answer.end == gate.world.provider.reads[-1].end
    assert answer.text.startswith("counts of ")
    held = [saved for saved in gate.notebook.pieces if not saved.judgement.ends]
    assert all(saved.answers for saved in held)
    assert gate.notebook.pieces[-1].answers == piece.answers


def test_what_came_in_while_the_end_was_saved_is_no_part_of_the_verdict() -> None:
    gate = Gate(at_ten_percent(), notebook=MemoryNotebook(hangs=True))
    piece = gate.run()
    assert gate.ended_after > 20.0, "it was held up"
    assert piece.answers[0].end <= piece.judgement.at

"""What a gate saw, for the charts: whole while it is short, never without its extremes."""

from __future__ import annotations

import random

import pytest
from gates import Gate, at_ten_percent
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.analysis.verdict import Judgement, MetricFinding, Verdict
from airflow_rollout.triggers.series import MAX_ROWS, PART_ROWS, Series, thinned


def series(every_seconds: float = 1.0) -> Series:
    return Series(
        epoch="e", step_id="step_01", start=1000.0, metrics=("errors", "latency"),
        every_seconds=every_seconds,
    )  # fmt: skip


def judged(at: float, value: float, *, evidence: float = 1.0, ends: bool = False) -> Judgement:
    finding = MetricFinding(
        name="errors", verdict=Verdict.PASS, sentence="", canary_value=value, stable_value=0.01,
        evidence=evidence,
    )  # fmt: skip
    return Judgement(
        at=at, verdict=Verdict.INCONCLUSIVE, ends=ends, reason="", metrics=(finding,),
        evidence=evidence,
    )  # fmt: skip


def test_a_row_holds_every_metric_and_none_where_nothing_was_measured() -> None:
    one = series()
    one.note(judged(1002.5, 0.123456789, evidence=3.0))
    ((number, piece),) = one.unsaved()
    assert number == 0
    assert piece.rows == ((2.5, 3.0, 0.123457, 0.01, 3.0, None, None, None),)


def test_more_is_not_kept_than_the_source_resolves_but_the_last_word_is() -> None:
    one = series(every_seconds=1.0)
    for quarter in range(14):
        one.note(judged(1000 + quarter / 4, 0.0, ends=quarter == 13))
    ((_, piece),) = one.unsaved()
    times = [row[0] for row in piece.rows]
    assert times == [0.0, 1.0, 2.0, 3.0, 3.25]


def test_only_the_part_that_grew_is_saved_again() -> None:
    one = series()
    for second in range(PART_ROWS + 5):
        one.note(judged(1000 + second, 0.0))
    assert [number for number, _ in one.unsaved()] == [0, 1]
    assert list(one.unsaved()) == []
    one.note(judged(1000 + PART_ROWS + 6, 0.0))
    ((number, piece),) = one.unsaved()
    assert (number, len(piece.rows)) == (1, 6)


def test_a_gate_of_six_hours_stays_small_and_keeps_its_one_bad_second() -> None:
    one, saved = series(), {}
    for second in range(6 * 3600):
        one.note(judged(1000 + second, 0.9 if second == 7777 else 0.001))
        if second % 5 == 0:
            saved.update(one.unsaved())
    rows = [row for number in sorted(saved) for row in saved[number].rows]
    assert len(rows) <= MAX_ROWS
    assert max(row[2] or 0 for row in rows) == 0.9
    assert all(len(piece.rows) <= PART_ROWS for piece in saved.values())


@given(st.lists(st.tuples(st.none() | st.floats(0, 1), st.none() | st.floats(0, 1)), max_size=60))
def test_thinning_keeps_the_extremes_and_the_order(values: list[tuple[float | None, ...]]) -> None:
    rows = [(float(second), *pair) for second, pair in enumerate(values)]
    thin = thinned(rows)
    assert len(thin) <= len(rows) // 2 + 3
    assert [row[0] for row in thin] == sorted(row[0] for row in thin if row[0] is not None)
    for column in (1, 2):
        known = [row[column] for row in rows if row[column] is not None]
        kept = [row[column] for row in thin if row[column] is not None]
        assert (min(known, default=None), max(known, default=None)) == (
            min(kept, default=None), max(kept, default=None),
        )  # fmt: skip


def test_it_is_known_since_when_the_evidence_spoke_against_the_canary() -> None:
    one = series()
    for second, evidence in enumerate((1.0, 1.2, 0.9, 1.1, 5.0, 120.0)):
        one.note(judged(1000 + second, 0.0, evidence=evidence))
    assert one.bad_since == 1003
    one.note(judged(1009, 0.0, evidence=random.Random(1).random()))
    assert one.bad_since is None


def test_a_gate_leaves_what_it_saw_beside_its_verdict() -> None:
    gate = Gate(at_ten_percent())
    piece = gate.run()
    rows = [
        row for number in sorted(gate.notebook.series) for row in gate.notebook.series[number].rows
    ]
    assert rows, "a gate that judged has seen something"
    assert rows[-1][0] == pytest.approx(
        piece.judgement.at - gate.notebook.series[0].start, abs=0.01
    )
    assert len(rows) > 10


def test_an_airflow_that_takes_nothing_keeps_no_gate_from_its_verdict() -> None:
    gate = Gate(at_ten_percent())
    expected = gate.run()
    silent = Gate(at_ten_percent())
    silent.notebook.fault = RuntimeError("the database is away")
    assert silent.run().judgement.verdict == expected.judgement.verdict
    assert silent.ended_after == pytest.approx(gate.ended_after, abs=0.1)
    assert not silent.notebook.series

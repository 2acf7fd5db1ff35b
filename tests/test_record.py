"""The record of a release, assembled from what its tasks left."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_rollout.analysis.verdict import Judgement, MetricFinding, Verdict
from airflow_rollout.record import (
    SCHEMA,
    Attempt,
    Checkpoint,
    End,
    Event,
    GatePiece,
    Key,
    ReleaseRecord,
    StepStart,
    Stop,
    assemble,
    events_piece,
    from_piece,
    stopping_verdict,
    to_piece,
)
from airflow_rollout.release import Arm, Outcome, Token

OPENED = 1000.0
ATTEMPT = Attempt(
    token=Token(epoch="now", owner="shop/run", digest="d"),
    canary=Arm(version="v2", target="http://127.0.0.1:2"),
    stable=Arm(version="v1", target="http://127.0.0.1:1"),
    opened_at=OPENED,
)
EARLIER = replace(
    ATTEMPT, token=replace(ATTEMPT.token, epoch="before"), opened_at=OPENED - 600
)  # fmt: skip

Values = dict[str, dict[str, Any]]


def judged(verdict: Verdict, reason: str, *, ends: bool = True) -> Judgement:
    return Judgement(at=OPENED + 60, verdict=verdict, ends=ends, reason=reason)


def gate(
    step: int,
    judgement: Judgement,
    *,
    attempt: Attempt = ATTEMPT,
    stop: Stop | None = None,
) -> GatePiece:
    return GatePiece(
        epoch=attempt.token.epoch,
        step_id=f"step_{step:02d}",
        weight=step * 10,
        written_at=attempt.opened_at + step * 60,
        hold_seconds=60.0,
        judgement=judgement,
        stop=stop,
    )


def start(step: int, *, attempt: Attempt = ATTEMPT) -> StepStart:
    return StepStart(
        attempt=attempt,
        step_id=f"step_{step:02d}",
        weight=step * 10,
        written_at=attempt.opened_at + step * 60,
        release_started_at=attempt.opened_at + 60,
    )


def line(at: float, text: str, *, task: str = "prepare", epoch: str = "now") -> Event:
    return Event(at=at, task=task, text=text, epoch=epoch)


def end(outcome: Outcome, at: float, *, reason: str = "", epoch: str = "now") -> dict[str, Any]:
    piece = End(epoch=epoch, outcome=outcome, reason=reason or outcome.value, at=at)
    return {Key.END: to_piece(piece)}


def record_of(pieces: Values) -> ReleaseRecord:
    record = assemble(pieces, dag_id="shop", run_id="run")
    assert record is not None
    return record


def opened(**more: dict[str, Any]) -> Values:
    return {"prepare": {Key.ATTEMPT: to_piece(ATTEMPT)}, **more}


def test_nothing_said_is_no_record() -> None:
    assert assemble({}, dag_id="shop", run_id="run") is None
    assert assemble({"prepare": {}}, dag_id="shop", run_id="run") is None


def test_a_promoted_release_is_told_in_order_from_the_pieces_of_its_tasks() -> None:
    passed = [gate(step, judged(Verdict.PASS, f"PASS {step}")) for step in (1, 2)]
    pieces = {
        # In the order in which a database may give them.
        "promotion": {
            Key.EVENTS: events_piece([line(1300, "v2 is stable", task="promotion")]),
            **end(Outcome.PROMOTED, 1300, reason="promoted: v2"),
        },
        "step_02.gate": {Key.GATE: to_piece(passed[1])},
        "step_01.gate": {Key.GATE: to_piece(passed[0])},
        "step_01.promote": {Key.STEP: to_piece(start(1))},
        "prepare": {
            Key.ATTEMPT: to_piece(ATTEMPT),
            Key.EVENTS: events_piece([line(1002, "second"), line(1001, "first")]),
        },
    }
    record = record_of(pieces)
    assert record == ReleaseRecord(
        schema=SCHEMA, dag_id="shop", run_id="run",
        version="v2", target="http://127.0.0.1:2", stable="v1",
        outcome=Outcome.PROMOTED, reason="promoted: v2", weight=100,
        started_at=OPENED, ended_at=1300, gates=passed,
        timeline=[
            line(1001, "first"), line(1002, "second"), line(1300, "v2 is stable", task="promotion"),
        ],
    )  # fmt: skip
    assert stopping_verdict(record.gates) is None


def test_a_running_release_shows_its_last_judgement_and_weight() -> None:
    holding = gate(2, judged(Verdict.INCONCLUSIVE, "INCONCLUSIVE so far", ends=False))
    record = record_of(
        opened(
            **{
                "step_01.promote": {Key.STEP: to_piece(start(1))},
                "step_01.gate": {Key.GATE: to_piece(gate(1, judged(Verdict.PASS, "PASS")))},
                "step_02.promote": {Key.STEP: to_piece(start(2))},
                "step_02.gate": {Key.GATE: to_piece(holding)},
            }
        )
    )
    assert (record.outcome, record.reason, record.weight) == (None, "INCONCLUSIVE so far", 20)
    assert record.ended_at is None


def test_a_release_whose_gate_put_the_traffic_back_has_weight_zero_before_it_has_ended() -> None:
    stop = Stop(decided_at=1060, written_at=1060.1)
    failed = gate(1, judged(Verdict.FAIL, "FAIL errors"), stop=stop)
    pieces = opened(
        **{
            "step_01.promote": {Key.STEP: to_piece(start(1))},
            "step_01.gate": {Key.GATE: to_piece(failed)},
        }
    )
    record = record_of(pieces)
    assert (record.outcome, record.weight, record.reason) == (None, 0, "FAIL errors")
    assert stopping_verdict(record.gates) == failed


def test_a_gate_that_could_not_put_the_traffic_back_leaves_the_weight_as_it_is() -> None:
    stop = Stop(decided_at=1060, error="router: timed out")
    failed = gate(1, judged(Verdict.FAIL, "FAIL errors"), stop=stop)
    pieces = opened(
        **{
            "step_01.promote": {Key.STEP: to_piece(start(1))},
            "step_01.gate": {Key.GATE: to_piece(failed)},
        }
    )
    assert record_of(pieces).weight == 10
    pieces["rollback"] = end(Outcome.FAILED_TO_ROLL_BACK, 1100, epoch="")
    assert record_of(pieces).weight == 10, "nobody knows that it is anything else"


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR, Verdict.NO_DATA])
def test_every_end_but_a_pass_is_a_stopping_verdict(verdict: Verdict) -> None:
    stopped = gate(2, judged(verdict, "it ended"))
    assert stopping_verdict([gate(1, judged(Verdict.PASS, "PASS")), stopped]) == stopped
    holding = gate(2, judged(verdict, "so far", ends=False))
    assert stopping_verdict([holding]) is None


# --- a cleared run: pieces of an earlier attempt are still there ---


def test_pieces_of_an_earlier_attempt_are_left_out() -> None:
    stop = Stop(decided_at=900, written_at=900.1)
    record = record_of(
        opened(
            **{
                "step_01.gate": {
                    Key.GATE: to_piece(
                        gate(1, judged(Verdict.FAIL, "FAIL before"), attempt=EARLIER, stop=stop)
                    ),
                    Key.EVENTS: events_piece([line(900, "FAIL before", epoch="before")]),
                },
                "step_02.promote": {Key.STEP: to_piece(start(5, attempt=EARLIER))},
                "rollback": end(Outcome.ROLLED_BACK, 950, epoch="before"),
                "step_01.promote": {Key.STEP: to_piece(start(1))},
            }
        )
    )
    assert (record.gates, record.timeline, record.outcome, record.weight) == ([], [], None, 10)


def test_an_end_without_epoch_is_of_the_attempt_it_follows() -> None:
    # The first attempt was refused before it opened anything; the second was promoted, so that
    # rollback was skipped and its old end is still there.
    pieces = opened(
        rollback={
            Key.EVENTS: events_piece([line(OPENED - 1, "nothing to put back", epoch="")]),
            **end(Outcome.ROLLED_BACK, OPENED - 1, reason="prepare: refused", epoch=""),
        },
        promotion=end(Outcome.PROMOTED, OPENED + 300),
    )
    record = record_of(pieces)
    assert (record.outcome, record.timeline) == (Outcome.PROMOTED, [])

    pieces["rollback"] = end(Outcome.ROLLED_BACK, OPENED + 1, epoch="")
    pieces["promotion"] = {}
    assert record_of(pieces).outcome is Outcome.ROLLED_BACK


def test_an_attempt_that_opened_nothing_has_no_gates_of_the_one_before() -> None:
    failed = gate(1, judged(Verdict.FAIL, "FAIL before"), attempt=EARLIER)
    record = record_of(
        {
            "prepare": {Key.EVENTS: events_piece([line(OPENED, "refused: busy", epoch="")])},
            "step_01.gate": {Key.GATE: to_piece(failed)},
            "step_01.promote": {Key.STEP: to_piece(start(1, attempt=EARLIER))},
            "rollback": end(Outcome.ROLLED_BACK, OPENED + 1, reason="prepare: busy", epoch=""),
        }
    )
    assert record.gates == []
    assert (record.outcome, record.reason) == (Outcome.ROLLED_BACK, "prepare: busy")
    assert (record.version, record.weight, record.started_at) == ("", 0, None)


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, None, "1"])
def test_pieces_of_another_schema_are_left_out(schema: object) -> None:
    failed = {**to_piece(gate(1, judged(Verdict.FAIL, "FAIL"))), "schema": schema}
    lines = {**events_piece([line(1001, "from elsewhere")]), "schema": schema}
    record = record_of(opened(gate={Key.GATE: failed, Key.EVENTS: lines}))
    assert (record.gates, record.timeline) == ([], [])


@pytest.mark.parametrize(
    "piece",
    [
        None, "text", 7, [], {}, {"schema": SCHEMA}, {"schema": SCHEMA, "events": 7},
        {"schema": SCHEMA, "events": [7]}, {"schema": SCHEMA, "events": [{"at": "noon"}]},
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_be_read_is_left_out_whatever_it_is(piece: object) -> None:
    pieces = opened(other={key.value: piece for key in Key if key is not Key.ATTEMPT})
    record = record_of(pieces)
    assert (record.gates, record.timeline, record.outcome) == ([], [], None)


# --- several ends ---

_FAILED, _BACK = Outcome.FAILED_TO_ROLL_BACK, Outcome.ROLLED_BACK


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        pytest.param([(_BACK, 1), (Outcome.ABORTED, 2)], _BACK, id="a later one only confirms"),
        pytest.param([(_FAILED, 2)], _FAILED, id="failed to roll back"),
        pytest.param([(_BACK, 1), (_FAILED, 2)], _FAILED, id="failure outweighs what came before"),
        pytest.param(
            [(_FAILED, 1), (Outcome.ABORTED, 2)], Outcome.ABORTED, id="the teardown mended it"
        ),
        pytest.param(
            [(Outcome.PROMOTED, 1), (_BACK, 2)], Outcome.PROMOTED, id="promoted stays promoted"
        ),
    ],
)
def test_several_ends_make_one_outcome(ends: list[tuple[Outcome, int]], outcome: Outcome) -> None:
    pieces = opened(
        **{f"task_{i}": end(kind, OPENED + at) for i, (kind, at) in enumerate(reversed(ends))}
    )
    assert record_of(pieces).outcome is outcome


# --- pieces are plain JSON ---

_texts = st.text(max_size=20)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_counts = st.integers(min_value=0, max_value=2**53)
_arms = st.builds(Arm, version=_texts, target=_texts)
_attempts = st.builds(
    Attempt,
    token=st.builds(Token, epoch=_texts, owner=_texts, digest=_texts),
    canary=_arms,
    stable=st.none() | _arms,
    opened_at=_numbers,
    interval_seconds=st.none() | _numbers,
    dispersion=st.none() | _numbers,
)
_findings = st.builds(
    MetricFinding,
    name=_texts, verdict=st.sampled_from(Verdict), sentence=_texts,
    canary_requests=_counts, canary_bad=_counts, stable_requests=_counts, stable_bad=_counts,
    canary_value=st.none() | _numbers, stable_value=st.none() | _numbers, unit=_texts,
    evidence=st.none() | _numbers, observed_only=st.booleans(),
)  # fmt: skip
_judgements = st.builds(
    Judgement,
    at=_numbers, verdict=st.sampled_from(Verdict), ends=st.booleans(), reason=_texts,
    metrics=st.lists(_findings, max_size=3).map(tuple), evidence=_numbers, limit=_numbers,
)  # fmt: skip
_stops = st.builds(
    Stop,
    decided_at=_numbers, written_at=st.none() | _numbers, seen_at=st.none() | _numbers,
    tries=_counts, error=_texts,
)  # fmt: skip
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_states = st.dictionaries(_texts, _values, max_size=3)
_pieces = st.one_of(
    _attempts,
    st.builds(
        StepStart,
        attempt=_attempts, step_id=_texts, weight=_counts, written_at=_numbers,
        release_started_at=_numbers, state=st.none() | _states, first=st.booleans(),
    ),
    st.builds(Checkpoint, epoch=_texts, step_id=_texts, at=_numbers, state=_states),
    st.builds(
        GatePiece,
        epoch=_texts, step_id=_texts, weight=_counts, written_at=_numbers, hold_seconds=_numbers,
        judgement=_judgements, stop=st.none() | _stops,
    ),
    st.builds(End, epoch=_texts, outcome=st.sampled_from(Outcome), reason=_texts, at=_numbers),
    st.builds(Event, at=_numbers, task=_texts, text=_texts, epoch=_texts),
)  # fmt: skip


def _is_plain(value: object) -> bool:
    """Say whether a value is JSON as it stands; Airflow would wrap anything else."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(_is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


@settings(max_examples=150, deadline=None)
@given(_pieces)
def test_a_piece_is_plain_json_and_comes_back_as_it_was(piece: Any) -> None:
    data = to_piece(piece)
    assert _is_plain(data)
    assert data["schema"] == SCHEMA
    assert from_piece(json.loads(json.dumps(data)), type(piece)) == piece


@settings(max_examples=50, deadline=None)
@given(st.lists(st.builds(Event, at=_numbers, task=_texts, text=_texts), max_size=4))
def test_lines_of_the_timeline_come_back_in_order_of_time(events: list[Event]) -> None:
    data = json.loads(json.dumps(events_piece(events)))
    assert _is_plain(data)
    record = assemble({"task": {"events": data}}, dag_id="shop", run_id="run")
    assert (record.timeline if record else []) == sorted(events, key=lambda event: event.at)


def test_a_record_is_plain_json() -> None:
    record = record_of(opened(gate={Key.GATE: to_piece(gate(1, judged(Verdict.FAIL, "FAIL")))}))
    data = record.to_builtins()
    assert _is_plain(data)
    assert data["gates"][0]["judgement"]["verdict"] == Verdict.FAIL.value

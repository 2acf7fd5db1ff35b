"""What a release leaves behind: the pieces its tasks push as XComs, and the record made of them.

Every task writes only its own piece, so nothing is ever rewritten by two. `assemble` turns the
pieces of a run into one `ReleaseRecord`; the command line, the page in the UI and the last task
of a run all read it through here.

Pieces of an earlier attempt of the same run are left out. Airflow forgets a task's XComs only when
the task starts anew on a worker: after a run was cleared, those of gates and of a skipped rollback
are still there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.release import Arm, Outcome, Token
from airflow_rollout.seen import Answer, Outline

__all__ = [
    "SCHEMA",
    "Attempt",
    "Checkpoint",
    "End",
    "Event",
    "GatePiece",
    "Key",
    "Pieces",
    "ReleaseRecord",
    "StepStart",
    "Stop",
    "assemble",
    "assemble_all",
    "events_piece",
    "find_end",
    "from_piece",
    "rollouts_of",
    "schema_fault",
    "stopping_verdict",
    "to_piece",
]

# Grows when a piece changes its shape; a piece of another schema is left out, never guessed.
SCHEMA = 1

Pieces = Mapping[str, Mapping[str, Any]]
"""task id -> XCom key -> value, as Airflow's API or the task context gives them."""


class Key(StrEnum):
    """XCom keys of the pieces."""

    ATTEMPT = "attempt"
    STEP = "step"
    GATE = "gate"
    CHECKPOINT = "checkpoint"
    EVENTS = "events"
    END = "end"
    RECORD = "record"
    OUTLINE = "outline"
    # The beginning of the keys of a gate's series: one for each part of them.
    SERIES = "series"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the timeline; `at` in epoch seconds, `epoch` of the attempt ("" = any)."""

    at: float
    task: str
    text: str
    epoch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Events:
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What `prepare` opened: the token, the arms and what this release overrides.

    `unjudged` is why nobody judges this release (`skip_analysis`), empty where it is judged.
    """

    token: Token
    canary: Arm
    stable: Arm | None
    opened_at: float
    interval_seconds: float | None = None
    dispersion: float | None = None
    unjudged: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStart:
    """What `promote` hands to its gate: when it wrote, and the judge fed with the last sample.

    `first` says that the service had no stable version: the canary has become it with this write,
    there is nothing to compare it with and nobody to fall back on.
    """

    attempt: Attempt
    step_id: str
    weight: int
    written_at: float
    release_started_at: float
    state: dict[str, Any] | None = None
    first: bool = False

    @property
    def unjudged(self) -> str:
        """Return why this step passes at once, empty where it is judged."""
        if self.first:
            return "first version of this service: nothing to compare it with"
        return f"analysis is skipped: {self.attempt.unjudged}" if self.attempt.unjudged else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The judge's state in a gate; the same gate goes on from it, or the next one."""

    epoch: str
    step_id: str
    at: float
    state: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How a gate put the traffic back, in epoch seconds.

    `written_at` is when the router's record was sealed, `seen_at` when the data plane was read
    back at weight 0; None where that was not reached (`error` says why) or cannot be read.
    """

    decided_at: float
    written_at: float | None = None
    seen_at: float | None = None
    tries: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePiece:
    """What a gate knows now; `judgement.ends` says that it is its last word."""

    epoch: str
    step_id: str
    weight: int
    written_at: float
    hold_seconds: float
    judgement: Judgement
    stop: Stop | None = None
    # Since when the evidence spoke against the canary without a break; None: it does not.
    bad_since: float | None = None
    # What each metric was last read from.
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt ended, from the task that ended it.

    `told` says that everybody who wanted to know has been told, or given up.
    """

    epoch: str
    outcome: Outcome
    reason: str
    at: float
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """One release: what happened, why, and with which numbers.

    `outcome` is None while the release runs. `reason` is the sentence a person reads first.
    """

    schema: int
    dag_id: str
    run_id: str
    version: str
    target: str
    stable: str
    outcome: Outcome | None
    reason: str
    weight: int
    started_at: float | None
    ended_at: float | None
    gates: list[GatePiece] = field(default_factory=list)
    timeline: list[Event] = field(default_factory=list)
    # The task group of the rollout, empty where the DAG is the rollout.
    group: str = ""
    outline: Outline | None = None

    def to_builtins(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return _plain(self)


T = TypeVar("T")


def to_piece(value: Any) -> dict[str, Any]:
    """Return a piece as JSON-ready values with its schema number."""
    return {"schema": SCHEMA, **_plain(value)}


def _plain(value: Any) -> dict[str, Any]:
    # Through JSON and back: Airflow would wrap a tuple in its own serialization.
    return msgspec.json.decode(msgspec.json.encode(value), type=dict[str, Any])


def events_piece(events: Iterable[Event]) -> dict[str, Any]:
    """Return a task's lines of the timeline as its piece."""
    return to_piece(_Events(events=tuple(events)))


def from_piece(data: object, kind: type[T]) -> T | None:
    """Read a piece back; None when there is none or it is of another schema or shape."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        return None
    try:
        return msgspec.convert({k: v for k, v in data.items() if k != "schema"}, kind)
    except msgspec.ValidationError:
        return None


def schema_fault(data: object) -> str:
    """Return what keeps this version from reading a piece; empty if nothing does, or it is none.

    Whoever goes on with what another task left asks this first: a release whose package was
    changed under it ends with that reason, not with that of a task that never ran.
    """
    schema = data.get("schema", SCHEMA) if isinstance(data, dict) else SCHEMA
    if schema == SCHEMA:
        return ""
    return (
        f"has schema {schema!r}, this version of airflow_rollout reads {SCHEMA}: "
        "the package was changed in mid-release"
    )


# The tasks of a rollout; what stands before is its task group.
_TASK = re.compile(
    r"(?:(?P<group>.+)\.)?(?:start|prepare|deploy|ready|step_(?:\d+|full)\.(?:promote|gate)"
    r"|promotion|released|rollback|ensure_safe)"
)


def rollouts_of(pieces: Pieces) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the pieces of each rollout of a run by its task group, "" where the DAG is it."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for task_id, values in pieces.items():
        match = _TASK.fullmatch(task_id)
        group = (match["group"] or "") if match else ""
        found.setdefault(group, {})[task_id] = values
    return dict(sorted(found.items()))


def assemble_all(pieces: Pieces, *, dag_id: str, run_id: str) -> list[ReleaseRecord]:
    """Make the record of each rollout of a run; a DAG may hold several task groups of them."""
    records = (
        assemble(of_group, dag_id=dag_id, run_id=run_id, group=group)
        for group, of_group in rollouts_of(pieces).items()
    )
    return [record for record in records if record is not None]


def assemble(pieces: Pieces, *, dag_id: str, run_id: str, group: str = "") -> ReleaseRecord | None:
    """Make one record of a rollout's pieces; None while nothing was opened and nothing was said."""
    attempt = _attempt(pieces)
    epoch = attempt.token.epoch if attempt else ""
    # Without an attempt nothing was opened, so no gate can be its own.
    gates = [piece for piece in _all(pieces, Key.GATE, GatePiece) if piece.epoch == epoch]
    gates.sort(key=lambda piece: piece.written_at)
    timeline = [it for it in _events(pieces) if _belongs(it.epoch, it.at, attempt)]
    timeline.sort(key=lambda event: event.at)
    if attempt is None and not timeline:
        return None
    end = find_end(pieces)
    return ReleaseRecord(
        schema=SCHEMA,
        dag_id=dag_id,
        run_id=run_id,
        version=attempt.canary.version if attempt else "",
        target=attempt.canary.target if attempt else "",
        stable=attempt.stable.version if attempt and attempt.stable else "",
        outcome=end.outcome if end else None,
        reason=_reason(end, gates, timeline),
        weight=_weight(pieces, epoch, end),
        started_at=attempt.opened_at if attempt else None,
        ended_at=end.at if end else None,
        gates=gates,
        timeline=timeline,
        group=group,
        outline=next((o for o in _all(pieces, Key.OUTLINE, Outline) if o.epoch == epoch), None),
    )


def find_end(pieces: Pieces) -> End | None:
    """Return how the attempt ended, None while nobody has said so."""
    attempt = _attempt(pieces)
    return _end([it for it in _all(pieces, Key.END, End) if _belongs(it.epoch, it.at, attempt)])


def _all(pieces: Pieces, key: Key, kind: type[T]) -> Iterable[T]:
    for values in pieces.values():
        piece = from_piece(values.get(key), kind)
        if piece is not None:
            yield piece


def _attempt(pieces: Pieces) -> Attempt | None:
    """Return the newest attempt: of an earlier one the teardown may have had to tell."""
    attempts = _all(pieces, Key.ATTEMPT, Attempt)
    return max(attempts, key=lambda attempt: attempt.opened_at, default=None)


def _belongs(epoch: str, at: float, attempt: Attempt | None) -> bool:
    """Say whether a line or an end is of this attempt; those without an epoch are told by time."""
    if attempt is None:
        return not epoch
    return epoch == attempt.token.epoch or (not epoch and at >= attempt.opened_at)


def _events(pieces: Pieces) -> Iterable[Event]:
    for piece in _all(pieces, Key.EVENTS, _Events):
        yield from piece.events


def _end(ends: list[End]) -> End | None:
    """Return the first end of this attempt: the later ones only confirm it.

    A failed rollback outweighs everything that was said before it; the teardown that mended it
    later outweighs the failure.
    """
    if not ends:
        return None
    ends.sort(key=lambda end: end.at)
    if ends[-1].outcome is Outcome.FAILED_TO_ROLL_BACK:
        return ends[-1]
    return next(end for end in ends if end.outcome is not Outcome.FAILED_TO_ROLL_BACK)


def _reason(end: End | None, gates: list[GatePiece], timeline: list[Event]) -> str:
    if end is not None:
        return end.reason
    if gates:
        return gates[-1].judgement.reason
    return timeline[-1].text if timeline else ""


def _weight(pieces: Pieces, epoch: str, end: End | None) -> int:
    if end is not None and end.outcome is not Outcome.FAILED_TO_ROLL_BACK:
        return 100 if end.outcome is Outcome.PROMOTED else 0
    for gate in _all(pieces, Key.GATE, GatePiece):
        if gate.epoch == epoch and gate.stop is not None and gate.stop.written_at is not None:
            return 0
    starts = [s for s in _all(pieces, Key.STEP, StepStart) if s.attempt.token.epoch == epoch]
    return max(starts, key=lambda start: start.written_at).weight if starts else 0


def stopping_verdict(gates: Iterable[GatePiece]) -> GatePiece | None:
    """Return the gate whose FAIL ended the release, None when none did."""
    for piece in gates:
        if piece.judgement.ends and piece.judgement.verdict is not Verdict.PASS:
            return piece
    return None

"""The answers the load generator saw: one line each, and what they say about a release."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Answer",
    "AnswerTail",
    "ArmSecond",
    "Exposure",
    "exposure",
    "per_second",
    "percentile",
    "read_answers",
]

NO_ANSWER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request: when it was sent and done (seconds since the epoch) and what came back.

    `status` is 0 when nothing came back (refused, broken or timed out). `version` is empty when
    the answer does not name one: the router answered itself, since it could not reach the arm.
    """

    sent: float
    done: float
    status: int
    version: str
    latency_ms: float

    def to_line(self) -> str:
        """Return the line that `from_line` reads back."""
        return (
            f"{self.sent:.4f} {self.done:.4f} {self.status} {self.version or '-'} "
            f"{self.latency_ms:.2f}\n"
        )

    @classmethod
    def from_line(cls, line: str) -> Answer:
        """Read one line; ValueError when it is not one."""
        sent, done, status, version, latency = line.split()
        return cls(
            sent=float(sent),
            done=float(done),
            status=int(status),
            version="" if version == "-" else version,
            latency_ms=float(latency),
        )

    @property
    def is_failed(self) -> bool:
        """Tell whether the client got no answer or a server's error."""
        return self.status == NO_ANSWER or self.status >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What one release did to its users, from the client's side of the router.

    Times are None when there was no such request. A request counts as the canary's when the
    answer names the canary, or names nobody and is a failure: the arm was out of reach.
    """

    requests: int
    canary_requests: int
    failed_requests: int
    slow_requests: int
    first_canary: float | None
    first_bad: float | None
    last_canary: float | None

    @property
    def exposure_seconds(self) -> float | None:
        """Return the seconds from the first bad request to the last one on the canary."""
        if self.first_bad is None or self.last_canary is None:
            return None
        return max(0.0, self.last_canary - self.first_bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSecond:
    """One arm in one second: requests done, failed ones, and the 99th percentile in ms."""

    second: int
    version: str
    requests: int
    failed: int
    p99_ms: float


def read_answers(path: Path) -> list[Answer]:
    """Read all complete lines of a file that may still be written to."""
    return AnswerTail(path).read_new()


class AnswerTail:
    """Read a file of answers piece by piece while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read_new(self) -> list[Answer]:
        """Return the answers that were added since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        return [Answer.from_line(line) for line in complete.decode().splitlines()]


def exposure(
    answers: Iterable[Answer],
    *,
    canary: str,
    since: float = 0.0,
    until: float = math.inf,
    slow_ms: float | None = None,
) -> Exposure:
    """Sum up what a release did to the requests sent from `since` until `until`.

    A request is bad when it failed or, with `slow_ms` given, took longer than that.
    """
    window = sorted(
        (answer for answer in answers if since <= answer.sent <= until), key=lambda it: it.sent
    )
    named = [answer.sent for answer in window if answer.version == canary]
    first = named[0] if named else None
    reached = [answer for answer in window if _is_canary(answer, canary, first)]
    slow = [answer for answer in reached if slow_ms is not None and answer.latency_ms > slow_ms]
    bad = [answer.sent for answer in (*slow, *(it for it in reached if it.is_failed))]
    return Exposure(
        requests=len(window),
        canary_requests=len(reached),
        failed_requests=sum(answer.is_failed for answer in window),
        slow_requests=len(slow),
        first_canary=first,
        first_bad=min(bad, default=None),
        last_canary=reached[-1].sent if reached else None,
    )


def per_second(answers: Iterable[Answer]) -> list[ArmSecond]:
    """Group answers by the second they came in and by version, in that order."""
    groups: dict[tuple[int, str], list[Answer]] = {}
    for answer in answers:
        groups.setdefault((int(answer.done), answer.version), []).append(answer)
    return [
        ArmSecond(
            second=second,
            version=version,
            requests=len(group),
            failed=sum(answer.is_failed for answer in group),
            p99_ms=percentile([answer.latency_ms for answer in group], 99),
        )
        for (second, version), group in sorted(groups.items())
    ]


def percentile(values: list[float], percent: float) -> float:
    """Return the nearest-rank percentile of at least one value."""
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


def _is_canary(answer: Answer, canary: str, first: float | None) -> bool:
    if answer.version == canary:
        return True
    # The router answers in its own name when the arm it chose is out of reach. Before the canary
    # served anything that cannot have been the canary.
    return not answer.version and answer.is_failed and first is not None and answer.sent >= first

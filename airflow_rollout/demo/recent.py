"""Both arms in the last seconds, as users see them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_rollout.demo.answers import Answer, percentile

__all__ = ["ArmNow", "RecentAnswers"]

# Long enough for 50 canary requests at 10 % of the demo's 100 a second, short enough to be "now".
_WINDOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmNow:
    """One arm in the last seconds; shares and times are None while it has no requests."""

    version: str
    per_second: float = 0.0
    failed: int = 0
    error_share: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None


class RecentAnswers:
    """Keep the answers of the last seconds and sum them up by arm."""

    def __init__(self, window_seconds: float = _WINDOW_SECONDS) -> None:
        self._seconds = window_seconds
        self._answers: deque[Answer] = deque()

    def add(self, answers: Iterable[Answer]) -> None:
        """Take new answers, in the order in which they came in."""
        self._answers.extend(answers)

    def arms(self, *versions: str, now: float) -> tuple[ArmNow, ...]:
        """Return each version's arm; the last one is the canary.

        A failure that names nobody is the canary's: the router answers in its own name when it
        cannot reach an arm, and the stable one is not what breaks in a release.
        """
        while self._answers and self._answers[0].done < now - self._seconds:
            self._answers.popleft()
        groups: dict[str, list[Answer]] = {version: [] for version in versions}
        for answer in self._answers:
            name = answer.version or (versions[-1] if answer.is_failed else "")
            if name in groups:
                groups[name].append(answer)
        return tuple(self._arm(version, group) for version, group in groups.items())

    def _arm(self, version: str, group: list[Answer]) -> ArmNow:
        if not group:
            return ArmNow(version=version)
        failed = sum(answer.is_failed for answer in group)
        latencies = [answer.latency_ms for answer in group]
        return ArmNow(
            version=version,
            per_second=len(group) / self._seconds,
            failed=failed,
            error_share=failed / len(group),
            p90_ms=percentile(latencies, 90),
            p99_ms=percentile(latencies, 99),
        )

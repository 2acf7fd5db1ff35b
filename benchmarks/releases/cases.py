"""Which versions are released, what is wrong with them and what their releases may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_rollout.release import Outcome

__all__ = ["BAD", "CASES", "GOOD", "SERVICE", "SILENT", "TOLD", "Case", "schedule"]

SERVICE = "payment-service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of version.

    :param faults: what `Lab.start_version` is told; a seed comes to it where faults are random.
    :param interval: the interval its release asks for, the file's own when None.
    :param rollout: the DAG that releases it.
    :param exposure_seconds: wanted from the first bad request to the last one on the canary.
    :param failed_requests: wanted at most; None where no number was promised.
    """

    name: str
    title: str
    outcome: Outcome
    faults: Mapping[str, Any] = field(default_factory=dict)
    is_random: bool = False
    interval: str | None = None
    exposure_seconds: float | None = None
    failed_requests: int | None = None
    rollout: str = SERVICE


BAD = (
    Case(
        name="v2",
        title="v2: 5 % of requests answer 500",
        outcome=Outcome.ROLLED_BACK,
        faults={"error_rate": 0.05},
        is_random=True,
        exposure_seconds=15.0,
        failed_requests=20,
    ),
    Case(
        name="v3",
        title="v3: every request takes 600 ms longer",
        outcome=Outcome.ROLLED_BACK,
        faults={"latency_ms": 600.0},
        exposure_seconds=10.0,
    ),
    Case(
        name="v4",
        title="v4: exits 5 s after its first request",
        outcome=Outcome.ROLLED_BACK,
        faults={"exit_after_seconds": 5.0},
        exposure_seconds=5.0,
    ),
)
GOOD = Case(
    name="good",
    title="good versions, interval 5s",
    outcome=Outcome.PROMOTED,
    interval="5s",
    failed_requests=0,
)
# The same version twice, to compare: by a rollout that tells nobody, and by one that tells a
# receiver which never answers.
SILENT = BAD[1]
TOLD = replace(
    SILENT,
    name="told",
    title="told: as v3, and whoever is told of its rollback never answers",
    rollout=f"{SERVICE}-told",
)
CASES = (*BAD, TOLD, GOOD)


def schedule(*, count: int, good: int) -> list[Case]:
    """Return the releases in their order: every kind spread evenly over the whole run.

    What changes on the machine meanwhile then meets all kinds alike, and a run that is
    interrupted has some of each.
    """
    wanted = [(case, good if case is GOOD else count) for case in CASES]
    places = [
        ((number + 0.5) / times, index, case)
        for index, (case, times) in enumerate(wanted)
        for number in range(times)
    ]
    return [case for _place, _index, case in sorted(places, key=lambda place: place[:2])]

"""What the benchmark says of versions that never started."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_rollout.release import Outcome
from benchmarks.cluster.unstarted import UNSTARTED, Unstarted, faults, figures

_ONE = Unstarted(
    name="quota",
    outcome=Outcome.ROLLED_BACK,
    reason="exceeded quota",
    warned_at=100.0,
    given_up_at=104.0,
    over_at=110.5,
    gates=0,
)


def test_it_counts_from_the_clusters_first_warning() -> None:
    given_up, over = figures([_ONE, replace(_ONE, given_up_at=106.0)])
    assert given_up.values == (4.0, 6.0)
    assert over.values == (10.5, 10.5)
    assert over.met
    assert UNSTARTED["quota"] in given_up.name


def test_one_that_took_longer_than_wanted_is_not_met() -> None:
    _, over = figures([_ONE, replace(_ONE, over_at=115.1)])
    assert over.met is False


def test_what_was_not_played_has_no_row() -> None:
    assert figures([]) == []
    assert faults([_ONE]) == []


@pytest.mark.parametrize("change", [{"outcome": Outcome.PROMOTED}, {"outcome": None}, {"gates": 1}])
def test_one_that_was_promoted_or_judged_is_a_fault(change: dict[str, object]) -> None:
    (fault,) = faults([replace(_ONE, **change)])  # type: ignore[arg-type]
    assert fault.startswith("quota: ")
    assert "exceeded quota" in fault

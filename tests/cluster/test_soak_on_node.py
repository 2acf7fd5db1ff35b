"""Ten random schedules of faults on the node; `make soak ARGS="--cluster"` plays many more."""

from __future__ import annotations

from concurrent.futures import Future, wait

import pytest
from kube_lab import KubeLab
from node_soak import SERVICES, soak_on_node
from release_scenes import Played

from airflow_rollout.demo.airflow import AirflowLab

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

_SCHEDULES = 10
_SERVICES = 5


def test_random_faults_on_a_node_leave_nothing_unsafe(
    kubernetes: KubeLab,
    airflow: AirflowLab,
    played: dict[str, Future[Played]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    # What dies here is needed by all.
    wait(played.values())
    found = soak_on_node(
        kubernetes, airflow, services=SERVICES[:_SERVICES], schedules=_SCHEDULES, seed=1,
        minutes=30.0,
    )  # fmt: skip
    said = capsys.readouterr().out
    print(said)
    assert said.splitlines()[-1] == f"{_SCHEDULES} schedules, 0 violations"
    assert found == 0

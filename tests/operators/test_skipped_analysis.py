"""A release that nobody judges (a hotfix): its tasks ask no metric, and its record says why."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from in_memory import CANARY
from runs import Run

from airflow_rollout.analysis.readings import Reading
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window

SKIPPED = "closes  a\nhole"


@pytest.fixture
def down(run: Run) -> Run:
    """Return a release whose metric system does not answer."""

    async def failing(query: MetricQuery, window: Window) -> Reading:
        raise PermanentAdapterError("HTTP 503", system="metrics")

    run.world.provider.answer = failing
    return run


def test_it_goes_up_while_its_metric_system_is_down(down: Run) -> None:
    down.prepare(skip_analysis=SKIPPED)
    down.deploy()
    for step_id in ("step_01", "step_02", "step_full"):
        down.promote(step_id)
    down.promotion()
    assert down.world.router.split is not None
    assert down.world.router.split.stable == CANARY
    assert down.end("promotion")["reason"] == (
        "promoted: v2 is the stable version, unjudged: closes a hole"
    )


def test_it_says_so_at_once_and_hands_the_reason_to_every_gate(down: Run) -> None:
    down.prepare(skip_analysis=SKIPPED)
    assert "analysis is skipped: closes a hole" in down.said("prepare")
    assert down.attempt().unjudged == "closes a hole"


def test_its_steps_do_not_miss_evidence_that_nobody_gathers(down: Run) -> None:
    down.prepare(skip_analysis=SKIPPED)
    down.promote("step_01")
    down.promote("step_02", "step_01.promote")
    assert not any("evidence" in line for line in down.said("step_02.promote"))


@pytest.mark.parametrize("said", ["true", "True", "yes", " no ", "None", True])
def test_without_a_reason_it_is_refused_before_anything_is_opened(run: Run, said: Any) -> None:
    with pytest.raises(AirflowFailException, match="skip_analysis: is no reason"):
        run.prepare(skip_analysis=said)
    assert run.world.router.written == []


def test_a_judged_release_says_nothing_of_it(run: Run) -> None:
    run.prepare(skip_analysis="")
    assert run.attempt().unjudged == ""
    assert not any("analysis" in line for line in run.said("prepare"))

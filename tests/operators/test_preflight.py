"""What the first task of a release finds out before any traffic moves."""

from __future__ import annotations

import time

import pytest
from airflow.sdk.exceptions import AirflowFailException
from runs import Run

from airflow_rollout.analysis.readings import NoData, Reading
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.plan import make_plan
from airflow_rollout.record import from_piece
from airflow_rollout.release import ReleaseState, Token
from airflow_rollout.seen import Outline
from airflow_rollout.traffic.base import Feature

OTHER = Token(epoch="e9", owner="shop/other", digest="d")


def test_a_router_without_weights_is_refused(run: Run) -> None:
    run.world.router.features = frozenset({Feature.READ_BACK})
    with pytest.raises(AirflowFailException, match="cannot split by weight"):
        run.prepare()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (PermanentAdapterError("HTTP 401", system="metrics"), AirflowFailException),
        (TransientAdapterError("HTTP 503", system="metrics"), TransientAdapterError),
    ],
    ids=["permanent ends the task", "transient is retried"],
)
def test_metrics_that_cannot_be_read_stop_the_release_before_traffic_moves(
    run: Run, error: Exception, raised: type[Exception]
) -> None:
    async def failing(query: MetricQuery, window: Window) -> Reading:
        raise error

    run.world.provider.answer = failing
    with pytest.raises(raised, match="metric request-success-rate cannot be read"):
        run.prepare()
    assert run.world.router.written == []
    assert str(error) in run.said("prepare")[-1]


def test_metrics_without_data_do_not_stop_a_release_from_opening(run: Run) -> None:
    async def empty(query: MetricQuery, window: Window) -> Reading:
        return NoData(at=window.end, reason="no traffic yet")

    run.world.provider.answer = empty
    run.prepare()
    assert run.world.router.split is not None
    assert run.world.router.split.state is ReleaseState.OPEN
    assert "metric request-success-rate: no data: no traffic yet" in run.said("prepare")


def test_a_stable_version_without_a_request_is_told(run: Run) -> None:
    run.prepare()
    assert "the stable version had no request" in run.said("prepare")[-1]


def test_metrics_with_requests_of_the_stable_version_are_not_spoken_of(run: Run) -> None:
    run.world.provider.began_at = time.time() - 60.0
    run.prepare()
    assert not any("metric" in line for line in run.said("prepare"))


def test_a_router_that_cannot_be_read_stops_the_release(run: Run) -> None:
    run.world.router.read_fault = TransientAdapterError("timed out", system="router")
    with pytest.raises(TransientAdapterError):
        run.prepare()
    assert run.said("prepare") == ["not opened: router: timed out"]


def test_what_the_release_sets_out_to_do_is_left_for_who_looks_at_it(run: Run) -> None:
    run.prepare(interval="5s")
    outline = from_piece(run.xcoms["prepare"]["outline"], Outline)
    assert outline is not None
    spec = run.spec.overridden(interval_seconds=5.0, dispersion=None)
    assert outline.epoch == run.attempt().token.epoch
    assert outline.steps == make_plan(spec).steps, "as this release runs it"
    assert [metric.name for metric in outline.metrics] == [
        metric.name for metric in run.spec.judge.metrics
    ]
    limits = [metric.threshold for metric in run.spec.judge.metrics]
    assert [(metric.minimum, metric.maximum) for metric in outline.metrics] == [
        (limit and limit.minimum, limit and limit.maximum) for limit in limits
    ]
    assert [metric.unit for metric in outline.metrics] == ["%"]
    assert outline.min_requests == run.spec.judge.min_requests

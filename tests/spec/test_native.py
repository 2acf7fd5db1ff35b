"""The native dialect asks questions in words and limits in their units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_rollout.analysis.parameters import (
    Comparison,
    Metric,
    Mode,
    Promote,
    Question,
    Semantics,
    Threshold,
)
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.model import OnBusy, RolloutSpec

Read = Callable[..., RolloutSpec]
Make = Callable[..., str]


def _metrics(read: Read, rollout: Make, *metrics: dict[str, Any]) -> tuple[Metric, ...]:
    return read(rollout({"spec.analysis.metrics": list(metrics)})).judge.metrics


def test_a_rollout_is_read_with_its_defaults(read: Read, rollout: Make) -> None:
    spec = read(rollout(), bindings=Bindings())
    assert (spec.name, spec.namespace, spec.dialect) == ("shop", "market", "native")
    assert (spec.workload.kind, spec.workload.name) == ("endpoints", "shop")
    assert (spec.traffic.router, spec.traffic.service) == ("traefik_file", "shop-web")
    assert (spec.traffic.conn_id, spec.source.conn_id) == ("edge", "edge_metrics")
    assert (spec.source.provider, spec.source.every_seconds) == ("scrape", 2.0)
    assert [(step.weight, step.hold_seconds) for step in spec.steps] == [(5, 120.0), (30, 90.0)]
    assert spec.verify_seconds == 90.0
    assert spec.on_busy is OnBusy.QUEUE
    assert spec.ready_timeout_seconds == 600.0
    judge = spec.judge
    assert (judge.semantics, judge.mode) == (Semantics.NATIVE, Mode.ACT)
    assert (judge.failure_limit, judge.alpha, judge.min_requests) == (3, 0.01, 100)
    assert judge.comparison == Comparison()


def test_a_rate_and_a_latency_are_a_check_and_a_guardrail(read: Read, rollout: Make) -> None:
    assert read(rollout()).judge.metrics == (
        Metric(
            name="http_500_rate", question=Question.ERRORS, threshold=Threshold(maximum=0.01),
            guardrail=0.01, weight=0.5,
        ),
        Metric(
            name="p99_latency", question=Question.LATENCY, quantile=0.99, weight=0.5,
            threshold=Threshold(maximum=0.4), guardrail=0.01, boundary_seconds=0.4,
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "quantile", "slow"),
    [("p50_latency", 0.5, 0.5), ("p90_latency", 0.9, 0.1), ("p95_latency", 0.95, 0.05)],
)
def test_a_quantile_bounds_the_share_that_is_slower(
    read: Read, rollout: Make, name: str, quantile: float, slow: float
) -> None:
    (metric,) = _metrics(read, rollout, {"name": name, "max": "1.5s"})
    assert (metric.quantile, metric.guardrail, metric.boundary_seconds) == (quantile, slow, 1.5)
    assert metric.weight == 1.0


def test_a_quantile_of_ones_own_has_a_name_of_ones_own(read: Read, rollout: Make) -> None:
    (metric,) = _metrics(read, rollout, {"name": "slowest", "quantile": 0.999, "max": "2s"})
    assert (metric.quantile, metric.guardrail) == (0.999, 0.001)


def test_a_success_rate_is_the_error_rate_asked_the_other_way_round(
    read: Read, rollout: Make
) -> None:
    (success,) = _metrics(read, rollout, {"name": "success_rate", "min": "99.5%"})
    (errors,) = _metrics(read, rollout, {"name": "http_5xx_rate", "max": "0.5%"})
    assert replace(success, name=errors.name) == errors
    assert errors.guardrail == 0.005


def test_a_limit_that_everything_meets_is_no_guardrail(read: Read, rollout: Make) -> None:
    (metric,) = _metrics(read, rollout, {"name": "http_500_rate", "max": "100%"})
    assert (metric.threshold, metric.guardrail) == (Threshold(maximum=1.0), None)


def test_a_question_without_a_limit_is_only_compared(read: Read, rollout: Make) -> None:
    rate, latency = _metrics(read, rollout, {"name": "http_500_rate"}, {"name": "p90_latency"})
    for metric in (rate, latency):
        assert (metric.threshold, metric.guardrail, metric.compare) == (None, None, True)


def test_a_question_need_not_be_compared(read: Read, rollout: Make) -> None:
    (metric,) = _metrics(read, rollout, {"name": "http_500_rate", "max": "1%", "compare": "none"})
    assert (metric.compare, metric.guardrail, metric.weight) == (False, 0.01, 1.0)


def test_a_query_is_one_number_with_plain_limits(read: Read, rollout: Make) -> None:
    query = {"name": "queue", "query": "max(queue_length{a='b'})", "max": 50, "min": -1}
    rate, metric = _metrics(read, rollout, {"name": "http_500_rate", "max": "1%"}, query)
    assert metric == Metric(
        name="queue", question=Question.VALUE, threshold=Threshold(minimum=-1.0, maximum=50.0),
        compare=False, weight=0.0, query="max(queue_length{a='b'})",
    )  # fmt: skip
    assert rate.weight == 1.0


def test_weights_share_the_budget_of_those_that_act(read: Read, rollout: Make) -> None:
    metrics = _metrics(
        read, rollout,
        {"name": "http_500_rate", "max": "1%", "weight": 3},
        {"name": "p99_latency", "max": "1s"},
        {"name": "p50_latency", "max": "1s", "mode": "observe"},
    )  # fmt: skip
    assert [metric.weight for metric in metrics] == [0.75, 0.25, 0.2]
    assert metrics[2].mode is Mode.OBSERVE


@pytest.mark.parametrize(
    ("every", "holds", "interval"),
    [
        ("1s", ["2m"], 10.0),
        ("500ms", ["2m"], 10.0),
        ("5s", ["2m"], 50.0),
        ("1s", ["4s", "2m"], 4.0),
        ("15s", ["1m", "5m"], 60.0),
    ],
)
def test_the_interval_is_ten_answers_at_least_ten_seconds_at_most_the_shortest_hold(
    read: Read, rollout: Make, every: str, holds: list[str], interval: float
) -> None:
    steps = [{"weight": 10 * n, "hold": hold} for n, hold in enumerate(holds, start=1)]
    spec = read(rollout({"spec.analysis.source.every": every, "spec.canary.steps": steps}))
    assert spec.judge.interval_seconds == interval


def test_verify_counts_among_the_holds(read: Read, rollout: Make) -> None:
    spec = read(rollout({"spec.canary.verify": "6s"}))
    assert (spec.verify_seconds, spec.judge.interval_seconds) == (6.0, 6.0)


def test_a_step_of_all_traffic_is_the_full_step(read: Read, rollout: Make) -> None:
    steps = [{"weight": 10, "hold": "1m"}, {"weight": 100, "hold": "7m"}]
    spec = read(rollout({"spec.canary.steps": steps}))
    assert [step.weight for step in spec.steps] == [10]
    assert spec.verify_seconds == 420.0


def test_everything_can_be_said_in_the_file(read: Read, rollout: Make) -> None:
    analysis = {
        "interval": "20s", "failure_limit": 2, "alpha": "0.5%", "min_requests": 30,
        "warmup": "15s", "dispersion": 1.5, "mode": "observe",
        "comparison": {
            "enabled": True, "tolerance": 2, "min_intervals": 3, "restart_share": "10%",
            "planned_intervals": 90,
        },
    }  # fmt: skip
    changes = {f"spec.analysis.{name}": value for name, value in analysis.items()}
    changes |= {"spec.on_busy": "refuse", "spec.ready_timeout": "45s", "spec.canary.verify": "1m"}
    spec = read(rollout(changes))
    judge = spec.judge
    assert (judge.interval_seconds, judge.failure_limit, judge.alpha) == (20.0, 2, 0.005)
    assert (judge.min_requests, judge.warmup_seconds, judge.mode) == (30, 15.0, Mode.OBSERVE)
    assert judge.comparison == Comparison(
        tolerance=2.0, min_intervals=3, restart_share=0.1, planned_intervals=90, dispersion=1.5
    )
    assert (spec.on_busy, spec.ready_timeout_seconds) == (OnBusy.REFUSE, 45.0)
    assert spec.verify_seconds == 60.0


@pytest.mark.parametrize("off", ["off", "false", "no", "{enabled: off}"])
def test_the_comparison_is_switched_off_with_a_word(read: Read, rollout: Make, off: str) -> None:
    text = rollout().replace("  analysis:\n", f"  analysis:\n    comparison: {off}\n")
    judge = read(text).judge
    assert judge.comparison == Comparison(enabled=False)


def test_options_reach_the_adapter_as_text_whatever_their_order(read: Read, rollout: Make) -> None:
    changes = {
        "spec.workload": {"kind": "endpoints", "timeout": 1.5, "health_path": "/up", "tls": True},
        "spec.traffic.entry_points": ["web", "websecure"],
    }
    spec = read(rollout(changes))
    assert spec.workload.options == (("health_path", "/up"), ("timeout", "1.5"), ("tls", "true"))
    assert spec.traffic.options == (("entry_points", "web,websecure"),)


def test_the_call_fills_in_what_the_file_leaves_out(
    read: Read, rollout: Make, gone: object, bound: Bindings
) -> None:
    changes = {"spec.workload": gone, "spec.traffic": gone, "spec.analysis.source": gone}
    said = replace(
        bound, comparison=False, dispersion=3.0, mode=Mode.OBSERVE, on_busy=OnBusy.REFUSE,
        warmup_seconds=5.0, metric_modes=(("p99_latency", Mode.OBSERVE),),
        router_options=(("rule", "x"),),
    )  # fmt: skip
    spec = read(rollout(changes), bindings=said)
    assert (spec.workload.kind, spec.traffic.router) == ("endpoints", "traefik_file")
    assert spec.traffic.options == (("rule", "x"),)
    assert (spec.traffic.service, spec.source.every_seconds) == ("shop", 1.0)
    assert spec.judge.comparison == Comparison(enabled=False, dispersion=3.0)
    assert (spec.judge.mode, spec.on_busy) == (Mode.OBSERVE, OnBusy.REFUSE)
    assert spec.judge.warmup_seconds == 5.0
    assert [metric.mode for metric in spec.judge.metrics] == [Mode.ACT, Mode.OBSERVE]


def test_the_file_wins_over_the_call(read: Read, rollout: Make, bound: Bindings) -> None:
    said = replace(
        bound, router="istio", router_conn_id="other", provider="prometheus", every_seconds=30.0,
        router_service="other", dispersion=9.0, mode=Mode.OBSERVE,
    )  # fmt: skip
    text = rollout({"spec.analysis.dispersion": 1, "spec.analysis.mode": "act"})
    assert read(text, bindings=said) == read(text, bindings=Bindings())


def test_a_good_step_may_end_early_unless_the_file_says_otherwise(
    read: Read, rollout: Make
) -> None:
    promotion = read(rollout()).judge.promotion
    assert (promotion.when, promotion.min_duration_seconds) == (Promote.ON_EVIDENCE, 60.0)
    changes = {"spec.analysis.promote": "on_time", "spec.analysis.min_duration": "2m"}
    promotion = read(rollout(changes)).judge.promotion
    assert (promotion.when, promotion.min_duration_seconds) == (Promote.ON_TIME, 120.0)

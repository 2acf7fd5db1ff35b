"""A Canary keeps Flagger's meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.analysis.parameters import (
    Comparison,
    Metric,
    Mode,
    Question,
    Semantics,
    Threshold,
)
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.model import OnBusy, RolloutSpec

Read = Callable[..., RolloutSpec]
Make = Callable[..., str]


def test_a_canary_becomes_a_rollout(read: Read, canary: Make) -> None:
    spec = read(canary())
    assert (spec.name, spec.namespace, spec.dialect) == ("shop", "market", "flagger")
    assert (spec.workload.kind, spec.workload.name) == ("endpoints", "shop-web")
    assert (spec.traffic.router, spec.traffic.conn_id) == ("traefik_file", "edge")
    assert (spec.source.provider, spec.source.conn_id) == ("scrape", "edge_metrics")
    assert spec.source.every_seconds == 1.0
    assert [(step.weight, step.hold_seconds) for step in spec.steps] == [
        (20, 30.0), (40, 30.0), (60, 30.0),
    ]  # fmt: skip
    assert spec.verify_seconds == 30.0
    assert spec.ready_timeout_seconds == 600.0
    assert spec.on_busy is OnBusy.QUEUE
    assert spec.file == "shop.yaml"
    assert spec.unsupported == spec.ignored == ()


def test_the_judge_follows_flaggers_rules_with_the_comparison_on_top(
    read: Read, canary: Make
) -> None:
    judge = read(canary()).judge
    assert judge.semantics is Semantics.FLAGGER
    assert (judge.interval_seconds, judge.failure_limit) == (30.0, 3)
    assert (judge.alpha, judge.min_requests, judge.warmup_seconds) == (0.01, 0, 0.0)
    assert judge.comparison == Comparison(tolerance=1.25, min_intervals=2, dispersion=None)
    assert judge.mode is Mode.ACT


def test_the_built_in_metrics_ask_for_errors_and_p99(read: Read, canary: Make) -> None:
    assert read(canary()).judge.metrics == (
        Metric(
            name="request-success-rate", question=Question.ERRORS, weight=0.5,
            threshold=Threshold(minimum=99.0), window_seconds=60.0,
        ),
        Metric(
            name="request-duration", question=Question.LATENCY, weight=0.5, quantile=0.99,
            threshold=Threshold(maximum=250.0), window_seconds=45.0,
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("analysis", "weights"),
    [
        ({"stepWeight": 10, "maxWeight": 50}, [10, 20, 30, 40, 50]),
        # maxWeight is where promotion starts, not a cap.
        ({"stepWeight": 20, "maxWeight": 50}, [20, 40, 60]),
        ({"stepWeight": 60, "maxWeight": 50}, [60]),
        ({"stepWeight": 30}, [30, 60, 90]),
        ({"stepWeight": 30, "maxWeight": 0}, [30, 60, 90]),
        ({"stepWeight": 25, "maxWeight": 100}, [25, 50, 75]),
        ({"stepWeight": 40, "maxWeight": 500}, [40, 80]),
        ({"stepWeight": 100}, []),
        ({"stepWeight": 250}, []),
        ({"stepWeight": 10.0, "maxWeight": 20.0}, [10, 20]),
        ({"stepWeights": [1, 2, 10, 80]}, [1, 2, 10, 80]),
        ({"stepWeights": [5, 50, 100]}, [5, 50]),
        ({"stepWeights": [50, 120]}, [50]),
        # With stepWeights, maxWeight has no effect.
        ({"stepWeights": [10, 20, 90], "maxWeight": 15}, [10, 20, 90]),
    ],
)
def test_weights_are_flaggers_and_the_full_step_is_not_listed(
    read: Read, canary: Make, gone: object, analysis: dict[str, Any], weights: list[int]
) -> None:
    plain: dict[str, Any] = {"spec.analysis.stepWeight": gone, "spec.analysis.maxWeight": gone}
    plain |= {f"spec.analysis.{name}": value for name, value in analysis.items()}
    assert [step.weight for step in read(canary(plain)).steps] == weights


@given(step=st.integers(1, 200), maximum=st.integers(0, 300))
def test_linear_weights_rise_by_the_step_until_the_maximum_is_reached(
    read: Read, canary: Make, step: int, maximum: int
) -> None:
    changes = {"spec.analysis.stepWeight": step, "spec.analysis.maxWeight": maximum}
    weights = [planned.weight for planned in read(canary(changes)).steps]
    goal = min(maximum or 100, 100)
    assert weights == [step * number for number in range(1, len(weights) + 1)]
    assert all(weight < 100 for weight in weights)
    assert all(weight < goal for weight in weights[:-1])
    last = weights[-1] if weights else 0
    assert last >= goal or last + step >= 100


def test_the_interval_is_the_hold_and_a_minute_if_none_is_given(
    read: Read, canary: Make, gone: object
) -> None:
    for value in (gone, ""):
        spec = read(canary({"spec.analysis.interval": value}))
        assert spec.judge.interval_seconds == spec.verify_seconds == 60.0
        assert {step.hold_seconds for step in spec.steps} == {60.0}


def test_an_interval_below_ten_seconds_stays_as_it_is(read: Read, canary: Make) -> None:
    assert read(canary({"spec.analysis.interval": "2s"})).judge.interval_seconds == 2.0


@pytest.mark.parametrize(("threshold", "limit"), [(0, 1), (-4, 1), (1, 1), (7, 7), (3.0, 3)])
def test_a_threshold_below_one_means_one(
    read: Read, canary: Make, threshold: float, limit: int
) -> None:
    assert read(canary({"spec.analysis.threshold": threshold})).judge.failure_limit == limit


def test_no_threshold_means_one(read: Read, canary: Make, gone: object) -> None:
    assert read(canary({"spec.analysis.threshold": gone})).judge.failure_limit == 1


def test_the_old_scalar_threshold_is_a_minimum_for_success_and_else_a_maximum(
    read: Read, canary: Make
) -> None:
    metrics = [
        {"name": "request-success-rate", "threshold": 98.5},
        {"name": "request-duration", "threshold": 700},
        {"name": "queue", "threshold": 4, "query": "max(queue_length)"},
    ]
    found = read(canary({"spec.analysis.metrics": metrics})).judge.metrics
    assert [metric.threshold for metric in found] == [
        Threshold(minimum=98.5), Threshold(maximum=700.0), Threshold(maximum=4.0),
    ]  # fmt: skip


def test_a_range_beats_the_old_scalar(read: Read, canary: Make) -> None:
    metric = {"name": "request-duration", "threshold": 1, "thresholdRange": {"min": 2, "max": 900}}
    (found,) = read(canary({"spec.analysis.metrics": [metric]})).judge.metrics
    assert found.threshold == Threshold(minimum=2.0, maximum=900.0)
    assert found.weight == 1.0


def test_a_success_rate_without_a_limit_is_only_compared(read: Read, canary: Make) -> None:
    metrics = [{"name": "request-success-rate"}]
    (found,) = read(canary({"spec.analysis.metrics": metrics})).judge.metrics
    assert (found.threshold, found.compare, found.window_seconds) == (None, True, 60.0)


def test_an_inline_query_is_one_number_with_limits_and_no_budget(read: Read, canary: Make) -> None:
    query = 'sum(rate(errors{job="{{ target }}"}[{{ interval }}]))'
    metrics = [
        {"name": "request-success-rate", "thresholdRange": {"min": 99}},
        {"name": "errors", "query": query, "interval": "90s", "thresholdRange": {"max": 0.5}},
    ]
    rate, errors = read(canary({"spec.analysis.metrics": metrics})).judge.metrics
    assert errors == Metric(
        name="errors", question=Question.VALUE, threshold=Threshold(maximum=0.5), compare=False,
        weight=0.0, window_seconds=90.0, query='sum(rate(errors{job="shop-web"}[90s]))',
    )  # fmt: skip
    assert rate.weight == 1.0


def test_the_progress_deadline_bounds_the_wait_for_the_canary(read: Read, canary: Make) -> None:
    assert read(canary({"spec.progressDeadlineSeconds": 45})).ready_timeout_seconds == 45.0


def test_the_service_is_called_as_flagger_calls_it(
    read: Read, canary: Make, bound: Bindings
) -> None:
    assert read(canary()).traffic.service == "shop-web"
    named = canary({"spec.service": {"name": "shop-svc", "port": 80}})
    assert read(named).traffic.service == "shop-svc"
    said = replace(bound, router_service="edge-shop")
    assert read(named, bindings=said).traffic.service == "edge-shop"


def test_a_missing_namespace_is_the_default_one(read: Read, canary: Make, gone: object) -> None:
    assert read(canary({"metadata.namespace": gone})).namespace == "default"


def test_the_call_says_how_to_judge(read: Read, canary: Make, bound: Bindings) -> None:
    said = replace(
        bound, dispersion=2.5, warmup_seconds=30.0, comparison=False, mode=Mode.OBSERVE,
        on_busy=OnBusy.REFUSE, metric_modes=(("request-duration", Mode.OBSERVE),),
        workload_options=(("health_path", "/up"),), router_options=(("rule", "Path(`/`)"),),
        provider_options=(("path", "/m"),),
    )  # fmt: skip
    spec = read(canary(), bindings=said)
    assert spec.judge.comparison == Comparison(enabled=False, dispersion=2.5)
    assert (spec.judge.warmup_seconds, spec.judge.mode) == (30.0, Mode.OBSERVE)
    assert spec.on_busy is OnBusy.REFUSE
    assert [(m.mode, m.weight) for m in spec.judge.metrics] == [
        (Mode.ACT, 1.0),
        (Mode.OBSERVE, 0.5),
    ]
    assert spec.workload.options == (("health_path", "/up"),)
    assert spec.traffic.options == (("rule", "Path(`/`)"),)
    assert spec.source.options == (("path", "/m"),)


def test_what_kubernetes_adds_to_an_object_does_not_matter(read: Read, canary: Make) -> None:
    exported = canary(
        {
            "status": {"phase": "Succeeded", "failedChecks": 0},
            "metadata.uid": "0d1f",
            "metadata.creationTimestamp": None,
            "metadata.labels": {"team": "shop"},
            "metadata.managedFields": [{"manager": "kubectl"}],
        }
    )
    assert read(exported) == read(canary())


def test_a_null_is_an_absent_field(read: Read, canary: Make) -> None:
    changes = {
        "spec.service": None,
        "spec.analysis.webhooks": None,
        "spec.analysis.iterations": None,
        "spec.analysis.stepWeights": None,
        "spec.analysis.metrics[0].interval": None,
        "spec.analysis.metrics[1].query": None,
        "spec.progressDeadlineSeconds": None,
        "metadata.namespace": None,
    }
    assert replace(read(canary(changes)), namespace="market") == read(canary())


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("up", "up"),
        ("{{name}}/{{ namespace }}/{{  target }}", "shop/market/shop-web"),
        ("{{ service }}-{{ interval }}", "shop-svc-1m"),
        ('a{b="{{ name }}"}[{{ interval }}]', 'a{b="shop"}[1m]'),
    ],
)
def test_a_query_is_rendered_with_what_the_file_says(
    read: Read, canary: Make, query: str, asked: str
) -> None:
    metric = {"name": "queue", "query": query, "thresholdRange": {"max": 1}}
    changes = {
        "spec.analysis.metrics[1]": metric,
        "spec.service": {"name": "shop-svc", "port": 80},
    }
    spec = read(canary(changes))
    assert (spec.judge.metrics[1].query, spec.unsupported) == (asked, ())


def test_a_metrics_own_variables_are_put_into_its_query(read: Read, canary: Make) -> None:
    metric = {
        "name": "queue", "thresholdRange": {"max": 1},
        "query": 'max(queue{job="{{ target }}",stage="{{variables.direction}}"})',
        "templateVariables": {"direction": "inbound", "unused": "x"},
    }  # fmt: skip
    spec = read(canary({"spec.analysis.metrics[1]": metric}))
    assert spec.judge.metrics[1].query == 'max(queue{job="shop-web",stage="inbound"})'
    assert spec.unsupported == ()


@pytest.mark.parametrize(
    "query", ["max({{ variables.nothing }})", "max({{ variables }})", "max({{ variables.a.b }})",
              "max({{ index variables \"b\" }})", "max({{ route }})", "max({{ ingress }})"],
)  # fmt: skip
def test_a_variable_that_nobody_gave_is_listed_and_never_asked(
    read: Read, canary: Make, query: str
) -> None:
    metric = {
        "name": "queue", "query": query, "thresholdRange": {"max": 1},
        "templateVariables": {"a": "x"},
    }  # fmt: skip
    spec = read(canary({"spec.analysis.metrics[1]": metric}))
    assert spec.unsupported == ("spec.analysis.metrics[1].query",)
    assert [one.name for one in spec.judge.metrics] == ["request-success-rate"]


def test_a_query_may_use_gos_functions_and_the_ingress_of_the_file(
    read: Read, canary: Make
) -> None:
    metric = {
        "name": "routes", "thresholdRange": {"max": 1},
        "query": 'max(x{route=~"{{ printf "kube_%s__%s" namespace ingress }}"})',
    }  # fmt: skip
    ref = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "shop-web"}
    spec = read(canary({"spec.analysis.metrics[1]": metric, "spec.ingressRef": ref}))
    assert spec.judge.metrics[1].query == 'max(x{route=~"kube_market__shop-web"})'
    assert spec.unsupported == ()

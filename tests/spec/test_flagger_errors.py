"""What a Canary may not say ends in an error that names file, line and path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_rollout.analysis.parameters import Mode
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings, Known

Refusal = Callable[..., SpecError]
Make = Callable[..., str]
_SUCCESS = "request-success-rate"

# change -> (path of the error, words of the message or of what is allowed)
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"spec.analysis.iterations": 5}, "spec.analysis.stepWeight", "exactly one of"),
    ({"spec.analysis.iterations": 0}, "spec.analysis.stepWeight", "exactly one of"),
    ({"spec.analysis.stepWeights": [1, 2]}, "spec.analysis.stepWeights", "exactly one of"),
    ({"spec.analysis.stepWeight": 0}, "spec.analysis.stepWeight", "at least 1"),
    ({"spec.analysis.stepWeight": -10}, "spec.analysis.stepWeight", "at least 1"),
    ({"spec.analysis.stepWeight": 2.5}, "spec.analysis.stepWeight", "whole number"),
    ({"spec.analysis.stepWeight": "10"}, "spec.analysis.stepWeight", "number is wanted"),
    ({"spec.analysis.stepWeight": True}, "spec.analysis.stepWeight", "number is wanted"),
    ({"spec.analysis.maxWeight": -1}, "spec.analysis.maxWeight", "at least 0"),
    ({"spec.analysis.interval": "1h"}, "spec.analysis.interval", "pattern"),
    ({"spec.analysis.interval": "10ms"}, "spec.analysis.interval", "at least 1s"),
    ({"spec.analysis.interval": "0s"}, "spec.analysis.interval", "at least 1s"),
    ({"spec.analysis.interval": 60}, "spec.analysis.interval", "unit is missing"),
    ({"spec.analysis.metrics[0].interval": "1h"}, "spec.analysis.metrics[0].interval", "pattern"),
    ({"spec.analysis.metrics[0].interval": "0m"}, "spec.analysis.metrics[0].interval", "at least"),
    ({"spec.analysis.threshold": "5"}, "spec.analysis.threshold", "number is wanted"),
    ({"spec.analysis.metrics": {}}, "spec.analysis.metrics", "list is wanted"),
    ({"spec.analysis.metrics": []}, "spec.analysis.metrics", "no metric is left"),
    ({"spec.analysis.metrics[0].name": ""}, "spec.analysis.metrics[0].name", "is missing"),
    ({"spec.analysis.metrics[0].name": "latency"}, "spec.analysis.metrics[0].name", "no query"),
    ({"spec.analysis.metrics[1].name": _SUCCESS}, "spec.analysis.metrics[1]", "stands twice"),
    ({"spec.analysis.metrics[1].thresholdRange": {}}, "spec.analysis.metrics[1]", "no limit"),
    (
        {"spec.analysis.metrics[0].thresholdRange.min": "99"},
        "spec.analysis.metrics[0].thresholdRange.min",
        "number is wanted",
    ),
    (
        {"spec.analysis.metrics[0].thresholdRange.min": 101},
        "spec.analysis.metrics[0].thresholdRange.min",
        "0 to 100",
    ),
    (
        {"spec.analysis.metrics[0].thresholdRange.min": float("nan")},
        "spec.analysis.metrics[0].thresholdRange.min",
        "finite",
    ),
    (
        {"spec.analysis.metrics[1].thresholdRange": {"min": 9, "max": 3}},
        "spec.analysis.metrics[1].thresholdRange",
        "min at most max",
    ),
    ({"spec.analysis.webhooks": [{"type": "pre-flight"}]}, "spec.analysis.webhooks[0].type", "''"),
    ({"spec.analysis.alerts": [{"severity": "fatal"}]}, "spec.analysis.alerts[0].severity", "warn"),
    ({"spec.analysis.mirror": "on"}, "spec.analysis.mirror", "true, false"),
    ({"spec.targetRef.kind": "StatefulSet"}, "spec.targetRef.kind", "DaemonSet"),
    ({"spec.targetRef.name": "../etc"}, "spec.targetRef.name", "usable name"),
    ({"spec.provider": "haproxy"}, "spec.provider", "traefik"),
    ({"spec.progressDeadlineSeconds": 0}, "spec.progressDeadlineSeconds", "at least 1"),
    ({"spec.service": {"name": "x"}}, "spec.service.port", "is missing"),
    ({"spec.service": {"port": "80"}}, "spec.service.port", "number is wanted"),
    ({"spec.service": {"port": 80, "name": "a b"}}, "spec.service.name", "usable name"),
    ({"spec.canaryAnalysis": {}}, "spec.canaryAnalysis", "under spec.analysis"),
    ({"metadata.name": "shop/web"}, "metadata.name", "usable name"),
    ({"metadata.name": 5}, "metadata.name", "text is wanted"),
    ({"metadata": []}, "metadata", "mapping"),
    ({"spec": "x"}, "spec", "mapping"),
    ({"kind": "MetricTemplate"}, "kind", "kind Canary"),
    ({"apiVersion": "flagger.app/v1alpha3"}, "apiVersion", "flagger.app/v1beta1"),
    ({"apiVersion": 1}, "apiVersion", "text is wanted"),
    ({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}, "apiVersion", "kind Rollout"),
]


@pytest.mark.parametrize(
    ("changes", "path", "words"), WRONG, ids=[f"{c[1]}-{n}" for n, c in enumerate(WRONG)]
)
def test_a_wrong_value_is_refused_with_its_place(
    refusal: Refusal, canary: Make, changes: dict[str, Any], path: str, words: str
) -> None:
    error = refusal(canary(changes))
    assert error.path == path
    assert words in f"{error.message}; {error.allowed}"
    assert error.line is not None


@pytest.mark.parametrize(
    "path", ["metadata", "metadata.name", "spec", "spec.targetRef", "spec.targetRef.kind",
             "spec.targetRef.name", "spec.analysis", "spec.analysis.metrics[0].name", "apiVersion",
             "kind"],
)  # fmt: skip
def test_a_missing_field_is_named(refusal: Refusal, canary: Make, gone: object, path: str) -> None:
    error = refusal(canary({path: gone}))
    assert (error.path, error.message) == (path, "is missing")


def test_no_weights_at_all_are_refused(refusal: Refusal, canary: Make, gone: object) -> None:
    error = refusal(canary({"spec.analysis.stepWeight": gone}))
    assert error.path == "spec.analysis"
    assert error.allowed == "exactly one of iterations, stepWeight, stepWeights"


@pytest.mark.parametrize(
    ("weights", "path", "words"),
    [
        ([], "spec.analysis.stepWeights", "is empty"),
        ([0, 10], "spec.analysis.stepWeights[0]", "at least 1"),
        ([10, -20], "spec.analysis.stepWeights[1]", "at least 1"),
        ([10, 10], "spec.analysis.stepWeights[1]", "does not rise"),
        ([30, 20], "spec.analysis.stepWeights[1]", "does not rise"),
        (["10"], "spec.analysis.stepWeights[0]", "number is wanted"),
    ],
)
def test_listed_weights_must_rise(
    refusal: Refusal, canary: Make, gone: object, weights: list[Any], path: str, words: str
) -> None:
    changes = {"spec.analysis.stepWeight": gone, "spec.analysis.stepWeights": weights}
    error = refusal(canary(changes))
    assert error.path == path
    assert words in f"{error.message}; {error.allowed}"


def test_the_line_is_that_of_the_value(refusal: Refusal) -> None:
    text = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: shop
spec:
  targetRef: {kind: Deployment, name: shop}
  analysis:
    stepWeight: 10
    metrics:
    - name: request-success-rate
      thresholdRange:
        min: ninety
"""
    error = refusal(text)
    assert str(error).startswith("shop.yaml:12: spec.analysis.metrics[0].thresholdRange.min: ")
    assert "'ninety'" in str(error)


def test_every_missing_binding_is_named_once_with_where_it_can_be_given(
    refusal: Refusal, canary: Make
) -> None:
    error = refusal(canary(), bindings=Bindings(router="traefik_file"))
    assert "router_conn_id, workload, provider, provider_conn_id, every" in error.message
    assert "argument of rollout_dag" in error.allowed
    assert "[rollout] section of airflow.cfg" in error.allowed


def test_a_source_slower_than_the_checks_is_refused(
    refusal: Refusal, canary: Make, bound: Bindings
) -> None:
    error = refusal(canary(), bindings=replace(bound, every_seconds=31.0))
    assert (error.path, error.found) == ("every", "31s")
    assert "30s" in error.allowed


@pytest.mark.parametrize(
    ("known", "path"),
    [
        (Known(routers=("istio",)), "router"),
        (Known(workloads=("deployment",)), "workload"),
        (Known(providers=("prometheus",)), "provider"),
    ],
)
def test_an_unknown_adapter_is_refused_with_those_there_are(
    refusal: Refusal, canary: Make, known: Known, path: str
) -> None:
    error = refusal(canary(), known=known)
    assert error.path == path
    assert error.allowed in ("istio", "deployment", "prometheus")


def test_a_mode_for_a_metric_that_does_not_exist_is_refused(
    refusal: Refusal, canary: Make, bound: Bindings
) -> None:
    said = replace(bound, metric_modes=(("request-sucess-rate", Mode.OBSERVE),))
    error = refusal(canary(), bindings=said)
    assert error.found == "request-sucess-rate"
    assert error.allowed == "request-duration, request-success-rate"

"""What a native file may not say ends in an error that tells how to write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_rollout.analysis.parameters import Mode
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings, Known

Refusal = Callable[..., SpecError]
Make = Callable[..., str]

_STEP = "spec.canary.steps[0]"
_METRIC = "spec.analysis.metrics[0]"
_LATENCY = "spec.analysis.metrics[1]"
_ANALYSIS = "spec.analysis"

# change -> (path of the error, words of the message or of what is allowed)
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({f"{_METRIC}.max": 1}, f"{_METRIC}.max", "a percentage such as 1%"),
    ({f"{_METRIC}.max": 0.01}, f"{_METRIC}.max", "unit is missing"),
    ({f"{_METRIC}.max": "101%"}, f"{_METRIC}.max", "more than all"),
    ({f"{_METRIC}.max": "one percent"}, f"{_METRIC}.max", "not a percentage"),
    ({f"{_METRIC}.min": "1%"}, f"{_METRIC}.min", "does not fit http_500_rate"),
    ({_METRIC: {"name": "success_rate", "max": "1%"}}, f"{_METRIC}.max", "min: "),
    ({f"{_LATENCY}.max": 400}, f"{_LATENCY}.max", "500ms"),
    ({f"{_LATENCY}.max": "400"}, f"{_LATENCY}.max", "not a duration"),
    ({f"{_LATENCY}.max": "0ms"}, f"{_LATENCY}.max", "takes no time"),
    ({f"{_LATENCY}.max": "1%"}, f"{_LATENCY}.max", "not a duration"),
    ({f"{_LATENCY}.min": "1ms"}, f"{_LATENCY}.min", "does not fit a latency"),
    ({f"{_LATENCY}.quantile": 0.5}, f"{_LATENCY}.quantile", "says itself"),
    ({f"{_METRIC}.quantile": 0.5}, f"{_METRIC}.quantile", "says itself"),
    ({_METRIC: {"name": "x", "quantile": 1.0}}, f"{_METRIC}.quantile", "between 0 and 1"),
    ({_METRIC: {"name": "x", "quantile": "99%"}}, f"{_METRIC}.quantile", "between 0 and 1"),
    ({f"{_METRIC}.name": "checkout_errors"}, f"{_METRIC}.name", "any name with a query"),
    ({f"{_METRIC}.name": "p98_latency"}, f"{_METRIC}.name", "p95_latency"),
    ({f"{_METRIC}.name": "a b"}, f"{_METRIC}.name", "usable name"),
    ({f"{_METRIC}.query": "up"}, f"{_METRIC}.query", "without a query"),
    ({f"{_METRIC}.compare": "primary"}, f"{_METRIC}.compare", "stable, none"),
    ({f"{_METRIC}.mode": "watch"}, f"{_METRIC}.mode", "act, observe"),
    ({f"{_METRIC}.weight": 0}, f"{_METRIC}.weight", "0.01 to 100"),
    ({f"{_METRIC}.threshold": 1}, f"{_METRIC}.threshold", "not a known field"),
    ({_METRIC: {"name": "http_500_rate", "compare": "none"}}, _METRIC, "asks nothing"),
    ({_METRIC: {"name": "p50_latency", "compare": "none"}}, _METRIC, "asks nothing"),
    ({_METRIC: {"name": "q", "query": "up"}}, f"{_METRIC}.max", "plain number"),
    ({_METRIC: {"name": "q", "query": " ", "max": 1}}, f"{_METRIC}.query", "is empty"),
    ({_METRIC: {"name": "q", "query": "{{ x }}", "max": 1}}, f"{_METRIC}.query", "nobody fills in"),
    ({_METRIC: {"name": "q", "query": "up", "max": "1%"}}, f"{_METRIC}.max", "plain number"),
    ({_METRIC: {"name": "q", "query": "up", "min": 2, "max": 1}}, f"{_METRIC}.min", "above max"),
    (
        {_METRIC: {"name": "q", "query": "up", "max": 1, "compare": "stable"}},
        f"{_METRIC}.compare",
        "needs counts",
    ),
    (
        {_METRIC: {"name": "q", "query": "up", "max": 1, "quantile": 0.9}},
        f"{_METRIC}.quantile",
        "one of the two",
    ),
    ({f"{_LATENCY}.name": "http_500_rate", f"{_LATENCY}.max": "1%"}, _LATENCY, "asks the same"),
    ({f"{_LATENCY}.name": "http_5xx_rate", f"{_LATENCY}.max": "1%"}, _LATENCY, "asks the same"),
    ({_METRIC: {"name": "tail", "quantile": 0.99}}, _LATENCY, "asks the same as tail"),
    ({f"{_ANALYSIS}.metrics": []}, f"{_ANALYSIS}.metrics", "nothing could stop"),
    ({f"{_STEP}.weight": 0}, f"{_STEP}.weight", "1 to 100"),
    ({f"{_STEP}.weight": 101}, f"{_STEP}.weight", "1 to 100"),
    ({f"{_STEP}.weight": "5%"}, f"{_STEP}.weight", "1 to 100"),
    ({f"{_STEP}.weight": 2.5}, f"{_STEP}.weight", "whole number"),
    ({f"{_STEP}.weight": 30}, "spec.canary.steps[1].weight", "more than 30"),
    ({f"{_STEP}.hold": 120}, f"{_STEP}.hold", "90s"),
    ({f"{_STEP}.hold": "1:30"}, f"{_STEP}.hold", "not a duration"),
    ({f"{_STEP}.hold": "500ms"}, f"{_STEP}.hold", "at least 1s"),
    ({f"{_STEP}.pause": "1m"}, f"{_STEP}.pause", "not a known field"),
    ({"spec.canary.steps": []}, "spec.canary.steps", "at least one step"),
    ({"spec.canary.steps": {"weight": 5}}, "spec.canary.steps", "list is wanted"),
    ({"spec.canary.steps": [5, 10]}, _STEP, "fields are wanted"),
    ({"spec.canary.verify": "0s"}, "spec.canary.verify", "at least 1s"),
    ({f"{_ANALYSIS}.interval": "1s"}, f"{_ANALYSIS}.interval", "2s to 1m30s"),
    ({f"{_ANALYSIS}.interval": "2m"}, f"{_ANALYSIS}.interval", "2s to 1m30s"),
    ({f"{_ANALYSIS}.interval": 10}, f"{_ANALYSIS}.interval", "unit is missing"),
    ({f"{_ANALYSIS}.failure_limit": 0}, f"{_ANALYSIS}.failure_limit", "at least 1"),
    ({f"{_ANALYSIS}.min_requests": 0}, f"{_ANALYSIS}.min_requests", "at least 1"),
    ({f"{_ANALYSIS}.alpha": 0.01}, f"{_ANALYSIS}.alpha", "unit is missing"),
    ({f"{_ANALYSIS}.alpha": "0%"}, f"{_ANALYSIS}.alpha", "up to 50%"),
    ({f"{_ANALYSIS}.alpha": "51%"}, f"{_ANALYSIS}.alpha", "up to 50%"),
    ({f"{_ANALYSIS}.warmup": 30}, f"{_ANALYSIS}.warmup", "unit is missing"),
    ({f"{_ANALYSIS}.dispersion": 0.5}, f"{_ANALYSIS}.dispersion", "1 to 1000"),
    ({f"{_ANALYSIS}.comparison": "none"}, f"{_ANALYSIS}.comparison", "true, false"),
    ({f"{_ANALYSIS}.comparison.alpha": 1}, f"{_ANALYSIS}.comparison.alpha", "not a known field"),
    (
        {f"{_ANALYSIS}.comparison.restart_share": "100%"},
        f"{_ANALYSIS}.comparison.restart_share",
        "below 100%",
    ),
    (
        {f"{_ANALYSIS}.comparison.tolerance": 0.9},
        f"{_ANALYSIS}.comparison.tolerance",
        "1 to 100",
    ),
    ({f"{_ANALYSIS}.source.every": 1}, f"{_ANALYSIS}.source.every", "unit is missing"),
    ({f"{_ANALYSIS}.source.every": "10ms"}, f"{_ANALYSIS}.source.every", "at least 100ms"),
    ({f"{_ANALYSIS}.source.provider": ""}, f"{_ANALYSIS}.source.provider", "is empty"),
    ({"spec.workload.kind": 5}, "spec.workload.kind", "text is wanted"),
    ({"spec.workload.ports": {"a": 1}}, "spec.workload.ports", "this is a mapping"),
    ({"spec.traffic.service": "../x"}, "spec.traffic.service", "usable name"),
    ({"spec.on_busy": "wait"}, "spec.on_busy", "queue, refuse"),
    ({"spec.ready_timeout": "0s"}, "spec.ready_timeout", "at least 1s"),
    ({"spec.strategy": {}}, "spec.strategy", "not a known field"),
    ({"metadata.labels": []}, "metadata.labels", "mapping"),
    ({"metadata.uid": "x"}, "metadata.uid", "not a known field"),
    ({"kind": "Canary"}, "kind", "kind Rollout"),
]


@pytest.mark.parametrize(
    ("changes", "path", "words"), WRONG, ids=[f"{c[1]}-{n}" for n, c in enumerate(WRONG)]
)
def test_a_wrong_value_is_refused_with_its_place(
    refusal: Refusal, rollout: Make, changes: dict[str, Any], path: str, words: str
) -> None:
    error = refusal(rollout(changes), bindings=Bindings())
    assert error.path == path
    assert words in f"{error.message}; {error.allowed}"
    assert error.line is not None


@pytest.mark.parametrize(
    "path", ["metadata", "metadata.name", "spec", "spec.canary", "spec.canary.steps",
             "spec.canary.steps[0].hold", "spec.canary.steps[0].weight", "spec.analysis",
             "spec.analysis.metrics", "spec.analysis.metrics[0].name"],
)  # fmt: skip
def test_a_missing_field_is_named(refusal: Refusal, rollout: Make, gone: object, path: str) -> None:
    error = refusal(rollout({path: gone}))
    assert (error.path, error.message) == (path, "is missing")


@pytest.mark.parametrize(
    ("path", "binding"),
    [
        ("spec.workload.kind", "`workload`"),
        ("spec.traffic.router", "`router`"),
        ("spec.traffic.conn_id", "`router_conn_id`"),
        ("spec.analysis.source.provider", "`provider`"),
        ("spec.analysis.source.conn_id", "`provider_conn_id`"),
        ("spec.analysis.source.every", "`every`"),
    ],
)
def test_what_neither_file_nor_call_says_is_named_with_both_places(
    refusal: Refusal, rollout: Make, gone: object, path: str, binding: str
) -> None:
    whole = path.rpartition(".")[0]
    for missing in (path, whole):
        error = refusal(rollout({missing: gone}), bindings=Bindings())
        assert error.message == "is missing"
        assert error.path == path or missing == whole
        assert "rollout_dag" in error.allowed
        assert "airflow.cfg" in error.allowed
    assert binding in refusal(rollout({path: gone}), bindings=Bindings()).allowed


def test_an_empty_field_is_no_default(refusal: Refusal, rollout: Make) -> None:
    for path in ("spec.canary.verify", "spec.on_busy", "spec.analysis.interval", "spec.workload"):
        assert refusal(rollout({path: None})).path == path


def test_a_full_step_and_verify_say_it_twice(refusal: Refusal, rollout: Make) -> None:
    steps = [{"weight": 100, "hold": "1m"}]
    error = refusal(rollout({"spec.canary.steps": steps, "spec.canary.verify": "1m"}))
    assert error.path == "spec.canary.verify"


@pytest.mark.parametrize(
    ("known", "path", "found"),
    [
        (Known(routers=("istio",)), "spec.traffic.router", "traefik_file"),
        (Known(workloads=("deployment",)), "spec.workload.kind", "endpoints"),
        (Known(providers=("prometheus",)), "spec.analysis.source.provider", "scrape"),
        (Known(providers=()), "spec.analysis.source.provider", "scrape"),
    ],
)
def test_an_unknown_adapter_is_refused_at_its_line(
    refusal: Refusal, rollout: Make, known: Known, path: str, found: str
) -> None:
    error = refusal(rollout(), known=known)
    assert (error.path, error.found) == (path, found)
    assert error.line is not None


def test_nothing_of_a_native_file_can_be_ignored(refusal: Refusal, rollout: Make) -> None:
    error = refusal(rollout(), ignore=["spec.analysis"])
    assert error.found == "spec.analysis"
    assert "every field of this file is executed" in error.allowed


def test_a_mode_for_a_question_nobody_asks_is_refused(refusal: Refusal, rollout: Make) -> None:
    error = refusal(rollout(), bindings=Bindings(metric_modes=(("p95_latency", Mode.OBSERVE),)))
    assert (error.path, error.found) == ("metric_modes", "p95_latency")
    assert error.allowed == "http_500_rate, p99_latency"

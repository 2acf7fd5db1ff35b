"""Every field of a Canary is typed, and what is not executed is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.dialects import why_unsupported
from airflow_rollout.spec.flagger_fields import FIELDS, Fate
from airflow_rollout.spec.model import RolloutSpec

Read = Callable[..., RolloutSpec]
Refusal = Callable[..., SpecError]
Make = Callable[..., str]

_REF = {"apiVersion": "v1", "name": "x"}

# Fields that are not executed, each with a value that would matter.
UNSUPPORTED: dict[str, Any] = {
    "spec.autoscalerRef": _REF | {"kind": "HorizontalPodAutoscaler"},
    "spec.skipAnalysis": True,
    "spec.suspend": True,
    "spec.service.timeout": "15s",
    "spec.service.backendTimeout": "15s",
    "spec.service.trafficPolicy": {"tls": {"mode": "DISABLE"}},
    "spec.service.match": [{"uri": {"prefix": "/a"}}],
    "spec.service.rewrite": {"uri": "/"},
    "spec.service.retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx"},
    "spec.service.headers": {"request": {"add": {"x-a": "b"}, "remove": ["x-c"]}},
    "spec.service.corsPolicy": {"allowOrigin": ["*"], "allowCredentials": False, "maxAge": "24h"},
    "spec.service.mirror": [{"backendRef": {"name": "x"}}],
    "spec.analysis.stepWeightPromotion": 50,
    "spec.analysis.match": [{"headers": {"x-canary": {"exact": "always"}}}],
    "spec.analysis.mirror": True,
    "spec.analysis.mirrorWeight": 50,
    "spec.analysis.sessionAffinity": {"cookieName": "c", "maxAge": 60, "sameSite": "Lax"},
    "spec.analysis.primaryReadyThreshold": 50,
    "spec.analysis.canaryReadyThreshold": 50,
}
# Fields that only say how Flagger makes or finds Kubernetes objects.
REPLACED: dict[str, Any] = {
    "spec.provider": "istio",
    "spec.metricsServer": "http://metrics:9090",
    "spec.ingressRef": _REF | {"kind": "Ingress"},
    "spec.routeRef": _REF | {"kind": "ApisixRoute"},
    "spec.upstreamRef": _REF | {"kind": "Upstream", "namespace": "net"},
    "spec.revertOnDeletion": True,
    "spec.service.portName": "http",
    "spec.service.targetPort": "web",
    "spec.service.appProtocol": "http",
    "spec.service.trafficDistribution": "PreferClose",
    "spec.service.portDiscovery": True,
    "spec.service.headless": True,
    "spec.service.gateways": ["mesh"],
    "spec.service.gatewayRefs": [{"name": "g", "namespace": "net", "port": 80}],
    "spec.service.hosts": ["shop.example.com"],
    "spec.service.delegation": True,
    "spec.service.meshName": "global",
    "spec.service.backends": ["one"],
    "spec.service.apex": {"annotations": {"a/b": "c"}, "labels": {"x": "y1"}},
    "spec.service.primary": {"annotations": {"a/b": "c"}},
    "spec.service.canary": {"labels": {"a": "c"}},
    "spec.service.unmanagedMetadata": {"labels": ["a"], "annotations": ["b"]},
}
# Values with which an unsupported field changes nothing.
NEUTRAL: dict[str, Any] = {
    "spec.skipAnalysis": False,
    "spec.suspend": False,
    "spec.service.match": [],
    "spec.service.timeout": "",
    "spec.analysis.stepWeightPromotion": 0,
    "spec.analysis.match": [],
    "spec.analysis.mirror": False,
    "spec.analysis.mirrorWeight": 0,
    "spec.analysis.primaryReadyThreshold": 100,
    "spec.analysis.canaryReadyThreshold": 100,
    "spec.analysis.webhooks": [],
    "spec.analysis.alerts": [],
}


def _with(path: str, value: object) -> dict[str, object]:
    # Flagger demands a port as soon as there is a service.
    return ({"spec.service.port": 80} if path.startswith("spec.service") else {}) | {path: value}


@pytest.mark.parametrize("path", UNSUPPORTED)
def test_a_field_that_would_matter_is_listed_with_the_reason(
    read: Read, canary: Make, path: str
) -> None:
    spec = read(canary(_with(path, UNSUPPORTED[path])))
    assert spec.unsupported == (path,)
    assert len(why_unsupported(spec, path)) > 10


@pytest.mark.parametrize("path", REPLACED)
def test_a_field_the_call_stands_for_is_read_and_costs_nothing(
    read: Read, canary: Make, path: str
) -> None:
    assert read(canary(_with(path, REPLACED[path]))) == read(canary())


@pytest.mark.parametrize("path", NEUTRAL)
def test_a_value_that_changes_nothing_is_not_listed(read: Read, canary: Make, path: str) -> None:
    assert read(canary(_with(path, NEUTRAL[path]))).unsupported == ()


def test_every_unsupported_field_of_the_table_is_tried_here() -> None:
    listed = {path for path, (_, fate, _) in FIELDS.items() if fate is Fate.UNSUPPORTED}
    elsewhere = {
        "spec.analysis.iterations",
        "spec.analysis.webhooks[]",
        "spec.analysis.alerts[]",
        "spec.analysis.metrics[].templateRef",
    }
    assert listed == set(UNSUPPORTED) | elsewhere


def test_every_replaced_field_of_the_table_is_tried_here() -> None:
    listed = {path for path, (_, fate, _) in FIELDS.items() if fate is Fate.REPLACED}
    elsewhere = {"status", "spec.service.port"}
    assert listed == set(REPLACED) | elsewhere


@pytest.mark.parametrize("path", [path for path in FIELDS if not path.endswith("[]")])
def test_every_field_refuses_a_wrong_type_with_its_path(
    refusal: Refusal, canary: Make, path: str
) -> None:
    """No field takes both a list of lists and whatever it should be."""
    wrong = path.replace("[]", "[0]")
    changes: dict[str, object] = {
        "spec.service.port": 80,
        "spec.analysis.webhooks": [{"name": "a", "url": "http://x"}],
        "spec.analysis.alerts": [{"name": "a", "providerRef": {"name": "x"}}],
    }
    error = refusal(canary(changes | {wrong: [["wrong"]]}))
    assert error.path.startswith(wrong)
    assert error.line is not None
    assert error.allowed


@pytest.mark.parametrize(
    "path",
    ["spce", "spec.targetref", "spec.analysis.stepWeigth", "spec.analysis.metrics[0].treshold",
     "spec.service.prot", "spec.analysis.metrics[1].thresholdRange.maximum",
     "spec.autoscalerRef.kin"],
)  # fmt: skip
def test_an_unknown_field_is_refused_with_the_nearest_name(
    refusal: Refusal, canary: Make, path: str
) -> None:
    error = refusal(canary({"spec.service.port": 80, "spec.autoscalerRef": _REF, path: {}}))
    assert error.path == path
    assert "not a known field" in error.message
    assert path.rpartition(".")[2] not in error.allowed.split(", ")


def test_a_misspelling_is_answered_with_the_word(refusal: Refusal, canary: Make) -> None:
    error = refusal(canary({"spec.analysis.stepWeigth": 5}))
    assert "did you mean `stepWeight`?" in error.message


def test_hooks_and_alerts_are_listed_one_by_one(read: Read, canary: Make) -> None:
    hooks = [
        {"name": "smoke", "type": "pre-rollout", "url": "http://x/", "timeout": "5s"},
        {"name": "load", "url": "http://x/", "metadata": {"cmd": "hey"}, "retries": 2},
        {"name": "ask", "type": "confirm-promotion", "url": "http://x/", "muteAlert": True},
    ]
    alerts = [{"name": "chat", "severity": "error", "providerRef": {"name": "chat"}}]
    spec = read(canary({"spec.analysis.webhooks": hooks, "spec.analysis.alerts": alerts}))
    assert spec.unsupported == (
        "spec.analysis.webhooks[0]", "spec.analysis.webhooks[1]", "spec.analysis.webhooks[2]",
        "spec.analysis.alerts[0]",
    )  # fmt: skip
    assert why_unsupported(spec, "spec.analysis.webhooks[2]") == "the hook is not called"


def test_a_metric_of_a_template_is_listed_and_not_asked(read: Read, canary: Make) -> None:
    metric = {"name": "latency", "templateRef": {"name": "t"}, "thresholdRange": {"max": 5}}
    spec = read(canary({"spec.analysis.metrics[1]": metric}))
    assert spec.unsupported == ("spec.analysis.metrics[1].templateRef",)
    assert [(m.name, m.weight) for m in spec.judge.metrics] == [("request-success-rate", 1.0)]


@pytest.mark.parametrize(
    "query",
    ["{{ ingress }}", "{{ variables.x }}", "{{ route }}", "{{ if name }}a{{ end }}", "{{ a"],
)
def test_a_query_that_needs_more_is_listed_and_not_asked(
    read: Read, canary: Make, query: str
) -> None:
    metric = {"name": "queue", "query": query, "thresholdRange": {"max": 5}}
    spec = read(canary({"spec.analysis.metrics[1]": metric}))
    assert spec.unsupported == ("spec.analysis.metrics[1].query",)
    assert "more than name, namespace" in why_unsupported(spec, spec.unsupported[0])
    assert [(m.name, m.weight) for m in spec.judge.metrics] == [("request-success-rate", 1.0)]


def test_a_query_beside_a_built_in_metric_is_listed(read: Read, canary: Make) -> None:
    """Flagger checks both of them against the same limit."""
    spec = read(canary({"spec.analysis.metrics[0].query": "up"}))
    assert spec.unsupported == ("spec.analysis.metrics[0].query",)
    assert spec.judge.metrics == read(canary()).judge.metrics


def test_blue_green_has_no_weights_and_is_listed(read: Read, canary: Make, gone: object) -> None:
    changes = {
        "spec.analysis.stepWeight": gone,
        "spec.analysis.maxWeight": gone,
        "spec.analysis.iterations": 10,
    }
    spec = read(canary(changes))
    assert (spec.steps, spec.unsupported) == ((), ("spec.analysis.iterations",))


def test_ignored_fields_are_kept_apart(read: Read, canary: Make) -> None:
    changes = {
        "spec.analysis.webhooks": [{"name": name, "url": "http://x/"} for name in "ab"],
        "spec.analysis.mirror": True,
    }
    spec = read(canary(changes), ignore=["spec.analysis.webhooks"])
    assert spec.ignored == ("spec.analysis.webhooks[0]", "spec.analysis.webhooks[1]")
    assert spec.unsupported == ("spec.analysis.mirror",)
    spec = read(canary(changes), ignore=["spec.analysis.webhooks[1]", "spec.analysis.mirror"])
    assert spec.unsupported == ("spec.analysis.webhooks[0]",)


@pytest.mark.parametrize(
    "entry",
    ["spec.analysis.webhook", "spec.analysis.alerts", "spec.analysis.webhooks[1]", "webhooks", "",
     "spec.analysis.metrics", "spec.analysis.webhooks[0].url"],
)  # fmt: skip
def test_an_entry_that_ignores_nothing_is_refused(
    refusal: Refusal, canary: Make, entry: str
) -> None:
    text = canary({"spec.analysis.webhooks": [{"name": "a", "url": "http://x/"}]})
    error = refusal(text, ignore=[entry])
    assert error.found == entry
    assert error.allowed == "spec.analysis.webhooks[0]"


@pytest.mark.parametrize(
    ("path", "value"), [("spec.analysis.iterations", 5), ("spec.suspend", True)]
)
def test_what_makes_it_another_kind_of_release_cannot_be_ignored(
    refusal: Refusal, canary: Make, gone: object, path: str, value: object
) -> None:
    changes = {path: value}
    if path.endswith("iterations"):
        changes |= {"spec.analysis.stepWeight": gone, "spec.analysis.maxWeight": gone}
    error = refusal(canary(changes), ignore=["spec"])
    assert error.path == path
    assert "cannot be ignored" in error.message


def test_ignoring_the_only_metric_leaves_nothing_to_judge_by(
    refusal: Refusal, canary: Make
) -> None:
    text = canary({"spec.analysis.metrics": [{"name": "x", "templateRef": {"name": "t"},
                                              "thresholdRange": {"max": 1}}]})  # fmt: skip
    error = refusal(text, ignore=["spec.analysis.metrics[0].templateRef"])
    assert error.path == "spec.analysis.metrics"
    assert "nothing could stop a bad release" in error.message

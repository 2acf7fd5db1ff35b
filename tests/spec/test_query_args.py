"""Argo's arguments in native queries: given in the file, or refused with their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.model import RolloutSpec

Read = Callable[..., RolloutSpec]
Make = Callable[..., str]
Refusal = Callable[..., SpecError]

QUERY = 'sum(irate(istio_requests_total{destination_service=~"{{args.service-name}}"}[5m]))'


def written(make: Make, query: str, *args: Any, **changes: Any) -> str:
    metric = {"name": "mine", "query": query, "max": 1}
    return make({"spec.analysis.metrics": [metric], "spec.analysis.args": list(args), **changes})


def test_an_argument_is_put_in_wherever_it_is_named(read: Read, rollout: Make) -> None:
    text = written(
        rollout,
        "{{args.service-name}}/{{ args.restarts.initial-delay }}/{{ arm }}/{{args.service-name}}",
        {"name": "service-name", "value": "shop.svc"},
        {"name": "restarts.initial-delay", "value": "60s"},
    )
    assert read(text).judge.metrics[0].query == "shop.svc/60s/{{ arm }}/shop.svc"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "shop"),
        ("metadata.namespace", "market"),
        ("metadata.labels['team']", "payments"),
    ],
)
def test_a_value_may_be_the_files_own_metadata(
    read: Read, rollout: Make, path: str, value: str
) -> None:
    known = {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": path}}}
    text = written(rollout, "{{args.a}}", known, **{"metadata.labels": {"team": "payments"}})
    assert read(text).judge.metrics[0].query == value


def from_(**source: Any) -> dict[str, Any]:
    return {"name": "service-name", "valueFrom": source}


@pytest.mark.parametrize(
    ("args", "path", "words"),
    [
        ([], "metrics[0].query", "none: analysis has no args"),
        ([{"name": "other", "value": "x"}], "metrics[0].query", "args.other"),
        ([{"value": "x"}], "args[0].name", "is missing"),
        ([{"name": "a b", "value": "x"}], "args[0].name", "no name of its own"),
        ([{"name": "a", "value": "x"}, {"name": "a", "value": "y"}], "args[1].name", "once"),
        ([{"name": "service-name"}], "args[0]", "value or valueFrom"),
        ([{"name": "a", "value": "x", "valueFrom": {}}], "args[0]", "value or valueFrom"),
        ([from_(podTemplateHashValue="Latest")], "valueFrom.podTemplateHashValue", "{{ arm }}"),
        ([from_(secretKeyRef={"name": "s", "key": "k"})], "valueFrom.secretKeyRef", "connection"),
        ([from_()], "valueFrom.fieldRef", "is missing"),
        ([from_(fieldRef={})], "fieldRef.fieldPath", "metadata.name"),
        ([from_(fieldRef={"fieldPath": "status.phase"})], "fieldRef.fieldPath", "not in the file"),
        ([from_(configMapRef={})], "valueFrom.configMapRef", "fieldRef"),
    ],
)
def test_what_nobody_knows_is_refused_with_its_place(
    refusal: Refusal, rollout: Make, args: list[Any], path: str, words: str
) -> None:
    error = refusal(written(rollout, QUERY, *args))
    assert str(error.path).endswith(path)
    assert words in str(error)

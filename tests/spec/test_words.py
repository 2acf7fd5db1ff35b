from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from airflow_rollout.analysis.parameters import Comparison, Mode
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.spec.words import say_question

Read = Callable[..., RolloutSpec]
Make = Callable[..., str]


def _said(spec: RolloutSpec) -> list[str]:
    return [say_question(spec, metric) for metric in spec.judge.metrics]


def test_flaggers_limits_keep_their_units(read: Read, canary: Make) -> None:
    assert _said(read(canary())) == [
        "success rate at least 99 %, and no worse than stable",
        "P99 latency at most 250ms, and no worse than stable",
    ]


def test_native_questions_read_as_they_are_written(read: Read, rollout: Make) -> None:
    metrics = [
        {"name": "http_500_rate", "max": "0.5%"},
        {"name": "success_rate", "compare": "none", "min": "99%"},
        {"name": "p50_latency", "max": "1.5s", "mode": "observe"},
        {"name": "p90_latency"},
        {"name": "queue", "query": "x", "max": 5, "min": 1},
    ]
    found = [_said(read(rollout({"spec.analysis.metrics": [metric]})))[0] for metric in metrics]
    assert found == [
        "5xx rate at most 0.5 %, and no worse than stable",
        "5xx rate at most 1 %",
        "P50 latency at most 1.5s, and no worse than stable (observed only)",
        "P90 latency as on stable",
        "value at least 1 and at most 5",
    ]


def test_a_comparison_that_is_off_is_not_promised(read: Read, canary: Make) -> None:
    spec = read(canary())
    off = replace(spec, judge=replace(spec.judge, comparison=Comparison(enabled=False)))
    assert _said(off) == ["success rate at least 99 %", "P99 latency at most 250ms"]


def test_a_rollout_that_observes_says_so_at_every_question(read: Read, canary: Make) -> None:
    spec = read(canary())
    observing = replace(spec, judge=replace(spec.judge, mode=Mode.OBSERVE))
    assert all(text.endswith("(observed only)") for text in _said(observing))

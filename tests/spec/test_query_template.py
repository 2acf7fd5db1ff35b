"""Names in native queries: filled in, or refused when the file is read."""

from __future__ import annotations

import pytest

from airflow_rollout.spec.query_template import fill_query, unknown_names


@pytest.mark.parametrize(
    ("query", "filled"),
    [
        ("up", "up"),
        ('a{b="{{ service }}-{{arm}}"}', 'a{b="app-canary"}'),
        ("{{  namespace  }}", "prod"),
        ('sum(x{a=~".*"}) by (b)', 'sum(x{a=~".*"}) by (b)'),
        ('{"queries": {"a": {"b": 1}}}', '{"queries": {"a": {"b": 1}}}'),
    ],
)
def test_known_names_are_filled_in_and_other_braces_stay(query: str, filled: str) -> None:
    assert unknown_names(query) == []
    assert fill_query(query, arm="canary", namespace="prod", service="app") == filled


@pytest.mark.parametrize(
    ("query", "unknown"),
    [
        ("{{ args.service }}", ["args.service"]),
        ("{{ target }}/{{ arm }}", ["target"]),
        ("{{ arm", ["{{"]),
        ("{{ index x 1 }}", ["index x 1"]),
        ("{{}}", [""]),
        ("{{{ arm }}}", []),
    ],
)
def test_names_that_nobody_fills_in_are_found(query: str, unknown: list[str]) -> None:
    assert unknown_names(query) == unknown

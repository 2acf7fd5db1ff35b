"""The README's tables say what the registries hold: no more, no less."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from readme import TEXT, first_words, table, words
from tree import ROOT

from airflow_rollout.cli.main import COMMANDS
from airflow_rollout.errors import SpecError
from airflow_rollout.metrics.registry import PROVIDERS, make_provider
from airflow_rollout.provider_info import CONNECTION_FORMS, get_provider_info
from airflow_rollout.spec import native, native_analysis, native_metrics
from airflow_rollout.spec.dialects import DIALECTS
from airflow_rollout.spec.model import MetricSource, TrafficRef, WorkloadRef
from airflow_rollout.traffic.base import Feature
from airflow_rollout.traffic.registry import ROUTERS, make_router
from airflow_rollout.workloads.registry import TARGETS, WORKLOADS, make_workload

_NO_OPTION = (("no_such_option", "x"),)


def _provider(key: str, options: tuple[tuple[str, str], ...] = ()) -> object:
    source = MetricSource(provider=key, conn_id="c", every_seconds=1.0, options=options)
    return make_provider(source)


def _router(key: str, options: tuple[tuple[str, str], ...] = ()) -> object:
    return make_router(
        TrafficRef(router=key, service="s", conn_id="c", options=options), namespace="n"
    )


def _workload(key: str, options: tuple[tuple[str, str], ...] = ()) -> object:
    ref = WorkloadRef(kind=key, name="w", options=options)
    return make_workload(ref, namespace="n", service="s")


_MAKERS: dict[str, Callable[..., object]] = {
    "providers": _provider,
    "routers": _router,
    "workloads": _workload,
}


@pytest.mark.parametrize(
    ("name", "registry"),
    [("providers", PROVIDERS), ("routers", ROUTERS), ("workloads", WORKLOADS)],
)
def test_a_table_has_a_row_for_each_adapter(name: str, registry: dict[str, object]) -> None:
    assert first_words(name) == list(registry)


@pytest.mark.parametrize("name", _MAKERS)
def test_a_row_names_every_option_of_its_adapter(name: str) -> None:
    for row in table(name):
        key = words(next(iter(row.values())))[0]
        with pytest.raises(SpecError) as refused:
            _MAKERS[name](key, _NO_OPTION)
        options = re.findall(r"(?:^|; )(\w+) \(", refused.value.allowed)
        assert sorted(words(row["options"])) == sorted(options), key


@pytest.mark.parametrize("name", ["providers", "routers"])
def test_a_row_names_the_type_of_its_adapters_connection(name: str) -> None:
    for row in table(name):
        key = words(next(iter(row.values())))[0]
        assert words(row["connection type"]) == [CONNECTION_FORMS[key].conn_type]


@pytest.mark.parametrize(
    ("column", "feature"),
    [
        ("conditional write", Feature.CONDITIONAL_WRITE),
        ("live weight read back", Feature.READ_BACK),
    ],
)
def test_a_routers_row_says_what_it_can_do(column: str, feature: Feature) -> None:
    for row in table("routers"):
        router = _router(words(row["router"])[0])
        assert row[column] == ("yes" if feature in router.features else "no")  # type: ignore[attr-defined]


def test_a_workloads_row_says_what_a_release_says() -> None:
    said = {words(row["workload"])[0]: words(row["a release says"]) for row in table("workloads")}
    assert said == {key: [form.name] for key, form in TARGETS.items()}


def test_the_dialects_are_those_that_are_read() -> None:
    rows = [(words(row["apiVersion"])[0], words(row["kind"])[0]) for row in table("dialects")]
    assert rows == list(DIALECTS)


def test_the_commands_are_those_of_the_command_line() -> None:
    assert sorted(first_words("commands")) == sorted(name for name, _, _ in COMMANDS)


def test_the_settings_are_those_of_the_provider() -> None:
    options = get_provider_info()["config"]["rollout"]["options"]
    assert sorted(first_words("settings")) == sorted(options)
    for row in table("settings"):
        for name in words(row["option"]):
            assert "".join(words(row["default"])) == str(options[name]["default"] or "")


def test_the_questions_are_those_of_the_native_format() -> None:
    assert sorted(first_words("metric names")) == sorted(native_metrics.METRIC_NAMES)


def test_the_native_fields_are_those_that_are_read() -> None:
    spec = {f"spec.{name}" for name in native._SPEC if name not in ("canary", "analysis")}
    metadata = {f"metadata.{name}" for name in native._METADATA}
    analysis = {f"spec.analysis.{name}" for name in native_analysis._ANALYSIS}
    canary = {"spec.canary.steps", "spec.canary.verify"}
    assert set(first_words("native fields")) == spec | metadata | analysis | canary


def test_the_fields_of_a_question_and_of_the_comparison_are_all_named() -> None:
    comparison = next(row for row in table("native fields") if "comparison" in row["field"])[
        "meaning"
    ]
    assert set(native_analysis._COMPARISON) <= set(words(comparison))
    intro = re.search(r"^Questions \((.+?)\):$", TEXT, re.DOTALL | re.MULTILINE)
    assert intro
    assert set(native_metrics._FIELDS) <= set(words(intro[1]))


@pytest.mark.parametrize("document", ["README.md", "AGENTS.md"])
def test_links_lead_to_files_of_the_repository(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_make_targets_the_documents_name_exist() -> None:
    makefile = Path(ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {
        target
        for document in ("README.md", "AGENTS.md")
        for target in re.findall(r"[`\n]make ([a-z]+)", (ROOT / document).read_text())
    }
    assert {"demo", "test"} <= named <= targets

"""One word, one meaning: names of folders, adapters, classes and parameters."""

from __future__ import annotations

import ast
import re

import pytest
from tree import PACKAGE, in_folder, modules

from airflow_rollout.metrics.registry import PROVIDERS
from airflow_rollout.spec.dialects import DIALECTS
from airflow_rollout.traffic.registry import ROUTERS
from airflow_rollout.workloads.registry import TARGETS, WORKLOADS

_DUMPING_GROUNDS = frozenset(
    {"common", "constants", "helper", "helpers", "misc", "shared", "util", "utils"}
)
# Words of other projects for things that have a name here already.
_FOREIGN_WORDS = frozenset(
    {"baseline", "kpi", "revert", "rollforward", "phase", "stage", "blue", "green", "helper"}
)
_MOST_PARAMETERS = 8
_ADAPTERS = [
    *(("metrics", key, "Provider") for key in PROVIDERS),
    *(("traffic", key, "Router") for key in ROUTERS),
    *(("workloads", key, "Workload") for key in WORKLOADS),
]


def test_no_folder_and_no_file_is_a_dumping_ground() -> None:
    named = {part for module in modules() for part in module.name.split(".")}
    assert not named & _DUMPING_GROUNDS


@pytest.mark.parametrize(("folder", "key", "kind"), _ADAPTERS)
def test_an_adapter_has_its_keys_name_as_file_and_as_class(
    folder: str, key: str, kind: str
) -> None:
    module = next((m for m in in_folder(folder) if m.path.stem == key), None)
    assert module is not None, f"no airflow_rollout/{folder}/{key}.py"
    assert "".join(part.title() for part in key.split("_")) + kind in module.definitions


@pytest.mark.parametrize("registry", [PROVIDERS, ROUTERS, WORKLOADS, TARGETS, DIALECTS])
def test_registries_are_sorted(registry: dict[object, object]) -> None:
    assert list(registry) == sorted(registry)  # type: ignore[type-var]


def test_a_workload_says_how_a_release_names_its_target() -> None:
    assert set(TARGETS) == set(WORKLOADS)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_a_dialect_has_its_own_file(dialect: object) -> None:
    assert (PACKAGE / "spec" / f"{dialect.name}.py").is_file()  # type: ignore[attr-defined]


def test_classes_and_functions_use_the_projects_words() -> None:
    foreign = {
        f"{module}.{name}"
        for module in modules()
        for name in module.definitions
        for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)
        if word.lower() in _FOREIGN_WORDS
    }
    assert not foreign


def _tasks(folder: str) -> list[ast.ClassDef]:
    """Return the public operators, sensors or triggers of a folder, by what they derive from."""
    return [
        node
        for module in in_folder(folder)
        for node in module.definitions.values()
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any(
            ast.unparse(parent).endswith(("Operator", "Sensor", "Trigger")) for parent in node.bases
        )
    ]


@pytest.mark.parametrize(
    ("folder", "ending"),
    [("operators", "Operator"), ("sensors", "Sensor"), ("triggers", "Trigger")],
)
def test_tasks_and_triggers_end_with_what_they_are(folder: str, ending: str) -> None:
    names = [node.name for node in _tasks(folder)]
    assert names
    assert [name for name in names if not name.endswith(ending)] == []


def test_operators_have_few_parameters_all_by_keyword() -> None:
    faults = {}
    for node in [n for folder in ("operators", "sensors") for n in _tasks(folder)]:
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                own = [argument.arg for argument in item.args.kwonlyargs]
                positional = [argument.arg for argument in item.args.args[1:]]
                if positional or len(own) > _MOST_PARAMETERS:
                    faults[node.name] = positional or own
    assert not faults

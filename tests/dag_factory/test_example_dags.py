"""Everything in `dags/` is a release that Airflow can load, store and start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))


@pytest.fixture(scope="module")
def bag() -> DagBag:
    # In safe mode Airflow only opens files that name both it and a DAG.
    return DagBag(DAGS, safe_mode=True)


def test_the_example_for_kubernetes_is_released_by_image() -> None:
    found = DagBag(DAGS.parent / "examples" / "kubernetes", safe_mode=True)
    assert found.import_errors == {}
    dag = found.dags["checkout"]
    assert {"version", "image"} <= set(dag.params)
    assert {"prepare", "rollback", "released", "ensure_safe"} <= set(dag.task_dict)


def dags_of(bag: DagBag, file: Path) -> list[DAG]:
    return [dag for dag in bag.dags.values() if Path(dag.fileloc) == file]


def test_every_file_is_loaded_without_an_error(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert {"payment-service", "checkout"} <= set(bag.dags)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_makes_dags_of_its_own(bag: DagBag, file: Path) -> None:
    assert dags_of(bag, file), "no DAG has this file as its place"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_dag_can_be_stored_and_has_what_a_release_needs(bag: DagBag, file: Path) -> None:
    for dag in dags_of(bag, file):
        data = json.loads(json.dumps(DagSerialization.to_dict(dag)))
        stored: Any = DagSerialization.from_dict(data)
        assert {"prepare", "rollback", "released", "ensure_safe"} <= set(stored.task_dict)
        assert {"version", "url"} <= set(stored.params)


@pytest.mark.parametrize("file", sorted((DAGS / "specs").iterdir()), ids=lambda file: file.name)
def test_every_document_is_used_by_a_dag(bag: DagBag, file: Path) -> None:
    used = {
        Path(task.spec.file).resolve()
        for dag in bag.dags.values()
        for task in dag.tasks
        if hasattr(task, "spec")
    }
    assert file.resolve() in used


def test_payment_service_goes_up_as_its_flagger_file_says(bag: DagBag) -> None:
    dag = bag.dags["payment-service"]
    spec: Any = dag.get_task("rollback").spec  # type: ignore[attr-defined]
    assert [step.weight for step in spec.steps] == [10, 20, 30, 40, 50]
    assert {step.hold_seconds for step in spec.steps} == {60.0}
    assert spec.judge.failure_limit == 5

"""What Airflow discovers about this package."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk.configuration import conf

import airflow_rollout
from airflow_rollout.dag_factory.said import Said
from airflow_rollout.metrics.registry import PROVIDERS
from airflow_rollout.provider_info import CONNECTION_FORMS, get_provider_info
from airflow_rollout.traffic.registry import ROUTERS

INFO = get_provider_info()
PACKAGE = Path(airflow_rollout.__file__).parent


def modules_of(kind: str) -> set[str]:
    return {module for group in INFO[kind] for module in group["python-modules"]}


def load(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def test_it_is_what_airflows_own_schema_demands() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema, format_checker=jsonschema.FormatChecker())


def test_airflow_finds_it_by_its_entry_points() -> None:
    found = {
        (group, entry.load())
        for group in ("apache_airflow_provider", "airflow.plugins")
        for entry in entry_points(group=group)
        if entry.value.startswith("airflow_rollout.")
    }
    plugin = load("airflow_rollout.plugin.RolloutPlugin")
    assert found == {("apache_airflow_provider", get_provider_info), ("airflow.plugins", plugin)}


# What the tasks of a release are derived from; nobody uses them by themselves.
_BASES = {"ReleaseOperator", "WayBackOperator"}


@pytest.mark.parametrize("kind", ["operators", "sensors", "triggers"])
def test_every_module_that_is_there_is_named_and_the_other_way_round(kind: str) -> None:
    suffix = {"operators": "Operator", "sensors": "Sensor", "triggers": "Trigger"}[kind]
    with_tasks = set()
    for path in (PACKAGE / kind).glob("*.py"):
        module = import_module(f"airflow_rollout.{kind}.{path.stem}")
        names = set(getattr(module, "__all__", ())) - _BASES
        if any(name.endswith(suffix) for name in names):
            with_tasks.add(module.__name__)
    assert modules_of(kind) == with_tasks


def test_every_class_that_is_named_exists() -> None:
    for path in INFO["extra-links"]:
        assert load(path).__name__ == "ReleaseRecordLink"
    for form in INFO["connection-types"]:
        assert load(form["hook-class-name"]).conn_type == form["connection-type"]


def test_every_adapter_with_a_connection_has_its_form() -> None:
    assert set(CONNECTION_FORMS) == {*PROVIDERS, *ROUTERS}


@pytest.fixture(scope="module")
def manager() -> ProvidersManager:
    return ProvidersManager()


def test_airflow_lists_the_provider(manager: ProvidersManager) -> None:
    provider = manager.providers["airflow-rollout"]
    assert provider.version == airflow_rollout.__version__


def test_airflow_shows_the_connection_forms(manager: ProvidersManager) -> None:
    for form in INFO["connection-types"]:
        conn_type = form["connection-type"]
        assert conn_type in manager.field_behaviours
        for field in form["conn-fields"]:
            assert any(
                name.endswith(f"{conn_type}__{field}") for name in manager.connection_form_widgets
            )


def test_airflow_knows_the_options_of_the_configuration() -> None:
    (section,) = INFO["config"]
    assert section == "rollout"
    for name, option in INFO["config"]["rollout"]["options"].items():
        assert set(option) >= {"description", "version_added", "type", "example", "default"}
        assert option["description"].endswith("."), name
        assert conf.get("rollout", name) == option["default"]


def test_the_options_are_what_a_call_may_leave_out() -> None:
    options = set(INFO["config"]["rollout"]["options"])
    assert options - set(Said.__annotations__) == {"rollback_pool", "live_seconds"}

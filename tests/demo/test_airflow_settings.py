"""The lab's Airflow is the lab's alone, whatever else is set up on the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_rollout.demo.airflow import AirflowLab
from airflow_rollout.demo.airflow_settings import (
    AirflowPorts,
    airflow_cfg,
    component_environment,
    local_settings,
)
from airflow_rollout.demo.processes import LabError

PORTS = AirflowPorts(api=20001, worker_log=20002, trigger_log=20003)


def test_another_airflows_settings_do_not_reach_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_TRAEFIK_DEFAULT", "http://production")
    monkeypatch.setenv("AIRFLOW_HOME", "/home/somebody/airflow")
    monkeypatch.setenv("NO_PROXY", "intranet")
    environment = component_environment(Path("/lab"), {"traefik_metrics": "http://127.0.0.1:1"})
    assert environment["AIRFLOW_HOME"] == "/lab"
    assert environment["AIRFLOW_CONN_TRAEFIK_METRICS"] == "http://127.0.0.1:1"
    assert environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert "AIRFLOW__CORE__EXECUTOR" not in environment
    assert "AIRFLOW_CONN_TRAEFIK_DEFAULT" not in environment


def test_a_setting_of_the_caller_wins_and_percent_signs_survive() -> None:
    config = airflow_cfg(
        Path("/lab"),
        Path("/dags"),
        PORTS,
        database_url="postgresql+psycopg2://u:p%40ss@127.0.0.1/x",
        settings={"core": {"parallelism": 2}, "rollout": {"router": "traefik_file"}},
    )
    assert config["core"]["parallelism"] == "2"
    assert config["core"]["load_examples"] == "False"
    assert config["rollout"]["router"] == "traefik_file"
    assert config["database"]["sql_alchemy_conn"].endswith("u:p%%40ss@127.0.0.1/x")


def test_each_lab_has_secrets_of_its_own() -> None:
    one, other = (airflow_cfg(Path("/lab"), Path("/dags"), PORTS) for _ in range(2))
    for section, option in (
        ("core", "fernet_key"),
        ("api", "secret_key"),
        ("api_auth", "jwt_secret"),
    ):
        assert len(one[section][option]) >= 32
        assert one[section][option] != other[section][option]


def test_components_keep_what_python_has_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in component_environment(Path("/lab"), {})


@pytest.mark.parametrize(
    ("component", "is_loaded"),
    [("scheduler", True), ("dag-processor", True), ("api-server", False), ("triggerer", False)],
)
def test_what_forks_tasks_has_loaded_the_package_before(component: str, is_loaded: bool) -> None:
    settings = local_settings(is_sqlite=False)
    program = f"{settings}\nprint('airflow_rollout.operators.promote' in sys.modules)"
    command = [sys.executable, "-c", program, component]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split()[-1] == str(is_loaded)


@pytest.mark.parametrize(
    ("component", "is_loaded"),
    [("scheduler", True), ("dag-processor", False), ("triggerer", False)],
)
def test_what_starts_tasks_has_loaded_what_they_load(component: str, is_loaded: bool) -> None:
    settings = local_settings(is_sqlite=True, preload=["wave"])
    command = [sys.executable, "-c", f"{settings}\nprint('wave' in sys.modules)", component]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split()[-1] == str(is_loaded)


def test_a_component_that_there_is_not_is_said(tmp_path: Path) -> None:
    lab = AirflowLab(tmp_path, home=tmp_path / "home")
    with pytest.raises(LabError, match="no component 'worker'; there are api-server"):
        lab.start("worker")

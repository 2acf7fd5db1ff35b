"""A real Airflow starts, runs a DAG, loses a component and is gone at the end."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import (
    AirflowSession,
    ApiConflict,
    ApiForbidden,
    ApiNotFound,
    ApiRefused,
    Login,
)
from airflow_rollout.demo.airflow import COMPONENTS, AirflowLab
from airflow_rollout.demo.processes import LabError
from airflow_rollout.demo.sessions import members

pytestmark = pytest.mark.e2e

DAG_FILE = """
from airflow.sdk import DAG, Param, task

with DAG("hello", schedule=None, params={"number": Param(1, type="integer", maximum=9)}):

    @task
    def first(params):
        print("told", params["number"])
        return {"number": params["number"]}

    @task
    def second():
        raise ValueError("on purpose")

    first() >> second()
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowLab]:
    dags = tmp_path_factory.mktemp("dags")
    (dags / "hello.py").write_text(DAG_FILE)
    (dags / "broken.py").write_text("from airflow.sdk import DAG\nimport no_such_module\n")
    with AirflowLab(dags) as started:
        started.wait_for_dag("hello")
        yield started
        sessions = [started.child(component).pid for component in COMPONENTS]
        assert len(members(sessions)) > len(COMPONENTS)
        home = started.home
    assert members(sessions) == []
    assert not home.exists()


@pytest.fixture(scope="module")
def api(lab: AirflowLab) -> AirflowApi:
    return lab.api


def test_a_run_is_started_once_followed_and_read(api: AirflowApi) -> None:
    started = api.trigger("hello", run_id="one", conf={"number": 5})
    assert (started.run_id, started.conf) == ("one", {"number": 5})
    again = api.trigger("hello", run_id="one", conf={"number": 5})
    assert again.queued_at == started.queued_at
    with pytest.raises(ApiConflict, match="exists already with other values"):
        api.trigger("hello", run_id="one", conf={"number": 6})

    ended = api.wait("hello", "one", timeout_seconds=120)
    assert ended.state == "failed"
    assert api.task_states("hello", "one") == {"first": "success", "second": "failed"}
    entries = [(entry.task_id, entry.key) for entry in api.xcom_entries("hello", "one")]
    assert entries == [("first", "return_value")]
    assert api.xcom("hello", "one", "first", "return_value") == {"number": 5}
    assert "told 5" in api.task_log("hello", "one", "first")
    assert "on purpose" in api.task_log("hello", "one", "second")
    assert [run.run_id for run in api.runs("hello")] == ["one"]


def test_a_person_can_mark_and_clear(api: AirflowApi) -> None:
    api.trigger("hello", run_id="two", conf={})
    api.wait("hello", "two", timeout_seconds=120)
    api.set_task_state("hello", "two", "second", "success")
    assert api.task_states("hello", "two")["second"] == "success"
    assert api.set_run_state("hello", "two", "success", note="looked at").note == "looked at"
    api.clear_tasks("hello", "two", ["second"])
    assert api.wait("hello", "two", timeout_seconds=120).state == "failed"
    tries = {task.task_id: task.try_number for task in api.task_instances("hello", "two")}
    assert tries == {"first": 1, "second": 2}
    api.clear_run("hello", "two")
    assert api.wait("hello", "two", timeout_seconds=120).state == "failed"
    tries = {task.task_id: task.try_number for task in api.task_instances("hello", "two")}
    assert tries == {"first": 2, "second": 3}


def test_refusals_keep_the_apis_reason(api: AirflowApi, lab: AirflowLab) -> None:
    with pytest.raises(ApiRefused, match=r"400: .*12 is greater than the maximum of 9"):
        api.trigger("hello", run_id="bad", conf={"number": 12})
    with pytest.raises(ApiNotFound, match=r"404: .*nobody"):
        api.trigger("nobody", run_id="bad", conf={})
    with pytest.raises(ApiNotFound, match="404: "):
        api.xcom("hello", "never", "first", "return_value")
    assert not api.has_dag("nobody")
    assert any(name.endswith("broken.py") for name in api.import_errors())
    with pytest.raises(ApiForbidden, match="does not know user 'admin' with this password"):
        AirflowApi(AirflowSession(lab.url, Login(user="admin", password="no"))).dag("hello")


def test_a_paused_dag_is_known_as_such(api: AirflowApi) -> None:
    api.pause("hello", is_paused=True)
    assert api.dag("hello")["is_paused"]
    api.pause("hello", is_paused=False)
    assert not api.dag("hello")["is_paused"]


def test_a_dag_that_does_not_come_tells_which_files_are_broken(lab: AirflowLab) -> None:
    with pytest.raises(LabError, match=r"(?s)no DAG nobody within 1 s.*no_such_module"):
        lab.wait_for_dag("nobody", timeout_seconds=1)


def test_a_killed_component_comes_back(lab: AirflowLab) -> None:
    before = lab.child("triggerer").pid
    lab.kill("triggerer")
    assert members([before]) == []
    lab.start("triggerer")
    lab.wait_ready()
    assert lab.child("triggerer").pid != before


def test_nobody_waits_for_the_disk_nor_the_api_server_for_itself(lab: AirflowLab) -> None:
    """One writer at a time: what keeps the others waiting for long ends Airflow's processes."""
    asked = """
import asyncio
from airflow import settings
from sqlalchemy import text
settings.initialize()
with settings.engine.connect() as connection:
    print("sync", connection.execute(text("PRAGMA synchronous")).scalar())
    print("patience", connection.execute(text("PRAGMA busy_timeout")).scalar())
    print("journal", connection.execute(text("PRAGMA journal_mode")).scalar())
async def main():
    async with settings.async_engine.connect() as connection:
        print("async", (await connection.execute(text("PRAGMA synchronous"))).scalar())
    await settings.async_engine.dispose()
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", asked, "api-server"], env=lab.env, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert {"sync 0", "async 0", "journal wal", "patience 500"} <= {*lines}, done.stdout


def test_no_trigger_gets_the_number_of_one_that_was_removed(lab: AirflowLab) -> None:
    """What a removed trigger still says would be taken for its successor's."""
    columns = "(classpath, kwargs, created_date)"
    insert = f"INSERT INTO 'trigger' {columns} VALUES ('x', '{{}}', '2026-01-01')"
    with closing(sqlite3.connect(lab.home / "airflow.db", timeout=30.0)) as database:
        # Taken back at the end: no triggerer of the lab may see these.
        cursor = database.cursor()
        cursor.execute(insert)
        first = cursor.lastrowid
        cursor.execute("DELETE FROM 'trigger' WHERE id = ?", (first,))
        cursor.execute(insert)
        second = cursor.lastrowid
        database.rollback()
    assert first is not None
    assert second == first + 1

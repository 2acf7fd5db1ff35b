"""What Airflow itself answers around a release: refusals of its API, the page, the provider."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest
from scene import PATIENCE_SECONDS, Scene

from airflow_rollout.cli.airflow_session import ApiRefused
from airflow_rollout.demo.lab import Lab

pytestmark = pytest.mark.e2e

GOOD = {"version": "v9", "url": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"version": None}, "version"),
        ({"version": "{{ v9 }}"}, "version"),
        ({"version": "<b>v9</b>"}, "version"),
        ({"url": None}, "url"),
        ({"url": "ftp://127.0.0.1"}, "url"),
        ({"interval": "11s"}, "interval"),
        ({"interval": "0s"}, "interval"),
        ({"interval": "1m"}, "interval"),
        ({"dispersion": 0.5}, "dispersion"),
        ({"dispersion": "high"}, "dispersion"),
    ],
)
def test_airflow_refuses_a_release_with_wrong_values(
    lab: Lab, wrong: dict[str, Any], named: str
) -> None:
    conf = {name: value for name, value in {**GOOD, **wrong}.items() if value is not None}
    with pytest.raises(ApiRefused) as caught:
        lab.airflow.api.trigger("latency", run_id="refused", conf=conf)
    assert caught.value.status == 400
    assert named in str(caught.value)


@pytest.mark.scene("errors")
def test_page_of_a_release_tells_the_reason_to_who_may_read_the_dag(
    lab: Lab, played: dict[str, Any]
) -> None:
    page = f"{lab.airflow.url}/rollout/record/errors/release-v2"
    assert httpx.get(page).status_code == 401
    answer = httpx.get(page, headers=_bearer(lab))
    assert answer.status_code == 200
    assert played["bad"].record.reason.split(",")[0].replace(">", "&gt;") in answer.text
    data = httpx.get(page.replace("/record/", "/api/record/"), headers=_bearer(lab)).json()
    assert data["outcome"] == "rolled_back"
    missing = httpx.get(f"{lab.airflow.url}/rollout/record/errors/none", headers=_bearer(lab))
    assert missing.status_code == 404


@pytest.mark.scene("errors")
def test_every_task_of_a_release_links_to_its_page(lab: Lab, played: dict[str, Any]) -> None:
    for task in ("prepare", "step_01.promote", "step_01.gate", "rollback", "ensure_safe"):
        links = httpx.get(
            f"{lab.airflow.url}/api/v2/dags/errors/dagRuns/release-v2/taskInstances/{task}/links",
            headers=_bearer(lab),
        ).json()["extra_links"]
        assert links["Release record"].endswith("/rollout/record/errors/release-v2"), task


@pytest.mark.scene("errors")
def test_whole_record_is_one_value_of_the_last_task(lab: Lab, played: dict[str, Any]) -> None:
    record = lab.airflow.api.xcom("errors", "release-v2", "ensure_safe", "record")
    assert record["outcome"] == "rolled_back"
    assert record["reason"] == played["bad"].record.reason
    assert len(record["timeline"]) >= 5


def test_dag_says_what_a_release_will_do(lab: Lab) -> None:
    doc = lab.airflow.api.session.send("GET", "/api/v2/dags/errors/details")["doc_md"]
    for words in ("step_01", "10 %", "verify", "Longest exposure", "request-success-rate"):
        assert words in doc


def test_airflow_discovers_the_provider_and_its_connection_form(lab: Lab) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "providers", "list", "-o", "plain"],
        env=lab.airflow.env, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "airflow-rollout" in done.stdout
    plugins = lab.airflow.api.session.send("GET", "/api/v2/plugins")["plugins"]
    assert "rollout" in {plugin["name"] for plugin in plugins}


def test_missing_connection_is_said_before_any_traffic_moves(lab: Lab) -> None:
    scene = Scene(lab, "no-connection")
    scene.urls["v1"] = "http://127.0.0.1:9"
    run = scene.start("v1")
    scene.wait_for_task(run, "ensure_safe", "success", "failed", "upstream_failed", "skipped")
    done = scene.api.wait(run.dag_id, run.run_id, timeout_seconds=PATIENCE_SECONDS)
    assert done.state == "failed"
    events = scene.api.xcom(run.dag_id, run.run_id, "prepare", "events")["events"]
    assert "no connection 'nowhere'" in events[-1]["text"]
    assert "airflow connections add nowhere" in events[-1]["text"]
    assert not list(lab.traefik.dynamic_dir.glob("*no-connection*"))


def _bearer(lab: Lab) -> dict[str, str]:
    login = {"username": lab.airflow.user, "password": lab.airflow.password}
    token = httpx.post(f"{lab.airflow.url}/auth/token", json=login).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}

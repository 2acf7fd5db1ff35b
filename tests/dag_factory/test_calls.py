"""What a call and the `[rollout]` section say, where the file is, and what is refused."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.configuration import conf
from rollouts import FLAGGER, NATIVE, SAID, make, written

from airflow_rollout import rollout_dag
from airflow_rollout.analysis.parameters import Mode, Promote
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.model import RolloutSpec


def spec_of(dag: DAG) -> RolloutSpec:
    task: Any = dag.get_task("rollback")
    spec: RolloutSpec = task.spec
    return spec


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets options of the `[rollout]` section."""

    def set_options(**options: str) -> None:
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__ROLLOUT__{name.upper()}", value)

    return set_options


def test_a_relative_file_is_looked_for_beside_the_file_that_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dags"
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "shop.yaml").write_text(NATIVE)
    caller = folder / "shop.py"
    caller.write_text(
        "from airflow_rollout import rollout_dag\ndag = rollout_dag('specs/shop.yaml')\n"
    )
    monkeypatch.chdir("/")
    dag = runpy.run_path(str(caller))["dag"]
    assert spec_of(dag).file == str(folder / "specs" / "shop.yaml")


def test_a_relative_file_of_a_task_group_is_looked_for_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, NATIVE)
    caller = tmp_path / "pipeline.py"
    caller.write_text(
        "from airflow.sdk import DAG\n"
        "from airflow_rollout import rollout_task_group\n"
        "with DAG('pipeline', schedule=None) as dag:\n"
        "    rollout_task_group('shop.yaml', version='v2', target='http://127.0.0.1:2')\n"
    )
    monkeypatch.chdir("/")
    assert "shop.rollback" in runpy.run_path(str(caller))["dag"].task_ids


def test_what_a_flagger_file_cannot_say_is_said_by_the_call(tmp_path: Path) -> None:
    spec = spec_of(
        make(
            tmp_path, FLAGGER, **{**SAID, "every": "2s"}, router_service="edge-shop", dispersion=2,
            mode="observe", workload_options={"health_path": "/healthz"}, comparison=True,
            promote="on_evidence",
        )
    )  # fmt: skip
    assert (spec.traffic.router, spec.traffic.service, spec.traffic.conn_id) == (
        "traefik_file", "edge-shop", "edge",
    )  # fmt: skip
    assert (spec.source.provider, spec.source.every_seconds) == ("scrape", 2.0)
    assert spec.workload.options == (("health_path", "/healthz"),)
    assert spec.judge.mode is Mode.OBSERVE
    assert spec.judge.comparison.dispersion == 2
    assert spec.judge.promotion.when is Promote.ON_EVIDENCE


def test_what_the_call_does_not_say_comes_from_the_configuration(
    tmp_path: Path, configured: Any
) -> None:
    configured(
        router="traefik_file", router_conn_id="edge", workload="endpoints",
        provider="scrape", provider_conn_id="edge_metrics", every="3s",
    )  # fmt: skip
    spec = spec_of(make(tmp_path, FLAGGER))
    assert (spec.traffic.router, spec.traffic.conn_id) == ("traefik_file", "edge")
    assert (spec.source.conn_id, spec.source.every_seconds) == ("edge_metrics", 3.0)
    said = spec_of(make(tmp_path, FLAGGER, router_conn_id="other", every="1s"))
    assert (said.traffic.conn_id, said.source.every_seconds) == ("other", 1.0)


def test_the_pool_of_the_way_back_may_be_configured(tmp_path: Path, configured: Any) -> None:
    configured(rollback_pool="urgent")
    dag = make(tmp_path)
    assert {dag.get_task(it).pool for it in ("rollback", "ensure_safe")} == {"urgent"}
    assert dag.get_task("prepare").pool == "default_pool"


def test_gates_renew_their_piece_as_often_as_configured(tmp_path: Path, configured: Any) -> None:
    gate: Any = make(tmp_path).get_task("step_01.gate")
    assert gate.live_seconds == conf.getfloat("rollout", "live_seconds", fallback=5.0) == 5.0
    configured(live_seconds="2.5")
    gate = make(tmp_path).get_task("step_01.gate")
    assert gate.live_seconds == 2.5


@pytest.mark.parametrize("value", ["often", "0", "0.5", "-1", "nan"])
def test_a_piece_that_would_be_renewed_all_the_time_is_refused(
    tmp_path: Path, configured: Any, value: str
) -> None:
    configured(live_seconds=value)
    with pytest.raises(SpecError) as caught:
        make(tmp_path)
    assert str(caught.value) == (
        f"airflow.cfg: [rollout] live_seconds: is no number of seconds; found '{value}'; "
        "allowed: 1 or more"
    )


_BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no router": ({"router": None}, "router"),
    "unknown router": ({"router": "nginx"}, "traefik_file"),
    "unknown provider": ({"provider": "nagios"}, "prometheus"),
    "unknown workload": ({"workload": "lambda"}, "endpoints"),
    "no connection": ({"router_conn_id": None}, "conn"),
    "unknown mode": ({"mode": "guess"}, "found 'guess'; allowed: act or observe"),
    "unknown promote": ({"promote": "soon"}, "found 'soon'; allowed: on_evidence or on_time"),
    "unknown on_busy": ({"on_busy": "replace"}, "found 'replace'; allowed: queue or refuse"),
    "no duration": ({"every": "often"}, "every"),
    "negative dispersion": ({"dispersion": -1}, "dispersion"),
    "unknown metric": ({"metric_modes": {"nothing": "observe"}}, "nothing"),
    "unknown metric mode": (
        {"metric_modes": {"request-success-rate": "guess"}},
        "metric_modes[request-success-rate]: is not a choice; found 'guess'",
    ),
    "unknown option": ({"router_options": {"colour": "red"}}, "colour"),
}


@pytest.mark.parametrize(("said", "words"), _BAD.values(), ids=_BAD)
def test_a_bad_call_stops_the_import_with_one_sentence(
    tmp_path: Path, said: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        make(tmp_path, FLAGGER, **{**SAID, **said})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_file_stops_the_import_with_its_name_and_place(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        make(tmp_path, NATIVE.replace("weight: 10", "weight: -10"))
    assert str(tmp_path / "shop.yaml") in str(caught.value)
    assert "spec.canary.steps[0].weight" in str(caught.value)
    assert "-10" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nothing\.yaml"):
        rollout_dag(tmp_path / "nothing.yaml")


def test_an_argument_that_is_none_of_ours_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unknown argument wait, watch; allowed: workload, "):
        make(tmp_path, watch=1, wait=2)


_HOOKED = FLAGGER.replace(
    "    metrics:",
    "    webhooks:\n    - {name: approve, type: confirm-promotion, url: 'http://gate.example/'}\n"
    "    metrics:",
)


def test_what_cannot_be_executed_is_refused_unless_the_call_agrees(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        make(tmp_path, _HOOKED, **SAID)
    assert caught.value.path == "spec.analysis.webhooks[0]"
    assert str(tmp_path / "shop.yaml") in str(caught.value)
    assert "ignore=['spec.analysis.webhooks[0]']" in caught.value.allowed
    dag = make(tmp_path, _HOOKED, **SAID, ignore=["spec.analysis.webhooks"])
    assert any(path.startswith("spec.analysis.webhooks") for path in spec_of(dag).ignored)
    assert "Not executed, as agreed: spec.analysis.webhooks" in (dag.doc_md or "")


def test_a_failed_call_leaves_no_dag_open(tmp_path: Path) -> None:
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    with pytest.raises(ValueError, match="would skip the rollback"):
        make(tmp_path, dag_args={"default_args": {"soft_fail": True}})
    assert DagContext.get_current() is None

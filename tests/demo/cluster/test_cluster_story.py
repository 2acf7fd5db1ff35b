"""The rollout of the demo on a cluster."""

from __future__ import annotations

from pathlib import Path

from airflow_rollout.demo.cluster.story import ROLLOUT, STORY, write_dags
from airflow_rollout.plan import make_plan
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.loader import load_spec


def test_its_file_is_a_rollout_of_the_named_namespace_without_a_router(tmp_path: Path) -> None:
    folder = write_dags(tmp_path / "dags", "mine")
    spec = load_spec(folder / f"{ROLLOUT}.yaml", bindings=Bindings())
    assert (spec.name, spec.namespace, spec.traffic.router) == (ROLLOUT, "mine", "replicas")
    assert [step.weight for step in make_plan(spec).steps] == [20, 50, 100]
    assert spec.judge.failure_limit == STORY.rules.failure_limit
    assert spec.judge.interval_seconds == STORY.rules.interval_seconds


def test_its_limits_are_those_the_table_counts_with(tmp_path: Path) -> None:
    spec = load_spec(write_dags(tmp_path, "mine") / f"{ROLLOUT}.yaml", bindings=Bindings())
    limits = {m.name: m.threshold.maximum for m in spec.judge.metrics if m.threshold}
    assert STORY.rules.slow_ms == 1000.0 * (limits["p90_seconds"] or 0.0)


def test_its_dag_is_one_call(tmp_path: Path) -> None:
    folder = write_dags(tmp_path, "mine")
    assert 'rollout_dag("checkout.yaml")' in (folder / f"{ROLLOUT}.py").read_text()

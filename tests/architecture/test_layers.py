"""The direction of imports, and what importing costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tree import ROOT

# What must not be loaded by whoever only reads a file, judges or asks through an adapter.
_HEAVY = ("airflow", "kubernetes", "kubernetes_asyncio", "httpx", "boto3", "requests", "aiohttp")


def _loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter holds after a statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_imports_point_from_the_edge_to_the_core() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    words = [command, "--no-logo", "--no-cache"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_package_loads_nothing_but_itself() -> None:
    ours = {name for name in _loaded_by("import airflow_rollout") if "airflow" in name}
    assert ours == {"airflow_rollout"}


@pytest.mark.parametrize(
    "module",
    [
        "airflow_rollout.analysis.judge",
        "airflow_rollout.spec.loader",
        "airflow_rollout.plan",
        "airflow_rollout.release",
        "airflow_rollout.record",
        "airflow_rollout.metrics.registry",
        "airflow_rollout.traffic.registry",
        "airflow_rollout.workloads.registry",
        "airflow_rollout.provider_info",
        "airflow_rollout.cli.main",
        "airflow_rollout.cli.lint",
        "airflow_rollout.cli.plan_command",
    ],
)
def test_core_adapters_and_offline_commands_load_no_airflow_and_no_client(module: str) -> None:
    loaded = _loaded_by(f"import {module}")
    assert module in loaded
    assert not loaded & set(_HEAVY)


def test_the_judge_loads_the_standard_library_only() -> None:
    loaded = {
        name.partition(".")[0] for name in _loaded_by("import airflow_rollout.analysis.judge")
    }
    before = {name.partition(".")[0] for name in _loaded_by("pass")}
    foreign = loaded - before - set(sys.stdlib_module_names)
    assert foreign <= {"airflow_rollout"}


def test_the_plugin_loads_no_web_framework() -> None:
    # Every Airflow process imports it; only the web server may pay for the page.
    assert "airflow_rollout.ui.app" not in _loaded_by("import airflow_rollout.plugin")

"""The demo as a newcomer runs it: one command, to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

# The longest a demo may take before it counts as hanging; what it takes is measured elsewhere.
_PATIENCE_SECONDS = 900.0
_MARK = "ROLLOUT_TEST_DEMO"


@pytest.mark.e2e
def test_the_demo_rolls_back_the_bad_versions_promotes_the_good_one_and_leaves_nothing(
    tmp_path: Path, need_binary: Callable[[str], object]
) -> None:
    need_binary("traefik")
    report = tmp_path / "demo.json"
    # Every descendant inherits the mark, whoever its parent is by the time we look.
    environment = {**os.environ, _MARK: str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "airflow_rollout.cli", "demo", "--exit", "--report", report],
        env=environment, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert [(it["version"], it["outcome"]) for it in found["releases"]] == [
        ("v2", "rolled_back"), ("v3", "rolled_back"), ("v4", "rolled_back"), ("v5", "promoted"),
    ]  # fmt: skip
    assert all(it["verdict"] in _unwrapped(done.stdout) for it in found["releases"])
    assert "\x1b" not in done.stdout
    assert _marked(str(tmp_path)) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json"]


def _unwrapped(text: str) -> str:
    return " ".join(text.split())


def _marked(mark: str) -> list[str]:
    """Return the processes that this demo has started and left."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
        except psutil.Error:
            continue
    return found

"""No secret of a connection is ever written: logs, database, XComs, records, router files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from planted import SECRETS

from airflow_rollout.demo.lab import Lab

pytestmark = pytest.mark.e2e


@pytest.mark.scene("errors")
def test_nothing_written_during_releases_holds_a_secret(lab: Lab, played: dict[str, Any]) -> None:
    assert played["bad"].run.state == "failed"
    found = [
        f"{secret!r} in {path.relative_to(lab.home)}"
        for path in _files(lab.home)
        for secret in SECRETS
        if secret.encode() in path.read_bytes()
    ]
    assert found == []


@pytest.mark.scene("errors")
def test_database_and_logs_were_really_looked_at(lab: Lab, played: dict[str, Any]) -> None:
    names = {path.name for path in _files(lab.home)}
    assert "airflow.db" in names
    # What is in clear text there is found: the search could find a secret.
    database = (lab.home / "airflow" / "airflow.db").read_bytes()
    assert played["bad"].run.run_id.encode() in database
    assert any(path.suffix == ".log" for path in _files(lab.home))


@pytest.mark.scene("errors")
def test_router_files_are_written_by_their_owner_only(lab: Lab, played: dict[str, Any]) -> None:
    assert played["bad"].split.weight == 0
    for path in lab.traefik.dynamic_dir.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & (stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID) == 0, path


def _files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]

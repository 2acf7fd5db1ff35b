"""The DAG of a small rollout in the native format."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import DAG
from rollouts import make


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> DAG:
    """Return the DAG of a rollout with two steps. Not to be changed."""
    folder: Path = tmp_path_factory.mktemp("shop")
    return make(folder)

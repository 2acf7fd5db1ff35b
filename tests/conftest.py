"""What every part of the tests may use: real servers that a machine has or has not."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's affair; what things cost is measured elsewhere.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# CI sets it: there a server that is not installed is a fault of CI, not a reason to skip.
_REQUIRE_REAL = "ROLLOUT_REQUIRE_REAL"

# They go through the same lines many thousands of times, which other tests cover too: counting
# each time would take twice as long as the tests themselves.
_UNCOUNTED = frozenset(
    {
        "test_fence_mutations.py",
        "test_fence_reach.py",
        "test_fence_schedules.py",
        "test_judge_simulation.py",
    }
)

NeedBinary = Callable[[str], Path]

# Tests neither read nor write the Airflow of whoever runs them. Set before anything imports it.
_AIRFLOW_HOME = tempfile.mkdtemp(prefix="rollout-tests-")
os.environ["AIRFLOW_HOME"] = _AIRFLOW_HOME


# Debian keeps the server's programs out of the PATH, a directory for each version.
_POSTGRES = Path("/usr/lib/postgresql")


def find_binary(name: str) -> Path | None:
    """Return a program of the PATH or of this environment, None when there is none."""
    places = [os.environ.get("PATH", ""), Path(sys.executable).parent, *_POSTGRES.glob("*/bin")]
    found = shutil.which(name, path=os.pathsep.join(map(str, places)))
    return Path(found) if found else None


@pytest.fixture(scope="session")
def need_binary() -> NeedBinary:
    """Return a function from a program's name to its path.

    Without the program the test is skipped with the reason; where `ROLLOUT_REQUIRE_REAL` is set
    (CI) it fails instead, so that a real server cannot go untested unnoticed.
    """

    def need(name: str) -> Path:
        found = find_binary(name)
        if found is not None:
            return found
        if os.environ.get(_REQUIRE_REAL, "0") not in {"", "0"}:
            pytest.fail(f"{name} is not installed and {_REQUIRE_REAL} is set", pytrace=False)
        pytest.skip(f"{name} is not installed")

    return need


def pytest_unconfigure() -> None:
    """Remove what Airflow wrote on being imported."""
    shutil.rmtree(_AIRFLOW_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is quick first: a newcomer sees a plain failure before any server starts."""
    for item in items:
        if item.path.name in _UNCOUNTED:
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=_cost)


def _cost(item: pytest.Item) -> int:
    if item.get_closest_marker("e2e"):
        return 2
    return 1 if item.get_closest_marker("real") else 0

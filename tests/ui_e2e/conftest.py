"""A real Airflow with releases, and a real Chromium in front of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Releases are made as in the other tests on a real Airflow; pages without one as in the feed's.
sys.path += [str(Path(__file__).parents[1] / name) for name in ("e2e", "ui")]

from browser import Browser
from feed_world import feed_world
from installed import write_everything
from served import serve
from ui_stage import Stage
from views import Served

from airflow_rollout.demo.lab import Lab

SERVICES = ("bad", "good", "asks", "held", "behind")

# Somebody who may look, somebody who may act.
_USERS = "admin:admin,ann:user,vic:viewer"


@pytest.fixture(scope="session")
def browser(need_binary: Callable[[str], Path]) -> Iterator[Browser]:
    with Browser(need_binary("chromium")) as browser:
        yield browser


@pytest.fixture(autouse=True)
def _no_open_pages(browser: Browser) -> Iterator[None]:
    """Close a test's pages: each asks Airflow every second."""
    yield
    browser.close_tabs()


@pytest.fixture
def served(browser: Browser) -> Iterator[Served]:
    with feed_world() as world:
        world.tables.dag("shop")
        world.permitted.add("shop")
        with serve(world.app) as (url, writes):
            yield Served(world=world, browser=browser, url=url, writes=writes)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where pictures of the pages go: `ROLLOUT_PICTURES`, or a directory of the tests."""
    chosen = os.environ.get("ROLLOUT_PICTURES")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def stage(
    need_binary: Callable[[str], object],
    browser: Browser,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    need_binary("traefik")
    home = tmp_path_factory.mktemp("airflow")
    write_everything(home / "dags", home / "plugins")
    settings = {
        "rollout": {"live_seconds": 1},
        "core": {
            "parallelism": 8,
            "simple_auth_manager_users": _USERS,
            "plugins_folder": home / "plugins",
        },
    }
    lab = Lab(SERVICES, dags=home / "dags", settings=settings)
    with lab:
        for name in (*SERVICES, "none"):
            lab.airflow.wait_for_dag(name)
        yield Stage(lab=lab, browser=browser)

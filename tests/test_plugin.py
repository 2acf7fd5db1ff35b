"""The plugin: registers the release's page and costs nothing until it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

from airflow.api_fastapi.app import create_auth_manager
from asking import ask

from airflow_rollout.hooks.links import PAGE_PREFIX, ReleaseRecordLink
from airflow_rollout.plugin import RolloutPlugin


def test_the_plugin_registers_its_page_and_its_link() -> None:
    (app,) = RolloutPlugin.fastapi_apps
    assert (app["url_prefix"], app["name"]) == (PAGE_PREFIX, "Rollout")
    assert not PAGE_PREFIX.startswith(("/api/v2", "/ui", "/execution", "/auth", "/pluginsv2"))
    assert [type(link) for link in RolloutPlugin.operator_extra_links] == [ReleaseRecordLink]
    create_auth_manager()
    # The application behind it is built by its first request.
    assert ask(app["app"], "/record/shop/run").status_code == 401


_HEAVY = ("fastapi", "starlette", "sqlalchemy.orm", "kubernetes", "airflow_rollout.ui")


def test_what_every_process_of_airflow_loads_is_light() -> None:
    code = (
        "import sys, airflow.sdk.plugins_manager, airflow.sdk\n"
        "before = set(sys.modules)\n"
        "import airflow_rollout.plugin\n"
        "print('\\n'.join(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "airflow_rollout.plugin" in loaded
    assert {name for name in loaded if name.startswith(_HEAVY)} == set()

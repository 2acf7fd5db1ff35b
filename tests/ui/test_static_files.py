"""The pages' own files: complete, found by Airflow's browser, and asking nobody else."""

from __future__ import annotations

import re
from pathlib import Path

from asking import ask

import airflow_rollout.ui
from airflow_rollout.plugin import RolloutPlugin
from airflow_rollout.ui.app import build_app

STATIC = Path(airflow_rollout.ui.__file__).parent / "static"
_IMPORT = re.compile(r"""from "(\./[\w.]+)";""")
# The name of SVG is no address that anybody asks.
_ELSEWHERE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+\.", re.IGNORECASE)


def test_what_airflow_is_told_to_load_is_served() -> None:
    for app in RolloutPlugin.react_apps:
        path = app["bundle_url"].removeprefix("rollout")
        answer = ask(build_app(), path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert f"globalThis.{app['name']} = " in answer.text, "Airflow takes it from there"


def test_an_upgrade_is_seen_at_once() -> None:
    answer = ask(build_app(), "/static/1/run.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["etag"]


def test_nothing_outside_is_served() -> None:
    for path in ("/static/1/../app.py", "/static/1/%2e%2e/app.py", "/static/1/none.js"):
        assert not ask(build_app(), path).is_success, path


def test_every_module_finds_what_it_imports() -> None:
    found = {file.name: set(_IMPORT.findall(file.read_text())) for file in STATIC.glob("*.js")}
    assert sum(map(len, found.values())) > 15
    missing = {
        f"{name}: {wanted}"
        for name, imports in found.items()
        for wanted in imports
        if not (STATIC / wanted).exists()
    }
    assert not missing


def test_no_file_asks_anybody_else_or_makes_markup_of_a_value() -> None:
    for file in STATIC.iterdir():
        text = file.read_text()
        assert not _ELSEWHERE.search(text), file.name
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text, f"{file.name}: {way}"

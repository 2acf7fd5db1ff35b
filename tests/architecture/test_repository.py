"""What a committed file must not say, because it would be true on one machine only."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from tree import ROOT, modules, repository_files

# Written in pieces: this file must pass its own tests.
_INDEX_HOSTS = re.compile(
    "python" + r"hosted\.org|py" + r"pi\.org|/simp" + r"le/|--(?:extra-)?index-" + r"url\s",
    re.IGNORECASE,
)
# Home directories, and places that exist on a developer's machine only. Somebody is nobody, and
# airflow's home is in its image.
_MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:(?:home|Users)/(?!somebody|airflow)|work/|root/)[a-z.]")
_NO_TEXT = frozenset({".png", ".ico", ".gz", ".zip", ".woff2"})
_PINS = ("requirements/demo.txt", "requirements/test.txt")


def _text_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix not in _NO_TEXT]


def _matching(pattern: re.Pattern[str]) -> dict[str, str]:
    return {
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}": match[0]
        for path in _text_files()
        if path != Path(__file__)
        for text in (path.read_text(errors="replace"),)
        for match in pattern.finditer(text)
    }


def test_no_file_names_a_package_index() -> None:
    assert not _matching(_INDEX_HOSTS)


def test_no_file_names_a_place_on_one_machine() -> None:
    assert not _matching(_MACHINE_PATHS)


def test_only_the_command_line_and_the_lab_print() -> None:
    printing = {
        f"{module}:{node.lineno}"
        for module in modules()
        if not module.name.startswith(("airflow_rollout.cli", "airflow_rollout.demo"))
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert not printing


def _pins(name: str) -> dict[tuple[str, str], list[str]]:
    """Return (package, line without hashes) -> hashes of a file of pinned packages."""
    pins: dict[tuple[str, str], list[str]] = {}
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        package = re.split(r"[=\s;]", requirement)[0]
        pins[package, requirement] = hashes
    return pins


@pytest.mark.parametrize("name", _PINS)
def test_pinned_packages_name_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=", ""), re.MULTILINE)


@pytest.mark.parametrize("name", _PINS)
def test_every_package_is_pinned_and_hashed(name: str) -> None:
    pins = _pins(name)
    assert pins
    for (_, requirement), hashes in pins.items():
        assert re.match(r"[a-z0-9.-]+==[\w.+!]+", requirement), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


def test_the_demos_packages_are_a_part_of_the_tests_in_the_same_versions() -> None:
    demo, test = (set(_pins(name)) for name in _PINS)
    assert demo < test


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", line)[0].lower() for line in requirements}


def test_what_the_package_asks_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = (
        project["project"]["dependencies"] + extras["demo"] + project["build-system"]["requires"]
    )
    pinned = {name for _, pins in ((n, _pins(n)) for n in _PINS[:1]) for name, _ in pins}
    assert _names(asked) <= pinned
    assert _names(asked + extras["test"]) <= {name for name, _ in _pins(_PINS[1])}


def test_the_package_is_built_with_what_is_pinned_for_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = (ROOT / "requirements/build.in").read_text().splitlines()
    assert set(project["build-system"]["requires"]) <= set(listed)


@pytest.mark.parametrize("name", [".ci/run", "requirements/install", "requirements/compile"])
def test_scripts_can_be_run(name: str) -> None:
    path = ROOT / name
    assert path.stat().st_mode & 0o111
    assert path.read_text().startswith("#!/usr/bin/env bash\n")

"""What the README shows can be typed: its YAML loads, its Python compiles, its commands parse."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from readme import TEXT

from airflow_rollout.cli.main import _parser
from airflow_rollout.metrics.registry import PROVIDERS
from airflow_rollout.spec.bindings import Known
from airflow_rollout.spec.loader import parse_spec
from airflow_rollout.traffic.registry import ROUTERS
from airflow_rollout.workloads.registry import WORKLOADS


def _blocks(language: str) -> list[str]:
    """Return the code blocks of one language, empty for those that name none."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return [block for name, block in fenced if name == language]


def _lines() -> list[str]:
    """Return the lines of the blocks without a language, continued lines joined."""
    return [line for block in _blocks("") for line in block.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize("document", _blocks("yaml"))
def test_a_shown_document_is_a_rollout(document: str) -> None:
    known = Known(providers=PROVIDERS, routers=ROUTERS, workloads=WORKLOADS)
    spec = parse_spec(document, file="README.md", known=known)
    assert spec.steps
    assert not spec.unsupported


@pytest.mark.parametrize("program", _blocks("python"))
def test_shown_python_compiles(program: str) -> None:
    assert compile(program, "README.md", "exec")


@pytest.mark.parametrize("line", [line for line in _lines() if line.startswith("airflow-rollout ")])
def test_a_shown_command_parses(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    assert callable(_parser(words).parse_args(words).run)


@pytest.mark.parametrize("line", [line for line in _lines() if line.startswith("AIRFLOW_CONN_")])
def test_a_shown_connection_is_json(line: str) -> None:
    _, _, value = shlex.split(line)[0].partition("=")
    assert json.loads(value)["conn_type"] in ("http", "kubernetes", "traefik")


def test_there_are_examples_of_each_kind() -> None:
    assert _blocks("yaml")
    assert len(_blocks("python")) >= 3
    commands = {line.split()[1] for line in _lines() if line.startswith("airflow-rollout ")}
    assert {"lint", "plan", "release", "rollback", "status"} <= commands


def test_the_shown_request_says_what_the_api_demands() -> None:
    body = re.search(r"dagRuns\".+?-d '(\{.+?\})'$", TEXT, re.DOTALL | re.MULTILINE)
    assert body
    request = json.loads(body[1])
    assert request["logical_date"] is None
    assert {"version", "url"} <= set(request["conf"])

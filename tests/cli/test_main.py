"""The entry point: every command is found, and every end is an exit code and a line."""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

import pytest

from airflow_rollout import __version__
from airflow_rollout.cli import main as entry
from airflow_rollout.cli.main import COMMANDS, main
from airflow_rollout.errors import RolloutError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Register a command of one's own whose run raises what it is given."""

    def _command(error: BaseException) -> None:
        module = ModuleType("a_command")
        module.add_parser = lambda subparsers: subparsers.add_parser("try")

        def run(args: argparse.Namespace) -> int:
            raise error

        module.run = run
        monkeypatch.setitem(sys.modules, "a_command", module)
        monkeypatch.setattr(entry, "COMMANDS", (("try", "a_command", "try it"),))

    return _command


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"usage: airflow-rollout {name}" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_our_errors_are_one_line_and_one(command, capsys: pytest.CaptureFixture[str]) -> None:
    command(RolloutError("it did not work"))
    assert main(["try"]) == 1
    assert capsys.readouterr().err == "airflow-rollout: it did not work\n"


def test_what_nobody_foresaw_is_one_line_with_its_place(
    command, capsys: pytest.CaptureFixture[str]
) -> None:
    command(ZeroDivisionError("no"))
    assert main(["try"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "airflow-rollout: this should not happen: ZeroDivisionError: no (test_main"
    )
    assert error.count("\n") == 1


def test_an_interrupt_is_no_traceback(command, capsys: pytest.CaptureFixture[str]) -> None:
    command(KeyboardInterrupt())
    assert main(["try"]) == 130
    assert capsys.readouterr().err == ""

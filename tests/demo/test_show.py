"""How the demo ends: what is kept, what is left behind, and that nobody interrupts it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from airflow_rollout.demo import show
from airflow_rollout.demo.processes import LabError


def lab_home(home: Path) -> Path:
    for name in ("logs/scheduler.log", "airflow/logs/run/attempt=1.log", "airflow/airflow.cfg",
                 "airflow/passwords.json", "answers-payment-service.txt"):  # fmt: skip
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    (home / "airflow/logs/latest").symlink_to(home / "airflow/logs/run")
    return home


def test_logs_and_answers_are_kept_and_secrets_are_not(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    show._copy_logs(lab_home(tmp_path / "lab"), target)
    kept = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert kept == {
        "logs/scheduler.log", "airflow/logs/run/attempt=1.log", "answers-payment-service.txt",
    }  # fmt: skip


def test_logs_are_kept_again_in_the_same_place(tmp_path: Path) -> None:
    home = lab_home(tmp_path / "lab")
    for _ in range(2):
        show._copy_logs(home, tmp_path / "kept")


def test_a_place_that_takes_no_logs_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"the logs could not be kept in .*file"):
        show._copy_logs(lab_home(tmp_path / "lab"), tmp_path / "file")


def test_a_lab_that_never_started_has_no_logs_to_keep(tmp_path: Path) -> None:
    show._copy_logs(tmp_path / "nothing", tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_an_interrupt_during_the_ending_is_ignored_and_only_there() -> None:
    before = signal.getsignal(signal.SIGINT)
    with show._undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGINT) is before

"""Every command and setting of docker-compose.yaml exists in the installed programs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from compose_file import ROOT, commands, environment, services, words_of

# These belong to the Celery provider, which is in Airflow's image and not among our packages.
_OF_CELERY_COMMANDS = frozenset({"celery"})
_OF_CELERY_SETTINGS = frozenset({("celery", "broker_url"), ("celery", "result_backend")})

_SETTING = re.compile(r"AIRFLOW__(?P<section>[A-Z_]+?)__(?P<key>[A-Z_]+)")
_START_SECONDS = 20


def _of(program: str) -> list[list[str]]:
    """Return the arguments of every call of a program, up to the next shell operator."""
    found = []
    for _, words in commands():
        if words[0] == program:
            ends = [index for index, word in enumerate(words) if word in ("&&", "||", "|", ";")]
            found.append(words[1 : ends[0] if ends else None])
    return found


def test_every_airflow_command_is_one_of_the_installed_airflow() -> None:
    from airflow.cli.cli_parser import get_parser

    calls = [call for call in _of("airflow") if call[0] not in _OF_CELERY_COMMANDS]
    assert {call[0] for call in calls} == {
        "api-server", "dag-processor", "db", "jobs", "scheduler", "triggerer",
    }  # fmt: skip
    for call in calls:
        assert callable(get_parser().parse_args(call).func)


def test_the_airflow_check_notices_an_option_that_does_not_exist() -> None:
    from airflow.cli.cli_parser import get_parser

    with pytest.raises(SystemExit):
        get_parser().parse_args(["triggerer", "--no-such-option"])


def test_every_setting_is_known_to_airflow_or_to_this_provider() -> None:
    from airflow.configuration import conf

    settings = {
        (found["section"].lower(), found["key"].lower())
        for name in environment()
        if (found := _SETTING.fullmatch(name))
    }
    known = {
        (section, key)
        for section, described in conf.configuration_description.items()
        for key in described["options"]
    }
    assert ("rollout", "router") in settings & known
    assert settings - known <= _OF_CELERY_SETTINGS


def test_settings_have_values_that_airflow_takes() -> None:
    from airflow.configuration import conf

    for name, value in environment().items():
        found = _SETTING.fullmatch(name)
        if not found:
            continue
        described = conf.configuration_description.get(found["section"].lower(), {})
        kind = described.get("options", {}).get(found["key"].lower(), {}).get("type", "string")
        if kind == "boolean":
            assert value in ("True", "False"), name
        if kind in ("integer", "float"):
            assert {"integer": int, "float": float}[kind](value) >= 0, name


def test_the_settings_are_the_ones_a_release_is_quick_with() -> None:
    said = environment()
    assert float(said["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"]) <= 0.1
    assert int(said["AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"]) == 1
    heartbeat = float(said["AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC"])
    threshold = float(said["AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD"])
    assert heartbeat * 3 <= threshold <= 15


def test_every_command_of_this_package_parses() -> None:
    from airflow_rollout.cli.main import _parser

    calls = _of("airflow-rollout")
    calls += [
        shlex.split(line.partition("run --rm cli ")[2])
        for line in (ROOT / "docker-compose.yaml").read_text().splitlines()
        if "run --rm cli " in line
    ]
    released = [call for call in calls if call[0] == "release"]
    assert released
    for call in released:
        options = _parser(call).parse_args(call)
        assert options.rollout == "payment-service"


@pytest.fixture
def started() -> Iterator[Callable[[list[str]], subprocess.Popen[str]]]:
    """Start programs and end them after the test."""
    running: list[subprocess.Popen[str]] = []

    def start(words: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def _first_line(process: subprocess.Popen[str], wanted: str) -> str:
    """Return the first line of output with a text in it; everything said if there is none."""
    assert process.stdout is not None
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    said = ""
    try:
        for line in process.stdout:
            said += line
            if wanted in line:
                return line
    finally:
        timer.cancel()
    return pytest.fail(f"no {wanted!r} in:\n{said}")


@pytest.mark.parametrize("name", ["payment-v1", "payment-v2"])
def test_the_service_starts_with_its_arguments(
    name: str, started: Callable[[list[str]], subprocess.Popen[str]]
) -> None:
    service = services()[name]
    words = words_of(service["entrypoint"]) + words_of(service["command"])
    assert words[:2] == ["python", "-m"]
    here = {"python": sys.executable, "0.0.0.0": "127.0.0.1", "9000": "0"}
    text = "\0".join(words)
    for old, new in here.items():
        text = text.replace(old, new)
    line = _first_line(started(text.split("\0")), "listens on")
    assert line.startswith(name.removeprefix("payment-"))


def test_the_load_runs_with_its_arguments(tmp_path: Path) -> None:
    service = services()["load"]
    words = words_of(service["entrypoint"]) + words_of(service["command"])
    assert words[:2] == ["python", "-m"]
    out = tmp_path / "answers.txt"
    # Port 9 of the loopback: nobody answers, which the load counts like any other answer.
    here = {"/dev/null": str(out), "http://traefik:8000/payment-service/": "http://127.0.0.1:9/"}
    command = [sys.executable, *(here.get(word, word) for word in words[1:]), "--count", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().splitlines()) == 1


@pytest.mark.real
def test_traefik_takes_every_flag(
    need_binary: Callable[[str], Path],
    tmp_path: Path,
    started: Callable[[list[str]], subprocess.Popen[str]],
) -> None:
    command = words_of(services()["traefik"]["command"])
    here = {
        "=:8000": "=127.0.0.1:0",
        "=:8080": "=127.0.0.1:0",
        "/etc/traefik/dynamic": str(tmp_path),
    }
    text = "\0".join(command)
    for old, new in here.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "routes.yaml").write_text((ROOT / "docker/routes.yaml").read_text())
    words = [str(need_binary("traefik")), *text.split("\0"), "--log.level=INFO", "--log.noColor"]
    assert _first_line(started(words), "Starting provider *file.Provider")


@pytest.mark.real
def test_traefik_refuses_a_flag_that_does_not_exist(
    need_binary: Callable[[str], Path], tmp_path: Path
) -> None:
    done = subprocess.run(
        [need_binary("traefik"), "--providers.fiel.directory=/nowhere"],
        capture_output=True,
        check=False,
        timeout=_START_SECONDS,
        cwd=tmp_path,
    )
    assert done.returncode != 0


def test_secrets_are_made_for_every_variable_that_needs_one(tmp_path: Path) -> None:
    script = tmp_path / "docker" / "secrets"
    script.parent.mkdir()
    script.write_text((ROOT / "docker/secrets").read_text())
    subprocess.run(["bash", script], check=True, capture_output=True)
    made = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines() if line)
    text = (ROOT / "docker-compose.yaml").read_text()
    assert set(made) == set(re.findall(r"\$\{(\w+):\?", text))
    assert len(set(made.values())) == len(made)
    assert all(len(value) >= 24 for value in made.values())
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_secrets_that_are_there_already_stay(tmp_path: Path) -> None:
    script = tmp_path / "docker" / "secrets"
    script.parent.mkdir()
    script.write_text((ROOT / "docker/secrets").read_text())
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=kept\n")
    done = subprocess.run(["bash", script], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert (tmp_path / ".env").read_text() == "POSTGRES_PASSWORD=kept\n"


def test_the_fernet_key_is_one() -> None:
    from cryptography.fernet import Fernet

    text = (ROOT / "docker/secrets").read_text()
    made = re.search(r"fernet\(\) \{ (.+?); \}", text)
    assert made
    done = subprocess.run(["bash", "-c", made[1]], capture_output=True, check=True)
    assert Fernet(done.stdout)

"""The repository's docker-compose.yaml, read as Compose reads it."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yaml"

# `$$` is a dollar sign; `${NAME:-default}` and `${NAME:?message}` are the forms in use.
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


@cache
def document() -> dict[str, Any]:
    """Return the whole document, merge keys resolved."""
    return yaml.safe_load(FILE.read_text())  # type: ignore[no-any-return]


def services() -> dict[str, dict[str, Any]]:
    """Return service by name."""
    return document()["services"]  # type: ignore[no-any-return]


def environment() -> dict[str, str]:
    """Return every environment variable that any service sets, by name."""
    return {
        name: value
        for service in services().values()
        for name, value in service.get("environment", {}).items()
    }


def filled(text: str) -> str:
    """Return a text as Compose passes it on, with made-up values for what has no default."""
    return VARIABLE.sub(
        lambda found: found["rest"] if found["kind"] == "-" else "value", text
    ).replace("$$", "$")


def words_of(value: str | list[str]) -> list[str]:
    """Return a command as separate words, as Compose splits it."""
    return (
        shlex.split(filled(value)) if isinstance(value, str) else [filled(word) for word in value]
    )


def commands() -> list[tuple[str, list[str]]]:
    """Return (service, words) of everything that a service runs, health checks and scripts too."""
    found = []
    for name, service in services().items():
        words = words_of(service.get("entrypoint", [])) + words_of(service.get("command", []))
        test = service.get("healthcheck", {}).get("test", [])
        lines = words[-1].splitlines() if "-c" in words or "-euc" in words else [shlex.join(words)]
        lines += [test[1]] if test[:1] == ["CMD-SHELL"] else [shlex.join(test[1:])]
        found += [(name, shlex.split(filled(line))) for line in lines if line.strip()]
    return found

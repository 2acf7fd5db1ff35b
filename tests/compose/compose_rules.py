"""The rules of the Compose format that a file can break without any YAML error.

Written from the Compose specification, for the parts that this repository uses; `faults` names
what a `docker compose up` would refuse or silently ignore.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TOP = frozenset({"name", "services", "volumes", "networks", "configs", "secrets"})
_SERVICE = frozenset(
    {
        "build", "cap_add", "cap_drop", "command", "configs", "container_name", "cpus",
        "depends_on", "deploy", "dns", "entrypoint", "env_file", "environment", "expose",
        "extra_hosts", "healthcheck", "hostname", "image", "init", "labels", "logging",
        "mem_limit", "networks", "platform", "ports", "privileged", "profiles",
        "pull_policy", "read_only", "restart", "secrets", "security_opt",
        "stop_grace_period", "stop_signal", "tmpfs", "ulimits", "user", "volumes",
        "working_dir",
    }
)  # fmt: skip
_BUILD = frozenset({"args", "context", "dockerfile", "labels", "platforms", "target"})
_HEALTHCHECK = frozenset(
    {"disable", "interval", "retries", "start_interval", "start_period", "test", "timeout"}
)
_CONDITIONS = frozenset({"service_completed_successfully", "service_healthy", "service_started"})
_DURATION = re.compile(r"([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?")
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(:[0-9]+)?")
_NAME = re.compile(r"[a-zA-Z0-9._-]+")

Document = dict[str, Any]


def faults(document: Document) -> list[str]:
    """Return what Compose would refuse, each with its place."""
    found = [f"{key}: unknown" for key in document if key not in _TOP and not key.startswith("x-")]
    for name, service in document["services"].items():
        checks = (_shape, _needs, _health, _mounts, _starts)
        found += [
            f"services.{name}.{fault}" for check in checks for fault in check(service, document)
        ]
    return found


def profiles(service: Document) -> set[str]:
    """Return the profiles that start a service; none means that every `up` does."""
    return set(service.get("profiles", ()))


def _shape(service: Document, _document: Document) -> Iterator[str]:
    yield from (f"{key}: unknown" for key in service if key not in _SERVICE)
    if "image" not in service and "build" not in service:
        yield "image: missing, and no build"
    if isinstance(service.get("build"), dict):
        yield from (f"build.{key}: unknown" for key in service["build"] if key not in _BUILD)
    for key, value in service.get("environment", {}).items():
        # YAML's booleans are refused there, numbers are better written as what they become.
        if not isinstance(value, str):
            yield f"environment.{key}: not text: {value!r}"
    yield from (
        f"profiles: not a name: {profile}"
        for profile in profiles(service)
        if not _NAME.fullmatch(profile)
    )


def _needs(service: Document, document: Document) -> Iterator[str]:
    for name, need in service.get("depends_on", {}).items():
        other = document["services"].get(name)
        if other is None:
            yield f"depends_on.{name}: no such service"
            continue
        condition = need.get("condition")
        if condition not in _CONDITIONS:
            yield f"depends_on.{name}.condition: {condition}"
        if condition == "service_healthy" and "healthcheck" not in other:
            yield f"depends_on.{name}: it has no healthcheck"
        if condition == "service_completed_successfully" and other.get("restart", "no") != "no":
            yield f"depends_on.{name}: it is restarted, so it never completes"
        if profiles(other) - profiles(service):
            yield f"depends_on.{name}: it only exists with {profiles(other)}"


def _health(service: Document, _document: Document) -> Iterator[str]:
    check = service.get("healthcheck")
    if check is None:
        return
    yield from (f"healthcheck.{key}: unknown" for key in check if key not in _HEALTHCHECK)
    test = check.get("test", [])
    if not isinstance(test, list) or test[:1] not in (["CMD"], ["CMD-SHELL"]) or len(test) < 2:
        yield f"healthcheck.test: {test}"
    elif test[0] == "CMD-SHELL" and len(test) != 2:
        yield "healthcheck.test: CMD-SHELL takes one string"
    for key in ("interval", "timeout", "start_period"):
        if key in check and not _DURATION.fullmatch(str(check[key])):
            yield f"healthcheck.{key}: {check[key]}"


def _mounts(service: Document, document: Document) -> Iterator[str]:
    for mount in service.get("volumes", []):
        source, target, *mode = str(mount).split(":")
        if not target.startswith("/"):
            yield f"volumes: {target} is not absolute"
        if mode not in ([], ["ro"], ["rw"]):
            yield f"volumes: {mount}"
        if not source.startswith((".", "/")) and source not in document.get("volumes", {}):
            yield f"volumes: {source} is not declared"


def _starts(service: Document, _document: Document) -> Iterator[str]:
    restart = service.get("restart", "no")
    if not isinstance(restart, str) or not _RESTART.fullmatch(restart):
        yield f"restart: {restart!r}"
    for key in ("command", "entrypoint"):
        words = service.get(key, "")
        if not isinstance(words, str) and not all(isinstance(word, str) for word in words):
            yield f"{key}: not all text: {words}"
    for port in service.get("ports", []):
        if not re.fullmatch(r"[0-9.]+:[0-9]+:[0-9]+", str(port)):
            yield f"ports: {port}"

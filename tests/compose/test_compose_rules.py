"""docker-compose.yaml keeps the rules of Compose, and starts what it says."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_file import FILE, ROOT, VARIABLE, document, environment, filled, services
from compose_rules import faults, profiles

_DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()


def test_compose_has_nothing_to_complain_about() -> None:
    assert faults(document()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"depends_on": {"nobody": {"condition": "service_started"}}}, "no such service"),
        ({"depends_on": {"load": {"condition": "service_healthy"}}}, "no healthcheck"),
        ({"depends_on": {"redis": {"condition": "service_started"}}}, "only exists with"),
        ({"depends_on": {"postgres": {"condition": "service_ready"}}}, "service_ready"),
        (
            {"depends_on": {"postgres": {"condition": "service_completed_successfully"}}},
            "never completes",
        ),
        ({"volumes": ["nowhere:/data"]}, "not declared"),
        ({"ports": ["8080:8080"]}, "ports"),
        ({"comand": "airflow"}, "unknown"),
        ({"restart": False}, "restart"),
        ({"environment": {"AIRFLOW__CORE__LOAD_EXAMPLES": False}}, "not text"),
        ({"healthcheck": {"test": "curl x"}}, "healthcheck.test"),
        ({"healthcheck": {"test": ["CMD", "x"], "every": "5s"}}, "unknown"),
    ],
)
def test_a_broken_rule_is_named(change: dict[str, Any], fault: str) -> None:
    broken = deepcopy(document())
    broken["services"]["traefik"] |= change
    assert any("services.traefik" in found and fault in found for found in faults(broken))


def test_an_unknown_top_level_key_is_named() -> None:
    assert faults({**document(), "service": {}}) == ["service: unknown"]


def test_every_up_starts_airflow_router_service_and_load() -> None:
    started = {name for name, service in services().items() if not profiles(service)}
    assert started == {
        "airflow-api-server", "airflow-dag-processor", "airflow-init", "airflow-scheduler",
        "airflow-triggerer", "first-release", "load", "payment-v1", "payment-v2", "postgres",
        "prepare", "traefik",
    }  # fmt: skip


def test_scale_doubles_schedulers_and_triggerers_and_adds_workers() -> None:
    added = {name for name, service in services().items() if "scale" in profiles(service)}
    assert added == {"airflow-scheduler-2", "airflow-triggerer-2", "airflow-worker", "redis"}
    settings = (ROOT / "docker/scale.env").read_text().splitlines()
    assert {"COMPOSE_PROFILES=scale", "AIRFLOW_EXECUTOR=CeleryExecutor"} <= set(settings)


def test_the_second_of_a_pair_is_like_the_first() -> None:
    for name in ("airflow-scheduler", "airflow-triggerer"):
        first, second = deepcopy(services()[name]), deepcopy(services()[f"{name}-2"])
        del second["profiles"]
        assert first == second


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_is_mounted_and_copied_exists() -> None:
    mounted = {
        mount.split(":")[0]
        for service in services().values()
        for mount in service.get("volumes", [])
        if mount.startswith(".")
    }
    copied = {
        word
        for line in re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", _DOCKERFILE, re.MULTILINE)
        for word in line.split()
    }
    assert mounted
    assert copied
    missing = [name for name in mounted | copied if not (ROOT / name).exists()]
    assert not missing


def test_what_the_image_copies_reaches_the_builder() -> None:
    ignored = (ROOT / "docker/Dockerfile.dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", _DOCKERFILE, re.MULTILINE):
        assert {f"!{word}" for word in line.split()} <= set(ignored)


def test_volumes_of_airflows_user_are_made_by_the_image() -> None:
    # A volume that is mounted where the image has nothing belongs to root.
    made = re.search(r"RUN install -d -o airflow -g 0 -m 775 (.+)", _DOCKERFILE)
    assert made
    for service in services().values():
        if service["image"] == "airflow-rollout:local":
            targets = {mount.split(":")[1] for mount in service.get("volumes", [])}
            ours = {target for target in targets if target.startswith("/opt/rollout/")}
            assert ours <= set(made[1].split())


@pytest.mark.parametrize("secret", ["PASSWORD", "SECRET", "KEY"])
def test_no_secret_has_a_default(secret: str) -> None:
    used = {found["name"]: found["kind"] for found in VARIABLE.finditer(FILE.read_text())}
    secrets = {name: kind for name, kind in used.items() if secret in name}
    assert secrets
    assert set(secrets.values()) == {"?"}


def test_no_secret_is_written_out() -> None:
    named = {name: value for name, value in environment().items() if name.endswith(
        ("PASSWORD", "SECRET", "KEY", "CONN", "BROKER_URL", "RESULT_BACKEND", "REDISCLI_AUTH")
    )}  # fmt: skip
    assert named
    assert all(VARIABLE.search(value) for value in named.values())


def test_images_of_others_are_pinned_to_a_version() -> None:
    tags = {
        service["image"].partition(":")[2]
        for service in services().values()
        if service["image"] != "airflow-rollout:local"
    }
    assert all(re.match(r"v?[0-9]", tag) for tag in tags)


def test_the_connections_lead_to_services_of_the_file() -> None:
    hosts = {
        host
        for value in environment().values()
        for host in re.findall(r"://(?:[^@/]*@)?([a-z][a-z0-9-]*)(?=[:/])", filled(value))
    }
    assert {"airflow-api-server", "postgres", "redis", "traefik"} <= hosts
    assert hosts <= set(services())


def test_the_routes_lead_to_rollouts_of_the_dags_folder() -> None:
    routes = yaml.safe_load((ROOT / "docker/routes.yaml").read_text())["http"]["routers"]
    rollouts = {
        yaml.safe_load(path.read_text())["metadata"]["name"]
        for path in sorted(Path(ROOT / "dags/specs").glob("*.yaml"))
    }
    assert {route["service"] for route in routes.values()} == {f"{name}@file" for name in rollouts}

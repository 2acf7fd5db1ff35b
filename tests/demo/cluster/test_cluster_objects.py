"""What the demo makes in a cluster, and that a release can be made of it."""

from __future__ import annotations

import json

import pytest

from airflow_rollout.cluster import RawObject
from airflow_rollout.demo.cluster import objects
from airflow_rollout.demo.cluster.story import DEFAULT_IMAGES, STORY, behaviours, image_of
from airflow_rollout.release import Arm
from airflow_rollout.workloads.canary_objects import advice, canary_deployment

DEPLOYMENT = objects.deployment(DEFAULT_IMAGES)
LOAD = objects.load_pod(DEFAULT_IMAGES, address="10.96.0.7", rate=60.0)
PODS = [DEPLOYMENT["spec"]["template"]["spec"], LOAD["spec"]]


def env(pod: RawObject) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod["containers"][0]["env"]}


def test_each_version_is_an_image_of_its_own() -> None:
    names = ["v1", *(version.name for version in STORY.versions)]
    images = [image_of(name, DEFAULT_IMAGES) for name in names]
    assert images == [f"python:3.{minor}-alpine" for minor in (11, 12, 13, 10, 14)]
    assert image_of("v5", "mirror.example/py:{version}") == "mirror.example/py:3.14"


def test_the_images_pythons_say_what_is_wrong_with_each_version() -> None:
    told = json.loads(env(PODS[0])["VERSIONS"])
    assert told == behaviours()
    assert {one["version"]: python for python, one in told.items()} == {
        "v1": "3.11", "v2": "3.12", "v3": "3.13", "v4": "3.10", "v5": "3.14",
    }  # fmt: skip
    good = {"error_rate": 0.0, "latency_seconds": 0.0, "exit_after_requests": 0}
    bad = {one["version"] for one in told.values() if {**one, **good} != one}
    assert bad == {"v2", "v3", "v4"}


def test_service_and_deployment_carry_the_second_label_that_moves_traffic() -> None:
    labels = {"app": "checkout", "track": "stable"}
    assert objects.service()["spec"]["selector"] == labels
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert DEPLOYMENT["spec"]["template"]["metadata"]["labels"] == labels


def test_nobody_takes_the_load_for_a_pod_of_the_service() -> None:
    assert LOAD["metadata"]["labels"] == {"app": "load"}


def test_a_canary_can_be_made_of_the_deployment() -> None:
    arm = Arm(version="v2", target=image_of("v2", DEFAULT_IMAGES))
    canary = canary_deployment(
        DEPLOYMENT, objects.service(), arm, container=None, replicas=1, arm_label="track"
    )
    template = canary["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "python:3.12-alpine"
    assert template["metadata"]["labels"]["track"] == "stable-canary"
    # Pods that end are waited for.
    assert not [told for told in advice(DEPLOYMENT, None) if "preStop" in told]


def test_the_load_goes_to_the_services_address_at_its_rate() -> None:
    assert env(LOAD["spec"]) == {"TARGET_HOST": "10.96.0.7", "TARGET_PORT": "80", "RATE": "60"}


@pytest.mark.parametrize("pod", PODS)
def test_pods_have_no_login_and_no_privileges(pod: RawObject) -> None:
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_scripts_are_mounted_as_they_are() -> None:
    data = objects.scripts()["data"]
    assert sorted(data) == ["load.py", "service.py"]
    for name, text in data.items():
        compile(text, name, "exec")
        assert "airflow_rollout" not in text

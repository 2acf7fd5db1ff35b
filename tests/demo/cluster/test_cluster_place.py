"""The demo's namespace: made once, removed by whoever made it, and no other one is touched."""

from __future__ import annotations

import time

import pytest
from small_cluster import KubeApi

from airflow_rollout.demo.cluster import place
from airflow_rollout.demo.cluster.login import ClusterLogin, ClusterUnfit
from airflow_rollout.demo.cluster.objects import MADE_BY, RUN_LABEL, scripts, service
from airflow_rollout.demo.cluster.place import Place
from airflow_rollout.demo.processes import LabError

NAME = "shown"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_REMOVE_SECONDS", "_GONE_SECONDS"):
        monkeypatch.setattr(place, name, 0.3)
    monkeypatch.setattr(place, "_POLL_SECONDS", 0.05)


def writes(api: KubeApi) -> list[str]:
    return [one for one in api.asked if not one.startswith("GET") and "reviews" not in one]


def test_a_namespace_is_made_filled_and_removed(api: KubeApi, login: ClusterLogin) -> None:
    made = Place(login, NAME)
    made.make()
    made.create(scripts(), service())
    found = api.namespace(NAME)
    assert found is not None
    assert found["metadata"]["labels"][MADE_BY[0]] == MADE_BY[1]
    assert sorted(api.objects) == [
        "/api/v1/namespaces/shown",
        "/api/v1/namespaces/shown/configmaps/scripts",
        "/api/v1/namespaces/shown/services/checkout",
    ]
    assert made.remove()
    assert api.objects == {}


def test_a_namespace_that_the_demo_did_not_make_is_refused_and_left_alone(
    api: KubeApi, login: ClusterLogin
) -> None:
    api.put_namespace(NAME, team="shop")
    theirs = Place(login, NAME)
    with pytest.raises(ClusterUnfit, match="that the demo did not make") as refused:
        theirs.make()
    assert "--namespace" in str(refused.value)
    assert not theirs.is_made
    assert theirs.remove()
    assert api.namespace(NAME) is not None
    assert writes(api) == []


def test_another_demos_namespace_is_left_alone_and_the_way_out_is_said(
    api: KubeApi, login: ClusterLogin
) -> None:
    other = Place(login, NAME)
    other.make()
    mine = Place(login, NAME)
    with pytest.raises(ClusterUnfit, match=f"kubectl delete namespace {NAME}"):
        mine.make()
    assert mine.remove()
    assert api.namespace(NAME) is not None


def test_a_namespace_that_is_still_being_removed_is_said(api: KubeApi, login: ClusterLogin) -> None:
    found = api.put_namespace(NAME, **{MADE_BY[0]: MADE_BY[1]})
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    with pytest.raises(ClusterUnfit, match="just being removed"):
        Place(login, NAME).make()


def test_a_namespace_whose_making_was_cut_off_is_removed(api: KubeApi, login: ClusterLogin) -> None:
    made = Place(login, NAME)
    api.breaks = {"POST"}
    with pytest.raises(ClusterUnfit, match="does not answer"):
        made.make()
    assert api.namespace(NAME) is not None
    assert made.remove()
    assert api.namespace(NAME) is None


def test_a_namespace_that_somebody_made_anew_is_left_alone(
    api: KubeApi, login: ClusterLogin
) -> None:
    made = Place(login, NAME)
    made.make()
    api.put_namespace(NAME, **{MADE_BY[0]: MADE_BY[1], RUN_LABEL: "another"})
    assert made.remove()
    assert api.namespace(NAME) is not None


def test_a_namespace_that_is_going_is_not_deleted_again(api: KubeApi, login: ClusterLogin) -> None:
    made = Place(login, NAME)
    made.make()
    found = api.namespace(NAME)
    assert found is not None
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not made.remove()
    assert not [one for one in api.asked if one.startswith("DELETE")]


def test_missing_rights_are_named_before_anything_is_made(
    api: KubeApi, login: ClusterLogin
) -> None:
    api.denied = {"create namespaces", "get pods"}
    with pytest.raises(ClusterUnfit, match=r"context here may not .* create namespaces, get pods/"):
        Place(login, NAME).make()
    assert writes(api) == []


def test_a_cluster_that_cannot_be_reached_is_one_line(api: KubeApi, login: ClusterLogin) -> None:
    api.close()
    with pytest.raises(ClusterUnfit, match=r"cluster http://.* does not answer") as found:
        Place(login, NAME).make()
    assert "\n" not in str(found.value)


def test_a_namespace_that_cannot_be_deleted_is_said_with_the_command(
    api: KubeApi, login: ClusterLogin
) -> None:
    made = Place(login, NAME)
    made.make()
    api.breaks = {"GET"}
    began = time.monotonic()
    with pytest.raises(LabError, match=f"kubectl delete namespace {NAME}"):
        made.remove()
    assert time.monotonic() - began < 10.0


def test_what_the_server_refuses_is_said_in_its_words(api: KubeApi, login: ClusterLogin) -> None:
    with pytest.raises(LabError, match=r"Deployment checkout: .* not found"):
        Place(login, NAME).get_deployment("checkout")

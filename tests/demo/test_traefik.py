"""The lab's Traefik splits by weight, and its lab survives its death."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest

from airflow_rollout.demo.lab import Lab
from airflow_rollout.demo.processes import LabError, wait_until
from airflow_rollout.demo.traefik import BUCKETS

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(["shop", "pay"], dags=None) as started:
        yield started


def split(lab: Lab, service: str, weight: int, stable: str, canary: str) -> None:
    """Write what the router's adapter would write, and wait until Traefik has it."""
    arms = {f"{service}-stable": (100 - weight, stable), f"{service}-canary": (weight, canary)}
    weighted = [{"name": name, "weight": share} for name, (share, _) in arms.items()]
    services: dict[str, object] = {service: {"weighted": {"services": weighted}}}
    for name, (_, url) in arms.items():
        services[name] = {"loadBalancer": {"servers": [{"url": url}]}}
    lab.traefik.write_dynamic(f"{service}.yaml", {"http": {"services": services}})
    wait_until(lambda: lab.live_weight(service) == weight, what="new weight", timeout_seconds=20)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers.get("X-Version", "")
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("X-Version", "")


def test_a_service_without_a_release_serves_nothing(lab: Lab) -> None:
    assert lab.live_weight("pay") is None
    assert get(lab.user_url("pay"))[0] == 404


def test_traffic_follows_the_weight_and_a_restarted_router_still_knows_it(lab: Lab) -> None:
    urls = [lab.start_version("shop", version) for version in ("v1", "v2")]
    split(lab, "shop", 30, *urls)
    wait_until(lambda: get(lab.user_url("shop"))[0] == 200, what="first answer", timeout_seconds=20)
    assert Counter(get(lab.user_url("shop"))[1] for _ in range(100)) == {"v1": 70, "v2": 30}

    web, api = lab.traefik.web_url, lab.traefik.api_url
    lab.traefik.restart()
    assert (lab.traefik.web_url, lab.traefik.api_url) == (web, api)
    wait_until(lambda: get(lab.user_url("shop"))[0] == 200, what="answer", timeout_seconds=20)
    assert lab.live_weight("shop") == 30
    assert Counter(get(lab.user_url("shop"))[1] for _ in range(100)) == {"v1": 70, "v2": 30}

    lab.stop_version("shop", "v2")
    found = Counter(get(lab.user_url("shop")) for _ in range(100))
    assert found == {(200, "v1"): 70, (502, ""): 30}, "a dead version is the router's own 502"
    assert lab.start_version("shop", "v2") == urls[1], "it comes back at its address"


def test_metrics_tell_the_arms_apart_at_the_limits_people_set(lab: Lab) -> None:
    url = lab.start_version("pay", "v1")
    split(lab, "pay", 0, url, url)
    wait_until(lambda: get(lab.user_url("pay"))[0] == 200, what="answer", timeout_seconds=20)
    with urllib.request.urlopen(lab.traefik.metrics_url, timeout=10) as answer:
        text = answer.read().decode()
    assert 'traefik_service_requests_total{code="200",method="GET"' in text
    assert 'service="pay-stable@file",le="0.4"' in text
    assert {0.005, 0.1, 0.25, 0.4, 0.5, 1.0} <= set(BUCKETS)


def test_load_goes_through_the_router(lab: Lab) -> None:
    url = lab.start_version("pay", "v7")
    split(lab, "pay", 0, url, url)
    lab.start_load("pay", rate=200)
    wait_until(
        lambda: sum(answer.version == "v7" for answer in lab.answers("pay")) >= 50,
        what="load",
        timeout_seconds=20,
    )
    lab.stop_load("pay")
    seen = lab.answers("pay")
    assert lab.answer_tail("pay").read_new() == seen


def test_a_router_that_died_is_noticed_and_a_version_that_died_is_not(lab: Lab) -> None:
    lab.start_version("pay", "v8")
    lab.stop_version("pay", "v8")
    lab.check_running()
    lab.traefik.kill()
    with pytest.raises(LabError, match="traefik has ended with code -9; its log ends with"):
        lab.check_running()
    lab.traefik.start()
    lab.traefik.wait_ready()
    lab.check_running()


def test_names_that_nobody_has_are_said(lab: Lab) -> None:
    with pytest.raises(LabError, match="no service 'sohp'; there are shop, pay"):
        lab.start_version("sohp", "v1")
    with pytest.raises(LabError, match="has no Airflow"):
        lab.airflow.url  # noqa: B018

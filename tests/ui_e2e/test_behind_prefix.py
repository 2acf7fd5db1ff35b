"""The pages in a real Airflow behind a reverse proxy: below a prefix, under a strict policy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlparse

import httpx
import pytest
from browser import Tab
from served import PREFIX
from ui_stage import HELD_RATE, Stage, confirm, line, start
from views import BADGE

from airflow_rollout.demo.loopback import answers
from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import Processes, wait_until

pytestmark = pytest.mark.e2e

# What Airflow's own interface needs beside 'self' of the same address: styles that its components
# write into the page, and workers that it makes of blobs. No script of the page's own text, none
# from elsewhere, and no question to anybody else. Our pages alone need less: `served.STRICT`.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_SERVICE = "behind"
_START_SECONDS = 180.0


def _way(port: int) -> dict[str, object]:
    """Return how Traefik leads from the prefix, and from nowhere else, to an API server."""
    return {
        "http": {
            "routers": {
                "airflow": {
                    "rule": f"PathPrefix(`{PREFIX}/`)", "entryPoints": ["web"],
                    "service": "airflow", "middlewares": ["strict"],
                }
            },
            "middlewares": {"strict": {"headers": {"contentSecurityPolicy": _POLICY}}},
            "services": {
                "airflow": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}
            },
        }
    }  # fmt: skip


@pytest.fixture(scope="module")
def behind(stage: Stage) -> Iterator[Stage]:
    """Return the stage as seen through a proxy, by an API server that knows its public address."""
    airflow, traefik = stage.lab.airflow, stage.lab.traefik
    url = f"{traefik.web_url}{PREFIX}"
    (port,) = free_ports(1)
    env = airflow.env | {"AIRFLOW__API__BASE_URL": url, "AIRFLOW__API__PORT": str(port)}
    way = traefik.write_dynamic("airflow.yaml", _way(port))
    with Processes() as processes:
        child = processes.start(
            "api-server-behind", [sys.executable, "-m", "airflow", "api-server"],
            env=env, cwd=airflow.home,
        )  # fmt: skip
        wait_until(
            lambda: answers(f"{url}/api/v2/monitor/health"),
            what="Airflow behind the prefix",
            timeout_seconds=_START_SECONDS,
            children=[child],
        )
        yield replace(stage, url=url)
    way.unlink()


def asked(tab: Tab, method: str, part: str) -> list[str]:
    """Return the addresses with this part in them that a page has sent this to."""
    tab.hear()
    return [url for sent, url in tab.requests if sent == method and part in url]


def test_a_release_is_watched_and_aborted_below_a_prefix_under_a_strict_policy(
    behind: Stage,
) -> None:
    start(behind, _SERVICE, rate=HELD_RATE)
    tab = behind.tab("ann", height=1400)
    tab.go(behind.page(_SERVICE))
    tab.wait(lambda: line(tab, 0, "canary"))
    assert tab.js("document.querySelector('[data-key=abort]').checkVisibility()")
    links = tab.js("[...document.querySelectorAll('.rollout a')].map((one) => one.href)")
    assert any("/tasks/step_01.gate" in link for link in links)
    assert any("/rollout/api/record/" in link for link in links)
    assert [link for link in links if not link.startswith(f"{behind.url}/")] == []
    confirm(tab, "abort", "puts 100 % on stable now", "from behind the proxy")
    tab.wait(lambda: "aborted" in tab.text(BADGE) or "rolled back" in tab.text(BADGE))
    behind.leave(_SERVICE)
    feed = asked(tab, "GET", "/feed/")
    assert feed
    below = f"{behind.url}/rollout/feed/run/{_SERVICE}/release-v2?"
    assert [url for url in feed if not url.startswith(below)] == []
    gate = f"{behind.url}/api/v2/dags/{_SERVICE}/dagRuns/release-v2/taskInstances/step_01.gate"
    assert asked(tab, "PATCH", "") == [gate]
    behind.check_quiet(tab)


def test_the_list_leads_to_a_release_without_leaving_the_prefix(behind: Stage) -> None:
    tab = behind.tab("ann")
    tab.go(f"{behind.url}/plugin/rollouts?q={_SERVICE}")
    tab.wait("document.querySelectorAll('.rollout .rows tbody tr').length === 1")
    tab.click(".rollout [data-key^='h']")
    tab.wait_for_text("1 release: 0 promoted")
    tab.click(".rollout .rows a[href$='/runs/release-v2/plugin/rollout']")
    tab.wait(lambda: line(tab, 0, "canary"))
    assert tab.js("location.href") == behind.page(_SERVICE)
    for part in ("feed/rollouts", f"feed/history/{_SERVICE}", f"feed/run/{_SERVICE}"):
        found = asked(tab, "GET", part)
        assert found, part
        assert [url for url in found if not url.startswith(f"{behind.url}/rollout/{part}")] == []
    behind.check_quiet(tab)


def test_the_policy_is_in_force_on_every_answer_and_the_login_leads_back_below_the_prefix(
    behind: Stage,
) -> None:
    page = f"{behind.url}/rollout/record/{_SERVICE}/release-v2"
    answer = httpx.get(page, headers={"accept": "text/html"})
    assert answer.headers["content-security-policy"] == _POLICY
    assert urlparse(answer.headers["location"]).path == f"{PREFIX}/api/v2/auth/login"
    assert answer.headers["location"].startswith(f"{behind.url}/")
    assert httpx.get(f"{behind.lab.traefik.web_url}/rollout/feed/rollouts").status_code == 404
    tab = behind.tab("ann")
    tab.go(f"{behind.url}/plugin/rollouts")
    tab.wait("!!document.querySelector('.rollout .rows')")
    # The check above would mean nothing if a breach were not heard of.
    tab.js("document.head.append(Object.assign(document.createElement('script'), {text: '0'}))")
    tab.wait(lambda: any("Content Security Policy" in said for said in tab.complaints))

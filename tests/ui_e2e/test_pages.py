"""The pages in a real Airflow: releases that are watched, steered and found again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import httpx
import pytest
from ui_stage import HELD_RATE, Stage, confirm, line, start
from views import BADGE

pytestmark = pytest.mark.e2e

_HELD = "held/dagRuns/release-v2"


@pytest.fixture(scope="module")
def held(stage: Stage) -> Iterator[Stage]:
    """Yield the stage with a release that is judged until somebody ends it."""
    run = start(stage, "held", rate=HELD_RATE)
    # From here on nothing about it changes by itself: what does was changed by a test.
    stage.scene("held").wait_for_judging(run, "step_01")
    yield stage
    stage.leave("held")


def test_a_bad_release_is_watched_live_from_its_start_to_its_rollback(
    stage: Stage, pictures: Path
) -> None:
    start(stage, "bad")
    tab = stage.tab(width=1440, height=1250)
    tab.go(stage.page("bad"))
    tab.wait_for_text("rolled back", within=BADGE)
    stage.leave("bad")
    tab.wait(lambda: line(tab, 0, "canary") and line(tab, 1, "canary"))
    said = tab.text(".rollout .head")
    assert "FAIL request-success-rate" in said
    assert "Weight now\n0 %" in said
    assert "First bad measurement → safe" in said
    assert "Started by\nadmin" in said
    # The reason is what is read first.
    reason = tab.js("document.querySelector('.reason').getBoundingClientRect().top")
    charts = tab.js("document.querySelector('.plot').getBoundingClientRect().top")
    assert reason < charts
    stage.check_quiet(tab)
    tab.picture(pictures / "rollback-light.png")
    dark = stage.tab(width=1440, height=1250, dark=True)
    dark.go(stage.page("bad"))
    dark.wait(lambda: line(dark, 0, "canary"))
    dark.picture(pictures / "rollback-dark.png")


def test_a_step_leads_to_its_task_and_what_that_has_logged(stage: Stage) -> None:
    tab = stage.tab("vic")
    tab.go(stage.page("bad"))
    tab.click(".rollout .step [data-key='step_01.gate']")
    tab.wait("location.pathname === '/dags/bad/runs/release-v2/tasks/step_01.gate'")
    tab.wait_for_text("FAIL request-success-rate", within="body")
    stage.check_quiet(tab)


def test_a_good_release_is_watched_live_to_its_promotion(stage: Stage, pictures: Path) -> None:
    start(stage, "good", interval="5s")
    tab = stage.tab("vic", width=1280, height=1250)
    tab.go(stage.page("good"))
    tab.wait_for_text("running", within=BADGE)
    tab.wait(lambda: line(tab, 0, "canary"))
    before = line(tab, 0, "canary")
    tab.wait(lambda: line(tab, 0, "canary") != before)
    tab.wait_for_text("promoted", within=BADGE)
    stage.leave("good")
    assert "100 %" in tab.text(".rollout .facts")
    stage.check_quiet(tab)
    tab.picture(pictures / "promotion.png")


def test_who_may_only_look_has_no_buttons_and_is_refused_when_they_force_one(held: Stage) -> None:
    tab = held.tab("vic")
    tab.go(held.page("held"))
    tab.wait_for_text("running", within=BADGE)
    assert tab.js("document.querySelectorAll('.rollout [data-key=abort]').length") == 0
    gate = f"{_HELD}/taskInstances/step_01.gate"
    for method, path, body in (
        ("PATCH", gate, {"new_state": "success"}),
        ("PATCH", gate, {"new_state": "failed"}),
        ("PATCH", _HELD, {"state": "failed"}),
        ("POST", f"{_HELD}/clear", {"dry_run": False, "only_failed": False}),
    ):
        assert held.forced(tab, method, path, body) == 403, (method, path, body)


def test_what_another_site_could_send_changes_nothing(held: Stage) -> None:
    tab = held.tab("ann")
    tab.go(held.page("held"))
    tab.wait_for_text("running", within=BADGE)
    before = held.lab.airflow.api.task_states("held", "release-v2")
    clear = {"dry_run": False, "only_failed": False}
    assert held.forced(tab, "POST", f"{_HELD}/clear", clear, "text/plain") >= 400
    gate = f"{_HELD}/taskInstances/step_01.gate"
    assert held.forced(tab, "PATCH", gate, {"new_state": "failed"}, "text/plain") >= 400
    assert held.forced(tab, "PATCH", _HELD, {"state": "failed"}, "text/plain") >= 400
    for path in (f"{_HELD}/clear", f"{gate}?new_state=failed", f"{_HELD}?state=failed"):
        tab.js(f"fetch({json.dumps(f'{held.url}/api/v2/dags/{path}')}).then((a) => a.status)")
    assert held.lab.airflow.api.task_states("held", "release-v2") == before
    assert "running" in tab.text(BADGE)


def test_eight_pages_at_once_keep_airflow_usable(held: Stage) -> None:
    tabs = [held.tab("ann") for _ in range(8)]
    for tab in tabs:
        assert tab.context == tabs[0].context, "a browser counts connections by context"
        tab.go(held.page("held"))
    for tab in tabs:
        tab.wait("!!document.querySelector('.rollout .title .badge')")
    for _ in range(3):
        status = tabs[-1].js("fetch('/api/v2/dags').then((answer) => answer.status)")
        assert status == 200
    for tab in tabs:
        held.check_quiet(tab)
        tab.close()


def test_the_page_goes_on_after_the_api_server_was_killed(held: Stage) -> None:
    tab = held.tab("ann")
    tab.go(held.page("held"))
    tab.wait_for_text("running", within=BADGE)
    held.lab.airflow.kill("api-server")
    tab.wait_for_text("Airflow does not answer")
    held.lab.airflow.start("api-server")
    held.lab.airflow.wait_ready()
    tab.wait("document.querySelector('.rollout .above').children.length === 0")
    assert "running" in tab.text(BADGE)
    # The browser tells of every connection that was refused, and Airflow's own pages complain.
    ours = [said for said in tab.complaints if "/rollout/static/" in said]
    assert ours == []


def test_a_user_promotes_a_step_and_then_aborts(held: Stage) -> None:
    tab = held.tab("ann", height=1400)
    tab.go(held.page("held"))
    tab.wait("!!document.querySelector('[data-key=promote]')")
    confirm(tab, "promote", "puts 100 % on the new version", "numbers are fine")
    judged = "document.querySelector('.rollout .step[aria-current] b')?.innerText === '100 %'"
    tab.wait(f"{judged} && !!document.querySelector('[data-key=promote]')")
    assert "promoted by hand" in tab.text(".rollout .steps")
    confirm(tab, "abort", "puts 100 % on stable now", "customers call")
    tab.wait(lambda: "aborted" in tab.text(BADGE) or "rolled back" in tab.text(BADGE))
    tab.click("[data-key=open-people]")
    people = tab.text("[data-key=people]")
    assert "numbers are fine" in people
    assert "customers call" in people
    assert "ann" in people
    held.check_quiet(tab)


def test_what_was_aborted_is_run_again_and_an_admin_aborts_that(held: Stage) -> None:
    tab = held.tab("ann", height=1400)
    tab.go(held.page("held"))
    tab.wait("!!document.querySelector('[data-key=again]')")
    confirm(tab, "again", "starts at 0 %")
    tab.wait_for_text("running", within=BADGE)
    # From its first step, and nothing of the earlier attempt is told as this one's.
    tab.wait("document.querySelector('.rollout .step[aria-current] b')?.innerText === '10 %'")
    assert "promoted by hand" not in tab.text(".rollout .steps")
    tab.wait(lambda: line(tab, 0, "canary"))
    admin = held.tab("admin")
    admin.go(held.page("held"))
    admin.wait("!!document.querySelector('[data-key=promote]')")
    confirm(admin, "abort", "puts 100 % on stable now", "not tonight")
    tab.wait(lambda: "aborted" in tab.text(BADGE) or "rolled back" in tab.text(BADGE))
    assert "Weight now\n0 %" in tab.text(".rollout .facts")
    tab.click("[data-key=open-people]")
    people = tab.text("[data-key=people]")
    assert "started the run again" in people
    assert "not tonight" in people
    for one in (tab, admin):
        held.check_quiet(one)


def test_a_step_that_asks_is_approved_with_a_comment(stage: Stage) -> None:
    start(stage, "asks")
    tab = stage.tab("admin", height=1400)
    tab.go(stage.page("asks"))
    tab.wait_for_text("Approve")
    confirm(tab, "promote", "Approve this step?", "seen by the team")
    tab.wait_for_text("promoted", within=BADGE)
    stage.leave("asks")
    tab.click("[data-key=open-people]")
    assert "seen by the team" in tab.text("[data-key=people]")
    stage.check_quiet(tab)


def test_the_list_finds_releases_and_keeps_its_view_in_the_address(
    stage: Stage, pictures: Path
) -> None:
    tab = stage.tab("vic", width=1440, height=700)
    tab.go(f"{stage.url}/plugin/rollouts")
    tab.wait("document.querySelectorAll('.rollout .rows tbody tr').length >= 4")
    tab.picture(pictures / "rollouts.png")
    tab.click(".rollout [data-key=fstopped]")
    tab.click(".rollout input[type=search]")
    tab.type("bad")
    tab.wait("document.querySelectorAll('.rollout .rows tbody tr').length === 1")
    address = tab.js("location.href")
    assert parse_qs(urlparse(address).query) == {"show": ["stopped"], "q": ["bad"]}
    again = stage.tab("vic")
    again.go(address)
    again.wait("document.querySelectorAll('.rollout .rows tbody tr').length === 1")
    again.click(".rollout [data-key^='h']")
    again.wait_for_text("1 release: 0 promoted")
    again.click(".rollout .rows a")
    again.wait_for_text("rolled back", within=BADGE)
    stage.check_quiet(again)


def test_a_page_fits_beside_airflows_own_from_narrow_to_wide_in_both_themes(
    stage: Stage, pictures: Path
) -> None:
    for dark in (False, True):
        tab = stage.tab("vic", width=900, dark=dark)
        tab.go(stage.page("bad"))
        tab.wait(lambda tab=tab: line(tab, 0, "canary"))
        assert tab.js("document.documentElement.classList.contains('dark')") == dark
        for width in (900, 1440, 2560):
            tab.size(width, 1000)
            for page in (".rollout-page", "html"):
                fits = "(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)"
                tab.wait(f"{fits}(document.querySelector('{page}'))")
            tab.picture(pictures / f"fits-{width}-{'dark' if dark else 'light'}.png")
        stage.check_quiet(tab)


def test_one_goes_to_another_run_and_back(stage: Stage) -> None:
    stage.scene("bad").api.trigger(
        "bad", run_id="release-v3", conf={"version": "v3", "url": "http://127.0.0.1:9"}
    )
    tab = stage.tab(width=1440)
    tab.go(stage.page("bad", "release-v3"))
    tab.wait("!!document.querySelector('[data-key=switcher]')")
    choose = (
        "(() => {{ const s = document.querySelector('[data-key=switcher]'); s.value = '{}'; "
        "s.dispatchEvent(new Event('change')); }})()"
    )
    tab.js(choose.format("release-v2"))
    tab.wait_for_text("FAIL request-success-rate")
    tab.js(choose.format("release-v3"))
    tab.wait("document.querySelector('.rollout .versions')?.innerText.includes('v3')")
    tab.js("history.back()")
    tab.wait_for_text("FAIL request-success-rate")
    stage.check_quiet(tab)


def test_a_run_that_is_no_release_says_so_beside_another_plugin(stage: Stage) -> None:
    stage.lab.airflow.api.trigger("none", run_id="r1", conf={})
    tab = stage.tab()
    tab.go(stage.page("none", "r1"))
    tab.wait_for_text("No release here")
    tab.go(f"{stage.url}/dags/none/runs/r1/plugin/other")
    tab.wait("document.querySelector('#other')?.innerText === 'other'")
    # And from one to the other within Airflow's page, which keeps what it has loaded.
    tab.js("globalThis.stays = true")
    for place, seen in (
        ("/dags/none/runs/r1/plugin/rollout", "No release here"),
        ("/dags/none/runs/r1/plugin/other", "other"),
        ("/dags/none/runs/r1/plugin/rollout", "No release here"),
        ("/plugin/rollouts", "Needs attention"),
    ):
        tab.click(f"a[href$='{place}']")
        tab.wait_for_text(seen, within="#other" if seen == "other" else ".rollout")
    assert tab.js("globalThis.stays")
    stage.check_quiet(tab)


def test_who_is_not_logged_in_is_led_to_airflows_login(stage: Stage) -> None:
    page = f"{stage.url}/rollout/record/bad/release-v2"
    answer = httpx.get(page, headers={"accept": "text/html"})
    assert answer.status_code == 307
    place = urlparse(answer.headers["location"])
    assert place.path == "/api/v2/auth/login"
    assert parse_qs(place.query) == {"next": [page]}
    tab = stage.browser.open()
    tab.go(page)
    tab.wait("location.pathname.includes('/auth/login')")
    assert tab.js("new URLSearchParams(location.search).get('next')") == page

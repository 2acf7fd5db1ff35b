"""The pages in a real browser over releases as they may be: hostile, half written, hours long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from airflow_tables import BEGAN, gate_piece
from browser import Browser, Tab
from feed_world import World, feed_world
from served import serve
from stories import HOSTILE, leave_hostile, leave_long, leave_rolled_back

from airflow_rollout.analysis.undecided import ASKING
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.record import to_piece

pytestmark = pytest.mark.real

BADGE = ".rollout .title .badge"


@dataclass
class Served:
    """The pages of a world in a browser."""

    world: World
    browser: Browser
    url: str
    writes: list[tuple[str, str, Any]]

    def run(self, dag_id: str = "shop", run_id: str = "r1", **options: Any) -> Tab:
        return self.show(f"?dag={dag_id}&run={run_id}", ".rollout h2", **options)

    def list(self, query: str = "?", **options: Any) -> Tab:
        return self.show(query, ".rollout .card", **options)

    def show(self, query: str, until: str, **options: Any) -> Tab:
        dark = bool(options.get("dark"))
        tab = self.browser.open(**options)
        tab.go(f"{self.url}{query}&theme={'dark' if dark else 'light'}")
        tab.wait(f"!!document.querySelector('{until}')", 30)
        return tab


@pytest.fixture
def served(browser: Browser) -> Iterator[Served]:
    with feed_world() as world:
        world.tables.dag("shop")
        world.permitted.add("shop")
        with serve(world.app) as (url, writes):
            yield Served(world=world, browser=browser, url=url, writes=writes)


def open_release(served: Served, task: str = "deferred") -> None:
    served.world.tables.run("shop", "r1")
    served.world.tables.release("shop", "r1")
    served.world.tables.task("shop", "r1", "step_01.gate", task)


def test_hostile_values_are_shown_as_text(served: Served) -> None:
    leave_hostile(served.world.tables)
    for tab in (served.run("shop", "r1"), served.list()):
        assert HOSTILE in tab.js("document.querySelector('.rollout').textContent")
        for name in ("script", "img", "iframe"):
            assert tab.js(f"document.querySelectorAll('.rollout {name}').length") == 0
        assert tab.complaints == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [900, 1280, 2560])
def test_nothing_is_cut_off_under_a_strict_policy_and_a_prefix(
    served: Served, width: int, dark: bool
) -> None:
    leave_rolled_back(served.world.tables)
    for tab in (served.run(width=width, dark=dark), served.list(width=width, dark=dark)):
        tab.wait("getComputedStyle(document.querySelector('.rollout')).display === 'grid'")
        page = "document.querySelector('#page')"
        assert tab.js(f"{page}.scrollWidth <= {page}.clientWidth"), "it scrolls sideways"
        assert tab.complaints == []
        assert {url[:20] for _, url in tab.requests} <= {served.url[:20], "data:,"}


def test_colours_have_enough_contrast_in_both_themes(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    for dark in (False, True):
        for tab in (served.run(dark=dark), served.list(dark=dark)):
            tab.wait("getComputedStyle(document.querySelector('.rollout')).display === 'grid'")
            assert tab.js(CONTRAST) == []


# The ratio of WCAG 2 between each text and what lies behind it; drawn by the browser itself, so
# that every way to say a colour counts.
CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => colour.map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  for (const element of document.querySelectorAll('.rollout *')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest('option') || !element.getClientRects().length) continue;
    const behind = [];
    for (let e = element; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
    const back = ['#fff', ...behind];
    const style = getComputedStyle(element);
    const ink = element.namespaceURI.includes('svg') ? style.fill : style.color;
    const [a, b] = [light(rgb(back)), light(rgb([...back, ink]))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${element.className.baseVal ?? element.className} ${element.textContent} ${ratio}`);
  }
  return found;
})()"""  # noqa: E501


def test_everything_has_a_name_for_who_cannot_see_it(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run()
    labels = tab.js(
        "[...document.querySelectorAll('.rollout [role=img]')]"
        ".map((e) => e.getAttribute('aria-label'))"
    )
    assert len(labels) == 3
    assert "bad above 1 %" in labels[0]
    assert "stopped at 100 to 1" in labels[1]
    assert "10 %" in labels[2]
    nameless = tab.js(
        "[...document.querySelectorAll('.rollout :is(button, select, input, a)')]"
        ".filter((e) => !(e.innerText.trim() || e.getAttribute('aria-label'))).length"
    )
    assert nameless == 0


def test_charts_are_read_by_keyboard(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run()
    tab.js("document.querySelector('.plot').focus()")
    tab.press("Home", 36)
    assert tab.text(".unseen").startswith("0:0")
    for _ in range(60):
        tab.press("ArrowRight", 39)
    said = tab.text(".unseen")
    assert "new version" in said
    assert "evidence" in said
    assert tab.js("document.querySelector('.cursor').getAttribute('visibility')") == "visible"
    tab.press("Escape", 27)
    assert tab.js("document.querySelector('.cursor').getAttribute('visibility')") == "hidden"


def test_an_action_asks_once_and_goes_to_airflow_with_its_comment(served: Served) -> None:
    open_release(served)
    tab = served.run()
    tab.js("document.querySelector('[data-key=abort]').focus()")
    tab.press("Enter", 13, "\r")
    tab.wait_for_text("Puts 100 % on stable now", within="dialog")
    assert tab.js("document.querySelector('dialog').contains(document.activeElement)")
    tab.press("Escape", 27)
    tab.wait("!document.querySelector('dialog')")
    assert served.writes == []
    tab.click("[data-key=abort]")
    tab.click("dialog textarea")
    tab.type("customers call")
    tab.click("dialog [type=submit]")
    tab.wait("!document.querySelector('dialog')")
    path = "dags/shop/dagRuns/r1/taskInstances/step_01.gate"
    assert served.writes == [("PATCH", path, {"new_state": "failed", "note": "customers call"})]


def test_a_button_is_not_made_anew_while_only_numbers_change(served: Served) -> None:
    open_release(served)
    tab = served.run()
    tab.js("globalThis.before = document.querySelector('[data-key=abort]')")
    gate = gate_piece("r1")
    finding = replace(gate.judgement.metrics[0], canary_requests=4711)
    gate = replace(gate, judgement=replace(gate.judgement, metrics=(finding,)))
    served.world.tables.piece("shop", "r1", "step_01.gate", "gate", to_piece(gate))
    tab.wait_for_text("4,711 requests", within=".rollout .facts")
    assert tab.js("globalThis.before.isConnected")


def test_what_airflow_refuses_is_said_where_it_was_asked_for(served: Served) -> None:
    open_release(served)
    tab = served.run()
    tab.click("[data-key=promote]")
    tab.click("dialog textarea")
    tab.type("refused")
    tab.click("dialog [type=submit]")
    tab.wait_for_text("You may not do this", within="dialog .error")


def test_a_step_that_was_promoted_by_hand_is_not_called_failed(served: Served) -> None:
    open_release(served, task="success")
    said = to_piece(gate_piece("r1", Verdict.FAIL, reason="FAIL split: not its own", ends=True))
    served.world.tables.piece("shop", "r1", "step_01.gate", "gate", said)
    assert "promoted by hand" in served.run().text(".rollout .steps")


def test_who_may_not_act_sees_no_action(served: Served) -> None:
    served.world.edit = False
    open_release(served)
    assert (
        served.run().js("document.querySelectorAll('.rollout header .buttons button').length") == 0
    )


def test_a_step_that_asks_offers_to_approve_or_reject(served: Served) -> None:
    open_release(served)
    piece = to_piece(gate_piece("r1", Verdict.INCONCLUSIVE, reason=f"INCONCLUSIVE {ASKING}"))
    served.world.tables.piece("shop", "r1", "step_01.gate", "gate", piece)
    tab = served.run()
    assert tab.text(".rollout header .buttons").split("\n") == ["Approve", "Reject"]


def test_a_page_follows_what_happens(served: Served) -> None:
    open_release(served)
    tab = served.run()
    assert "running" in tab.text(BADGE)
    failed = to_piece(gate_piece("r1", Verdict.FAIL, reason="FAIL errors 5 %", ends=True))
    served.world.tables.piece("shop", "r1", "step_01.gate", "gate", failed)
    tab.wait_for_text("FAIL errors 5 %")


def test_a_page_of_an_older_package_says_to_reload_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_release(served)
    tab = served.run()
    monkeypatch.setattr("airflow_rollout.ui.feed.FEED_SCHEMA", 2)
    tab.wait_for_text("reload this page")


def test_a_page_that_is_left_asks_nothing_more(served: Served) -> None:
    open_release(served)
    tab = served.run()
    assert tab.js("(leave(), document.querySelector('#page').children.length)") == 0
    asked = len(tab.requests)
    tab.js("new Promise((done) => setTimeout(done, 2500))")
    assert len(tab.requests) == asked


@pytest.mark.parametrize("piece", [{"schema": 99}, None, "half", {"schema": 1, "epoch": 3}])
def test_a_record_that_cannot_be_read_leaves_a_page_that_can(served: Served, piece: Any) -> None:
    open_release(served)
    for key in ("gate", "outline", "series_1_0"):
        served.world.tables.piece("shop", "r1", "step_01.gate", key, piece)
    served.world.tables.piece("shop", "r1", "prepare", "outline", piece)
    tab = served.run()
    assert "running" in tab.text(BADGE)
    assert tab.complaints == []
    served.world.tables.run("shop", "r2", state="failed", end_date=BEGAN)
    served.world.tables.piece("shop", "r2", "prepare", "attempt", piece)
    tab = served.run(run_id="r2")
    assert "No release here" in tab.text()
    assert tab.complaints == []


def test_six_hours_with_four_metrics_are_drawn_and_a_link_keeps_the_view(served: Served) -> None:
    leave_long(served.world.tables)
    tab = served.show("?dag=shop&run=r1&metric=m3&range=900", ".plot .line.canary")
    assert tab.js("document.querySelector('select[aria-label=Metric]').value") == "m3"
    assert tab.js("document.querySelector('[aria-pressed=true]').innerText") == "15 min"
    tab.click(".rollout .ranges [data-key=range]")
    assert "range" not in tab.js("location.search")
    length = tab.js("document.querySelector('.plot .line.canary').getAttribute('d').length")
    assert 1000 < length < 60_000
    assert tab.complaints == []


def test_an_airflow_without_rollouts_is_told_how_to_begin(served: Served) -> None:
    served.world.permitted.clear()
    tab = served.list()
    assert "No rollout yet" in tab.text()
    assert "rollout_dag(" in tab.text()


def test_five_hundred_rollouts_can_be_searched(served: Served) -> None:
    for number in range(500):
        name = f"service-{number:03d}"
        served.world.tables.dag(name)
        served.world.permitted.add(name)
    tab = served.list("?q=service-4")
    assert tab.js("document.querySelectorAll('.rollout .rows tbody tr').length") == 100
    tab.click(".rollout input[type=search]")
    tab.type("99")
    tab.wait("document.querySelectorAll('.rollout .rows tbody tr').length === 1")

"""The pages in a real browser over releases as they may be: hostile, half written, hours long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from airflow_tables import BEGAN, gate_piece, outline
from stories import (
    DISGUISED,
    HOSTILE,
    LONG,
    leave_extreme,
    leave_hostile,
    leave_long,
    leave_rolled_back,
)
from views import BADGE, Served, open_release

from airflow_rollout.analysis.undecided import ASKING
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.record import to_piece
from airflow_rollout.release import Outcome

pytestmark = pytest.mark.real


def test_hostile_values_are_shown_as_text(served: Served) -> None:
    leave_hostile(served.world.tables)
    for tab in (served.run("shop", "r1"), served.list()):
        assert HOSTILE in tab.js("document.querySelector('.rollout').textContent")
        for name in ("script", "img", "iframe"):
            assert tab.js(f"document.querySelectorAll('.rollout {name}').length") == 0
        assert tab.complaints == []


def test_a_disguised_or_endless_text_neither_hides_nor_pushes_anything_away(
    served: Served,
) -> None:
    leave_hostile(served.world.tables, DISGUISED + LONG)
    for tab in (served.run(width=900), served.list(width=900)):
        shown = tab.js("document.querySelector('.rollout').textContent")
        assert "v2\N{REPLACEMENT CHARACTER}1v" in shown
        assert not set("\u202e\u0007\u200b") & set(shown)
        page = "document.querySelector('#page')"
        assert tab.js(f"{page}.scrollWidth <= {page}.clientWidth"), "it scrolls sideways"
        assert tab.complaints == []
    spoken = tab.js(
        "[...document.querySelectorAll('.rollout [aria-label], .rollout [title]')]"
        ".map((e) => `${e.getAttribute('aria-label')} ${e.title}`).join(' ')"
    )
    assert "\u202e" not in spoken


EXTREMES = {
    "largest": [1.7976931348623157e308, -1.7976931348623157e308, 1e308],
    "no number": [float("nan"), float("inf"), float("-inf"), None],
    "smallest": [5e-324, 0.0, 1e-300],
    "close to each other": [1e16, 1e16 + 2],
}


@pytest.mark.parametrize("values", EXTREMES.values(), ids=EXTREMES)
def test_numbers_that_no_chart_can_bear_leave_a_page_that_can_be_used(
    served: Served, values: list[float]
) -> None:
    leave_extreme(served.world.tables, values)
    tab = served.run()
    drawn = "document.querySelectorAll('.rollout .plot .tick').length"
    tab.wait(f"{drawn} > 10")
    assert tab.js(drawn) < 200
    html = tab.js("[...document.querySelectorAll('.rollout .plot')].map((e) => e.outerHTML).join()")
    assert "NaN" not in html
    assert "Infinity" not in html
    tab.js("document.querySelector('.plot').focus()")
    tab.press("ArrowLeft", 37)
    assert "new version" in tab.text(".unseen")
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


def test_times_are_those_of_the_zone_chosen_in_airflow(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run()
    tab.js("localStorage.setItem('timezone', JSON.stringify('Asia/Tokyo'))")
    tab.go(f"{served.url}?dag=shop&run=r1")
    tab.wait_for_text("2026-05-01 21:00:00", within=".rollout .facts")


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


@pytest.mark.parametrize(("unit", "shown"), [("%", "99.5 %"), ("share", "9,950 %"), ("", "99.5")])
def test_a_limit_has_its_unit_before_anything_was_measured(
    served: Served, unit: str, shown: str
) -> None:
    served.world.tables.run("shop", "r1")
    served.world.tables.release("shop", "r1")
    told = outline("r1")
    metric = replace(told.metrics[0], minimum=99.5, maximum=None, unit=unit)
    told = replace(told, metrics=(metric,))
    served.world.tables.piece("shop", "r1", "prepare", "outline", to_piece(told))
    tab = served.run()
    tab.wait(f"document.querySelector('.legend').innerText.includes('limit {shown}')")


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
    labels = "[...document.querySelectorAll('.rollout header .buttons button')]"
    assert tab.js(f"{labels}.map((one) => one.innerText)") == ["Approve", "Reject"]


def test_what_is_over_cannot_be_aborted_while_its_run_tidies_up(served: Served) -> None:
    open_release(served, task="failed")
    tab = served.run()
    assert tab.js("!!document.querySelector('[data-key=abort]')")
    served.world.tables.end("shop", "r1", Outcome.ROLLED_BACK)
    tab.wait("!document.querySelector('[data-key=abort]')")
    assert "rolled back" in tab.text(BADGE)


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


def test_a_page_is_shown_even_where_its_style_is_not_to_be_had(served: Served) -> None:
    open_release(served)
    tab = served.browser.open()
    tab.ask("Network.setBlockedURLs", urls=["*rollout.css"])
    tab.go(f"{served.url}?dag=shop&run=r1")
    tab.wait("document.querySelector('.rollout h2')?.checkVisibility()")


def test_what_somebody_marks_and_where_the_focus_is_outlive_what_happens(served: Served) -> None:
    open_release(served)
    tab = served.run()
    tab.click("[data-key=open-queries]")
    tab.js("document.querySelector('.query button').focus()")
    tab.js("getSelection().selectAllChildren(document.querySelector('.query pre'))")
    failed = to_piece(gate_piece("r1", Verdict.FAIL, reason="FAIL errors 5 %", ends=True))
    served.world.tables.piece("shop", "r1", "step_01.gate", "gate", failed)
    tab.wait_for_text("FAIL errors 5 %", within=".rollout .head")
    assert tab.js("getSelection().toString()") == "GET /metrics"
    tab.js("getSelection().removeAllRanges()")
    verdict = "document.querySelector('[data-key=decisions]').textContent.includes('FAIL errors')"
    tab.wait(verdict)
    assert tab.js("document.activeElement.getAttribute('aria-label')") == "Copy query of errors"


def test_a_page_that_is_left_asks_nothing_more(served: Served) -> None:
    open_release(served)
    tab = served.run()
    assert tab.js("(leave(), document.querySelector('#page').children.length)") == 0
    asked = len(tab.requests)
    tab.js("new Promise((done) => setTimeout(done, 2500))")
    assert len(tab.requests) == asked


UNREADABLE: dict[str, Any] = {
    "newer": {"schema": 99},
    "older": {**to_piece(gate_piece("r1")), "schema": 0},
    "none": None,
    "half": '{"schema": 1, "epoch": "r',
    "another shape": {"schema": 1, "epoch": 3},
    "text for numbers": {
        **to_piece(gate_piece("r1")), "weight": HOSTILE, "metrics": ["errors"], "start": HOSTILE,
        "rows": [[HOSTILE, HOSTILE, HOSTILE]],
    },
}  # fmt: skip


@pytest.mark.parametrize("piece", UNREADABLE.values(), ids=UNREADABLE)
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

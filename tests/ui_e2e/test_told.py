"""What the pages tell of a release, and how one gets hold of it: words, marks, copies, files."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from airflow_tables import BEGAN, gate_piece, outline
from browser import Tab
from stories import leave_rolled_back, leave_sixty
from views import Served, open_release

from airflow_rollout.analysis.undecided import ASKING
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.record import Event, events_piece, to_piece
from airflow_rollout.release import Outcome

pytestmark = pytest.mark.real

_HOLD_SECONDS = 3600.0


def judge(served: Served, *, requests: int, hold_seconds: float = _HOLD_SECONDS) -> None:
    """Let the gate of an open release have judged that many requests of 50 just now."""
    gate = gate_piece("r1")
    finding = replace(gate.judgement.metrics[0], canary_requests=requests)
    gate = replace(
        gate, written_at=time.time(), hold_seconds=hold_seconds,
        judgement=replace(gate.judgement, at=time.time(), metrics=(finding,)),
    )  # fmt: skip
    served.world.tables.piece("shop", "r1", "step_01.gate", "gate", to_piece(gate))


def test_a_step_says_what_it_still_waits_for_and_how_long_it_holds(served: Served) -> None:
    open_release(served)
    judge(served, requests=40)
    tab = served.run()
    waiting = ".rollout .step[aria-current] .waiting"
    both = r"waits for (59:\d\d|1:00:00) more and 10 more requests to the new version"
    assert re.fullmatch(both, tab.text(waiting))
    assert re.search(r"Hold\n(59:\d\d|1:00:00) left", tab.text(".rollout .facts"))
    assert "40 requests (at least 50)" in tab.text(".rollout .steps")
    judge(served, requests=49)
    tab.wait(lambda: tab.text(waiting).endswith("more and 1 more request to the new version"))
    judge(served, requests=60)
    tab.wait(lambda: re.fullmatch(r"waits for (59:\d\d|1:00:00) more", tab.text(waiting)))
    judge(served, requests=60, hold_seconds=0.0)
    tab.wait(lambda: tab.text(waiting) == "waits for a check that passes")
    assert "Hold\nover" in tab.text(".rollout .facts")


def test_a_step_leads_to_its_tasks(served: Served) -> None:
    open_release(served)
    served.world.tables.task("shop", "r1", "step_01.promote", "success")
    tab = served.run()
    links = "[...document.querySelectorAll('.rollout .step .links a')]"
    below = served.url.removesuffix("/page")
    assert tab.js(f"{links}.map((one) => [one.innerText, one.href])") == [
        ["promote: success", f"{below}/dags/shop/runs/r1/tasks/step_01.promote"],
        ["gate: deferred", f"{below}/dags/shop/runs/r1/tasks/step_01.gate"],
    ]


def kinds(tab: Tab) -> dict[str, list[str]]:
    """Return the marks of the weight: what each kind looks like -> what its marks say."""
    found: dict[str, list[str]] = {}
    told = tab.js(
        """[...document.querySelectorAll('.rollout .plot .mark')].map((one) => {
          const shape = one.querySelector('path, circle, rect');
          const form = (shape.getAttribute('d') ?? '').replaceAll(/M[\\d.-]+ [\\d.-]+/g, '');
          return [`${shape.localName}${form}`, one.querySelector('title').textContent];
        })"""
    )
    for form, text in told:
        found.setdefault(form, []).append(text)
    return found


def test_what_happened_is_marked_on_the_weight_by_form_and_not_by_colour_alone(
    served: Served,
) -> None:
    tables = served.world.tables
    leave_rolled_back(tables)
    later = BEGAN + timedelta(seconds=20)
    tables.action("shop", "r1", "patch_dag_run", owner="bob", dttm=later)
    at = BEGAN.timestamp() + 60
    events = [Event(at=at, task="rollback", text="router away, asks again", epoch="r1")]
    tables.piece("shop", "r1", "rollback", "events", events_piece(events))
    tab = served.run()
    assert sorted(map(tuple, kinds(tab).values())) == [
        ("10 %",),
        ("FAIL errors 5 % (limit 1 %)",),
        ("bob: marked the run ",),
        ("rollback: router away, asks again",),
    ]
    # And each kind that there is has its word.
    words = tab.text(".rollout .chart:last-child .hint")
    assert words.split() == ["raised", "stopped", "by", "a", "person", "other"]


def test_a_pointer_reads_all_charts_at_one_moment(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run(height=1400)
    box = tab.js(
        "(({ x, y, width, height }) => [x + width * 0.25, y + height / 2])"
        "(document.querySelector('.plot').getBoundingClientRect())"
    )
    before = tab.text(".rollout .legend")
    tab.ask("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
    seen = (
        "[...document.querySelectorAll('.cursor')]"
        ".filter((one) => one.getAttribute('visibility') === 'visible')"
        ".map((one) => Math.round(one.getAttribute('x1')))"
    )
    tab.wait(f"{seen}.length === 3")
    assert len(set(tab.js(seen))) == 1
    moment, *values = tab.text(".rollout .legend").split()
    assert re.fullmatch(r"\d+:\d\d", moment)
    assert values != before.split()
    tab.ask("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    tab.wait(f"{seen}.length === 0")
    assert tab.text(".rollout .legend") == before


@pytest.mark.parametrize("is_secure", [True, False])
def test_a_query_is_copied_as_it_was_sent_with_and_without_tls(
    served: Served, is_secure: bool
) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run()
    allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    tab.ask("Browser.grantPermissions", permissions=allowed, browserContextId=tab.context)
    tab.js("navigator.clipboard.writeText('something else')")
    if not is_secure:
        tab.js("Object.defineProperty(navigator, 'clipboard', {value: null, configurable: true})")
    tab.click("[data-key=open-queries]")
    tab.click(".query button")
    tab.wait("document.querySelector('.query button').innerText === 'Copied'")
    tab.js("delete navigator.clipboard")
    assert tab.js("navigator.clipboard.readText()") == "GET /metrics"
    assert tab.complaints == []


def test_the_record_is_downloaded_as_json(served: Served, tmp_path: Path) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run()
    tab.ask(
        "Browser.setDownloadBehavior",
        behavior="allow", downloadPath=str(tmp_path), browserContextId=tab.context,
    )  # fmt: skip
    tab.click("[data-key=download]")
    file = tmp_path / "shop-r1.json"
    tab.wait(file.exists)
    record = json.loads(file.read_text())
    assert (record["version"], record["outcome"]) == ("v2", "rolled_back")
    assert record["gates"][0]["judgement"]["reason"] == "FAIL errors 5 % (limit 1 %)"
    assert record["outline"]["metrics"][0]["asked"] == ["GET /metrics"]


def test_the_history_draws_the_last_fifty_releases_with_their_harm_and_time_to_safe(
    served: Served,
) -> None:
    leave_sixty(served.world.tables)
    tab = served.list("?service=shop%2F", width=900)
    tab.wait_for_text("50 releases: 25 promoted, 25 not, safe in")
    told = tab.text(".rollout .history")
    assert "at most 3" in told
    assert "time to safe, at most 3" in told
    count = "document.querySelectorAll('.rollout .bars {}').length"
    assert tab.js(count.format("text")) == 50
    harmed = "document.querySelectorAll('.rollout .bars .up:not([height=\"0\"])').length"
    assert tab.js(harmed) == 25
    page = "document.querySelector('#page')"
    assert tab.js(f"{page}.scrollWidth <= {page}.clientWidth"), "it scrolls sideways"
    titles = tab.js("[...document.querySelectorAll('.bars title')].map((one) => one.textContent)")
    assert any(re.match(r"v\d+ rolled back, \d+ requests, \d+ bad, safe in 3", it) for it in titles)
    tab.click(".rollout [data-key=open-history]")
    links = tab.js("document.querySelectorAll('.history li a').length")
    assert links == 50
    # What is unfolded stays so while the list goes on.
    served.world.tables.dag("other")
    served.world.permitted.add("other")
    tab.wait_for_text("other")
    assert tab.js("document.querySelector('.history details').open")


def test_what_needs_a_person_comes_first_then_what_runs_then_the_rest(served: Served) -> None:
    tables = served.world.tables
    for name in ("done", "runs", "asks", "gone"):
        tables.dag(name)
        tables.run(name, f"r-{name}", state="success" if name == "done" else "running")
        tables.release(name, f"r-{name}")
        served.world.permitted.add(name)
        told = replace(outline(f"r-{name}"), service=name)
        tables.piece(name, f"r-{name}", "prepare", "outline", to_piece(told))
    tables.end("done", "r-done", Outcome.PROMOTED)
    tables.end("gone", "r-gone", Outcome.ROLLED_BACK)
    tables.set_run("gone", "r-gone", "failed")
    asks = gate_piece("r-asks", Verdict.INCONCLUSIVE, reason=f"INCONCLUSIVE {ASKING}")
    tables.piece("asks", "r-asks", "step_01.gate", "gate", to_piece(asks))
    tab = served.list()
    rows = "[...document.querySelectorAll('.rollout .rows tbody tr')]"
    names = f"{rows}.map((row) => row.cells[0].querySelector('a').innerText.split(' ')[0])"
    assert tab.js(names) == ["asks", "runs", "gone", "done", "shop"]
    assert "a person decides" in tab.js(f"{rows}[0].innerText")
    tab.click(".rollout [data-key=fattention]")
    tab.wait(f"{rows}.length === 1")
    assert tab.js("location.search").endswith("show=attention")


def test_a_page_that_nobody_sees_asks_nothing_until_it_is_seen_again(served: Served) -> None:
    open_release(served)
    tab = served.run()

    def hide(hidden: str) -> int:
        tab.js(
            f"Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}})"
        )
        tab.js("document.dispatchEvent(new Event('visibilitychange'))")
        tab.hear()
        return len(tab.requests)

    before = hide("true")
    # Three times as long as it pauses between two questions.
    tab.js("new Promise((done) => setTimeout(done, 3000))")
    assert len(tab.requests) - before <= 1, "one may have been under way"
    failed = to_piece(gate_piece("r1", Verdict.FAIL, reason="FAIL errors 5 %", ends=True))
    served.world.tables.piece("shop", "r1", "step_01.gate", "gate", failed)
    hide("false")
    tab.wait_for_text("FAIL errors 5 %")


COMPLAINTS = {
    "console.error('heard')": "console: heard",
    "setTimeout(() => { throw new Error('thrown') })": "Error: thrown",
    "Promise.reject(new Error('nobody waits for it')) && 0": "Error: nobody waits for it",
    "fetch('rollout/feed/none').then(() => 0)": "404",
    "fetch('https://elsewhere.invalid/').catch(() => 0)": "Content Security Policy",
    "document.body.setAttribute('style', 'color: red')": "Content Security Policy",
}


@pytest.mark.parametrize("fault", COMPLAINTS)
def test_whatever_a_page_complains_of_is_heard(served: Served, fault: str) -> None:
    open_release(served)
    tab = served.run()
    assert tab.complaints == []
    tab.js(f"(() => {{ {fault}; return 0; }})()")
    tab.wait(lambda: tab.hear() is None and tab.complaints != [])
    assert COMPLAINTS[fault] in tab.complaints[0]

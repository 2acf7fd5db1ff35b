"""The page of a release: the reason first, and nothing in it can act."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_rollout.analysis.verdict import Judgement, MetricFinding, Verdict
from airflow_rollout.record import SCHEMA, Event, GatePiece, ReleaseRecord, Stop
from airflow_rollout.release import Outcome
from airflow_rollout.ui.record_page import render

HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>&lt;"""
_ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "div", "b", "br", "table", "tr",
    "th", "td", "a",
}  # fmt: skip


def record(text: str = "plain", **changes: object) -> ReleaseRecord:
    """Return a record whose every text is `text`."""
    finding = MetricFinding(name=text, verdict=Verdict.FAIL, sentence=text)
    judgement = Judgement(
        at=1060.0, verdict=Verdict.FAIL, ends=True, reason=text, metrics=(finding,), evidence=123.4
    )  # fmt: skip
    gate = GatePiece(
        epoch=text, step_id=text, weight=10, written_at=1010.0, hold_seconds=60.0,
        judgement=judgement, stop=Stop(decided_at=1060.0, written_at=1060.25, error=text),
    )  # fmt: skip
    base = ReleaseRecord(
        schema=SCHEMA, dag_id=text, run_id=text, version=text, target=text, stable=text,
        outcome=Outcome.ROLLED_BACK, reason=text, weight=0, started_at=1000.0, ended_at=1061.0,
        gates=[gate], timeline=[Event(at=1001.5, task=text, text=text)],
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def render_one(one: ReleaseRecord) -> str:
    return render([one])


class Page(HTMLParser):
    """Collect what a browser would see of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_every_value_is_shown_as_text_whatever_it_holds() -> None:
    page = Page(render_one(record(HOSTILE)))
    assert page.tags <= _ALLOWED
    assert page.attributes <= {"lang", "charset", "name", "content", "class", "href"}
    # dag, run, arms (version, target, stable), reason, weight, title, gate, finding, line ...
    assert page.text.count(HOSTILE) >= 12


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("<>\"'&/=;ab \n"), max_size=40))
def test_no_text_becomes_markup(text: str) -> None:
    page = Page(render_one(record(text)))
    assert page.tags <= _ALLOWED
    assert page.attributes <= {"lang", "charset", "name", "content", "class", "href"}


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\0", "\x07", "\ud800"])
def test_what_would_not_be_seen_is_shown_as_a_mark(hidden: str) -> None:
    html = render_one(record(f"v2{hidden}1v"))
    html.encode()
    assert hidden not in html
    assert "v2\N{REPLACEMENT CHARACTER}1v" in html


@pytest.mark.parametrize("at", [1e308, -1e308, 1e18])
def test_a_time_that_is_none_leaves_a_page(at: float) -> None:
    html = render_one(record(timeline=[Event(at=at, task="t", text="something")]))
    assert "unknown" in html
    assert "something" in html


@pytest.mark.parametrize("outcome", [*Outcome, None])
def test_each_outcome_has_its_words_and_its_style(outcome: Outcome | None) -> None:
    html = render_one(record(outcome=outcome))
    state = outcome.value if outcome else "running"
    assert f"<div class='lead {state}'><b>{state.replace('_', ' ')}</b>" in html
    assert f".{state}" in html.split("</style>")[0]


def test_the_reason_stands_before_steps_and_timeline() -> None:
    html = render_one(record(reason="errors 5 %"))
    assert html.index("errors 5 %") < html.index("<h2>Steps") < html.index("<h2>Timeline")


def test_numbers_and_times_are_shown() -> None:
    text = Page(render_one(record())).text
    for words in ("10 %", "FAIL", "123 of 100", "traffic back 0.25 s after the verdict"):
        assert words in text
    assert "1970-01-01 00:16:41" in text
    assert "+1.5 s" in text


def test_a_way_back_that_failed_is_shown_at_its_step() -> None:
    assert "not safe by this task: timed out" in Page(render_one(record("timed out"))).text


def test_a_first_version_has_no_stable_one() -> None:
    assert "plain (plain), the first version" in Page(render_one(record(stable=""))).text


def test_a_run_that_opened_nothing_says_so() -> None:
    refused = record(
        version="", target="", stable="", started_at=None, gates=[], reason="prepare: refused"
    )  # fmt: skip
    text = Page(render_one(refused)).text
    assert "no release was opened" in text
    assert "the first version" not in text
    assert "prepare: refused" in text

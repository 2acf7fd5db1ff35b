"""What a release looks like while it runs: drawn in a terminal, told in lines elsewhere."""

from __future__ import annotations

import contextlib
import io

import pytest
from release_values import event, gate, judgement, now
from rich.console import Console

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.cli.watch import Line
from airflow_rollout.demo.live_view import evidence_words, live_view
from airflow_rollout.demo.screen import LineScreen, ReleaseLines, TerminalScreen

LONG = "INCONCLUSIVE after 12.0 s: " + "canary 5.10 % (12/235), stable 0 % (0/2044); " * 12


def drawn(moment: object, *, width: int = 80, encoding: str = "utf-8") -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, height=24, color_system=None)
    console.print(live_view(moment))  # type: ignore[arg-type]
    out.flush()
    return out.buffer.getvalue().decode(encoding).splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_picture_keeps_its_height_and_fits_the_terminal(width: int) -> None:
    found = gate(judgement(Verdict.INCONCLUSIVE, reason=LONG, ends=False))
    many = [event(f"something happened {'at length ' * 20}", at=n) for n in range(30)]
    pictures = [drawn(moment, width=width) for moment in (now(), now(*many, found=found))]
    heights = {len(picture) for picture in pictures}
    assert len(heights) == 1
    assert heights.pop() < 24
    assert max(len(line) for picture in pictures for line in picture) <= width


def test_the_picture_says_weight_arms_evidence_verdict_and_timeline_in_words() -> None:
    found = gate(judgement(Verdict.INCONCLUSIVE, evidence=3.44, reason="INCONCLUSIVE after 2 s"))
    text = "\n".join(drawn(now(event("10 % of traffic"), found=found)))
    for words in (
        "payment-service v2: 5 % of requests answer 500", "12 s", "10 %  step_01",
        "3.4:1, stops at 100:1", "INCONCLUSIVE after 2 s", "step_01.promote  10 % of traffic",
    ):  # fmt: skip
        assert words in text
    rows = [line.split() for line in text.splitlines()]
    assert ["│", "stable", "v1", "90", "/s", "0.0", "%", "4", "ms", "│"] in rows
    assert ["│", "canary", "v2", "10", "/s", "4.0", "%", "5", "ms", "│"] in rows


def test_a_terminal_without_unicode_gets_a_picture_too() -> None:
    lines = drawn(now(found=gate(judgement())), encoding="ascii")
    assert any("payment-service v2" in line for line in lines)
    assert any("###" + "." * 27 + "  10 %" in line for line in lines)


@pytest.mark.parametrize(
    ("evidence", "words"),
    [(0.72, "0.72:1"), (9.94, "9.9:1"), (340.2, "340:1"), (2.5e9, "2.5e+09:1")],
)
def test_evidence_is_shown_as_odds_beside_its_limit(evidence: float, words: str) -> None:
    assert evidence_words(judgement(evidence=evidence)) == f"{words}, stops at 100:1"


def without_clock(lines: list[str]) -> list[str]:
    return [line.split("  ", 1)[1] for line in lines]


def test_lines_say_each_change_once() -> None:
    lines = ReleaseLines()
    first = event("opened", task="prepare")
    run = Line(at=99, task="", what="run", text="run release-v2 runs")
    assert without_clock(lines.take(now(run, first, weight=None))) == [
        "v2  run release-v2 runs", "v2  prepare  opened",
    ]  # fmt: skip
    assert lines.take(now(run, first, weight=None)) == []
    assert without_clock(lines.take(now(run, first, event("10 %"), weight=10))) == [
        "v2  weight 10 %", "v2  step_01.promote  10 %",
    ]  # fmt: skip
    assert without_clock(lines.take(now(run, first, event("10 %"), weight=0))) == ["v2  weight 0 %"]


def test_lines_repeat_what_a_gate_knows_now_and_then_and_at_each_new_step() -> None:
    lines = ReleaseLines()

    def told(seconds: float, at: float, step_id: str = "step_01") -> list[str]:
        found = judgement(Verdict.INCONCLUSIVE, at=at, evidence=2.0, reason="R", ends=False)
        moment = now(found=gate(found, step_id=step_id), seconds=seconds, weight=None)
        return without_clock(lines.take(moment))

    numbers = (
        "v2  v1 90 /s, errors 0.0 %, P99 4 ms; v2 10 /s, errors 4.0 %, P99 5 ms; "
        "evidence 2:1, stops at 100:1; R"
    )
    assert told(10.0, at=100) == [numbers]
    assert told(10.3, at=100) == []
    assert told(12.0, at=102) == []
    assert told(15.1, at=105) == [numbers]
    assert told(15.4, at=106, step_id="step_02") == [numbers]
    assert told(30.0, at=106, step_id="step_02") == []


def test_a_gates_last_word_is_told_once_whether_it_comes_as_verdict_or_as_event() -> None:
    last = judgement()
    for what in ("verdict", "event"):
        word = Line(at=last.at, task="step_01", what=what, text=last.reason)
        lines = ReleaseLines()
        told = lines.take(now(word, found=gate(last), weight=None))
        assert without_clock(told) == [f"v2  step_01  {last.reason}"]
        assert lines.take(now(word, found=gate(last), weight=None)) == []


def test_what_a_gate_thinks_meanwhile_is_no_part_of_the_timeline() -> None:
    thought = Line(at=100, task="step_01", what="verdict", text="INCONCLUSIVE after 2 s")
    assert now(thought, found=gate(judgement())).timeline == []


def test_what_is_no_terminal_gets_no_cursor_control() -> None:
    out = io.StringIO()
    screen = LineScreen(Console(file=out, force_terminal=False, width=80))
    with screen.waiting("Traefik"):
        pass
    with screen.watching() as update:
        update(now(event("opened " + "at length " * 20, task="prepare")))
    lines = out.getvalue().splitlines()
    assert "\x1b" not in out.getvalue()
    assert lines[0] == "Traefik ..."
    assert lines[-1].count("at length") == 20


def test_a_terminal_is_left_with_a_cursor_and_without_the_picture() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)
    with contextlib.suppress(KeyboardInterrupt), TerminalScreen(console).watching() as update:
        update(now())
        raise KeyboardInterrupt
    hidden, shown = out.getvalue().rfind("\x1b[?25l"), out.getvalue().rfind("\x1b[?25h")
    assert 0 <= hidden < shown

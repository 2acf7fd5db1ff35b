"""`airflow-rollout replay`: what the gates would have said about recorded counts."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_rollout.cli.main import main

_SPECS = Path(__file__).parents[2] / "dags" / "specs"
CHECKOUT = str(_SPECS / "checkout.yaml")
PAYMENT = str(_SPECS / "payment-service.yaml")
HEADER = "seconds,canary_requests,canary_bad,stable_requests,stable_bad"
VECTORS = json.loads((Path(__file__).parents[1] / "analysis" / "vectors.json").read_text())


def file_of(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "counts.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def plain(rows: int, *, bad: int, stable_bad: int = 2, every: float = 5.0) -> list[str]:
    """Rows of one interval each: 50 canary requests, 450 stable ones."""
    return [
        HEADER,
        *(f"{every * (k + 1):g},50,{bad},450,{stable_bad}" for k in range(rows)),
    ]


def replay(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main(["replay", *words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["replay", *words]) in (1, 2)
    return capsys.readouterr().err


def test_a_bad_release_is_stopped_at_the_row_that_proves_it(tmp_path, capsys):
    told = replay(capsys, "--counts", file_of(tmp_path, *plain(100, bad=25)), "--dispersion", "1")
    assert told["verdict"] == "FAIL"
    # No single interval decides: two that agree do.
    assert (told["at_seconds"], told["rows"]) == (10.0, 2)
    assert told["evidence"] >= told["limit"] == 100.0
    assert told["reason"].startswith("FAIL errors after 10 s: canary 50.00 % (50/100), stable 0.44")


def test_a_good_release_is_read_to_its_end_and_not_stopped(tmp_path, capsys):
    told = replay(capsys, "--counts", file_of(tmp_path, *plain(40, bad=1)))
    assert told["verdict"] == "INCONCLUSIVE"
    assert told["evidence"] < 100.0
    assert (told["rows"], told["at_seconds"], told["intervals_used"]) == (40, 200.0, 40)
    assert "dispersion 4 is assumed" in told["notes"][-1]


@pytest.mark.parametrize(
    "case", [c for c in VECTORS["cases"] if c["kind"] == "comparison" and c["params"]["phi"] == 1.0
             and c["params"]["restart_share"] == 0.2 and c["params"]["tolerance"] == 1.25]
)  # fmt: skip
def test_it_stops_where_the_published_vectors_do(case, tmp_path, capsys):
    rows = [f"{5 * k + 5},{a},{b},{c},{d}" for k, (a, b, c, d, _) in enumerate(case["intervals"])]
    raw = case["params"]
    told = replay(
        capsys, "--counts", file_of(tmp_path, HEADER, *rows), "--alpha", str(raw["alpha"]),
        "--dispersion", "1", "--tolerance", str(raw["tolerance"]), "--min-intervals",
        str(raw["min_intervals"]), "--planned-intervals", str(raw["planned_intervals"]),
    )  # fmt: skip
    assert (told["verdict"] == "FAIL") is case["failed"]
    used = case["intervals"][: told["rows"]]
    assert told["evidence"] == pytest.approx(2.718281828459045 ** used[-1][-1], rel=1e-5)


def test_standard_input_is_read_like_a_file(tmp_path, capsys, monkeypatch):
    lines = plain(30, bad=25)
    text = ("\ufeff" + "\r\n".join(lines)).encode()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    from_stdin = replay(capsys, "--counts", "-")
    assert from_stdin == replay(capsys, "--counts", file_of(tmp_path, *lines))


def test_a_canary_that_is_surely_no_worse_passes_and_may_still_fail_later(tmp_path, capsys):
    good = plain(200, bad=0)
    told = replay(capsys, "--counts", file_of(tmp_path, *good), "--dispersion", "1")
    assert (told["verdict"], told["rows"], told["finished"]) == ("PASS", 200, True)
    assert 60.0 <= told["at_seconds"] < 300.0
    assert "surely no worse than stable" in told["reason"]
    bad = [f"{5.0 * k:g},50,40,450,2" for k in range(201, 230)]
    told = replay(capsys, "--counts", file_of(tmp_path, *good, *bad), "--dispersion", "1")
    # A quarter of an hour of good traffic is not forgotten at once: the late bets have to win.
    assert told["verdict"] == "FAIL"
    assert 1010.0 <= told["at_seconds"] <= 1030.0


def test_the_table_says_the_reason_first_and_shows_the_evidence(tmp_path, capsys):
    counts = file_of(tmp_path, *plain(100, bad=25))
    assert main(["replay", "--counts", counts, "--dispersion", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL errors after 10 s: ")
    assert any(line.split()[:3] == ["10", "file", "50/100"] for line in lines)


def test_a_long_file_is_shown_in_few_lines_that_include_its_end(tmp_path, capsys):
    told = replay(capsys, "--counts", file_of(tmp_path, *plain(1000, bad=0)))
    assert 10 < len(told["timeline"]) <= 42
    assert told["timeline"][0]["seconds"] == 5.0
    assert told["timeline"][-1]["seconds"] == 5000.0
    assert told["timeline"][-1]["canary_requests"] == 50_000


def test_warm_up_is_not_compared(tmp_path, capsys):
    told = replay(
        capsys, "--counts", file_of(tmp_path, *plain(20, bad=25)), "--dispersion", "1",
        "--warmup", "30s",
    )  # fmt: skip
    assert (told["at_seconds"], told["intervals_skipped"]) == (40.0, 6)


def test_without_enough_requests_nothing_passes(tmp_path, capsys):
    told = replay(capsys, "--counts", file_of(tmp_path, HEADER, "5,3,0,40,0", "10,3,0,40,0"))
    assert told["verdict"] == "INCONCLUSIVE"
    assert "94 more canary requests needed" in told["reason"]


def test_without_canary_requests_there_is_no_data(tmp_path, capsys):
    told = replay(capsys, "--counts", file_of(tmp_path, HEADER, "5,0,0,40,0", "10,0,0,40,0"))
    assert told["verdict"] == "NO_DATA"


def test_counters_give_what_their_counts_give(tmp_path, capsys):
    draw = random.Random(5)
    rows, total = [], [7, 1, 70, 3]
    counters = [f"0,{','.join(map(str, total))}"]
    for k in range(1, 60):
        new = [50, sum(draw.random() < 0.04 for _ in range(50)), 450, draw.randrange(4)]
        if k == 20:
            total = [0, 0, 0, 0]  # both processes start anew
        total = [a + b for a, b in zip(total, new, strict=True)]
        rows.append(f"{5 * k},{','.join(map(str, new))}")
        counters.append(f"{5 * k},{','.join(map(str, total))}")
    plainly = replay(capsys, "--counts", file_of(tmp_path, HEADER, *rows))
    counted = replay(capsys, "--counts", file_of(tmp_path, HEADER, *counters), "--cumulative")
    for key in ("verdict", "at_seconds", "evidence", "intervals_used"):
        assert counted[key] == plainly[key]


def test_counters_that_are_taken_for_counts_are_noticed(tmp_path, capsys):
    rows = [f"{k},{50 * k},0,{450 * k},{k}" for k in range(1, 40)]
    told = replay(capsys, "--counts", file_of(tmp_path, HEADER, *rows))
    assert any("--cumulative" in note for note in told["notes"])
    assert not any(
        "--cumulative" in note
        for note in replay(capsys, "--counts", file_of(tmp_path, *plain(40, bad=0)))["notes"]
    )


def test_a_gap_is_one_interval_and_is_told(tmp_path, capsys):
    rows = ["5,50,0,450,2", "10,50,0,450,2", "130,1200,0,10800,40"]
    told = replay(capsys, "--counts", file_of(tmp_path, HEADER, *rows))
    assert told["intervals_used"] == 3
    assert told["notes"][0].startswith("1 gap, the longest 120 s before row 4")


# --- with a spec ---


def checkout_rows(seconds: int, *, bad: int) -> list[str]:
    """One row a second of each question; all canary requests are fast."""
    header = "seconds,metric,canary_requests,canary_bad,stable_requests,stable_bad"
    header += ",canary_le_0.1,stable_le_0.1,canary_le_0.4,stable_le_0.4"
    rows = [header]
    for second in range(1, seconds + 1):
        rows.append(f"{second},http_500_rate,20,{bad if second > 130 else 0},180,0,,,,")
        rows.append(f"{second},p99_latency,20,,180,,19,170,20,180")
    return rows


def test_a_spec_is_walked_step_by_step(tmp_path, capsys):
    told = replay(capsys, CHECKOUT, "--counts", file_of(tmp_path, *checkout_rows(1300, bad=0)))
    assert told["verdict"] == "PASS"
    assert told["reason"].startswith("PASS all 4 steps at ")
    assert [step["weight"] for step in told["steps"]] == [5, 25, 50, 100]
    for before, after in zip(told["steps"], told["steps"][1:], strict=False):
        assert before["to_seconds"] == after["from_seconds"]
    assert {metric["name"] for metric in told["metrics"]} == {"http_500_rate", "p99_latency"}


def test_a_fault_in_a_later_step_is_told_with_its_step(tmp_path, capsys):
    told = replay(capsys, CHECKOUT, "--counts", file_of(tmp_path, *checkout_rows(400, bad=20)))
    assert told["verdict"] == "FAIL"
    assert 131.0 <= told["at_seconds"] <= 133.0
    assert told["steps"][-1]["verdict"] == "FAIL"
    assert told["steps"][0]["verdict"] == "PASS"


def test_a_flagger_file_is_replayed_by_flaggers_rules(tmp_path, capsys):
    rows = plain(200, bad=1, every=5.0)  # 2 % bad, above the limit of 0.5 %
    told = replay(capsys, PAYMENT, "--counts", file_of(tmp_path, *rows), "--dispersion", "1000")
    # Five failed checks, a minute apart; the comparison is too unsure to say anything.
    assert (told["verdict"], told["at_seconds"], told["failed_checks"]) == ("FAIL", 300.0, 5)
    assert "5 of 5 checks failed" in told["reason"]
    assert told["notes"][0] == "not judged, the counts say nothing about it: request-duration"


def test_a_file_that_ends_early_says_in_which_step(tmp_path, capsys):
    told = replay(capsys, CHECKOUT, "--counts", file_of(tmp_path, *checkout_rows(30, bad=0)))
    assert (told["verdict"], told["finished"]) == ("INCONCLUSIVE", False)
    assert "the file ends at 30 s, in step_01 (5 %)" in told["reason"]


def test_counts_that_answer_no_question_of_the_spec_are_refused(tmp_path, capsys):
    rows = ["seconds,metric,canary_requests,canary_bad,stable_requests,stable_bad",
            "5,other,1,0,1,0"]  # fmt: skip
    error = refused(capsys, CHECKOUT, "--counts", file_of(tmp_path, *rows))
    assert "answers no question" in error
    assert "http_500_rate, p99_latency" in error


def test_a_slow_canary_is_stopped_by_its_histogram(tmp_path, capsys):
    rows = ["seconds,canary_requests,stable_requests,canary_le_0.1,stable_le_0.1,"
            "canary_le_0.5,stable_le_0.5"]  # fmt: skip
    rows += [f"{5 * k},50,450,10,400,50,450" for k in range(1, 30)]
    told = replay(capsys, "--counts", file_of(tmp_path, *rows), "--dispersion", "1")
    assert (told["verdict"], told["at_seconds"]) == ("FAIL", 15.0)
    assert told["reason"].startswith("FAIL latency after 15 s")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--alpha", "2"), ("--alpha", "0"), ("--tolerance", "0.5"), ("--dispersion", "nan"),
     ("--min-intervals", "0"), ("--planned-intervals", "x"), ("--warmup", "soon")],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(option, value, tmp_path, capsys):
    error = refused(capsys, "--counts", file_of(tmp_path, *plain(3, bad=0)), option, value)
    assert option in error
    assert value in error

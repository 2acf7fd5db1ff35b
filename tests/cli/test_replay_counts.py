"""What may be wrong in a file of counts, and how a reader is told where."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.cli.main import main
from airflow_rollout.cli.replay_counts import CountsFile
from airflow_rollout.cli.replay_header import CountsError

HEADER = "seconds,canary_requests,canary_bad,stable_requests,stable_bad"
BUCKETS = (
    "seconds,canary_requests,stable_requests,canary_le_0.1,stable_le_0.1,canary_le_1,stable_le_1"
)
ERRORS = {"errors": Question.ERRORS}


def drawn(*lines: str, asked: dict[str, Question] = ERRORS):
    return list(CountsFile([line + "\n" for line in lines], name="counts.csv").ticks(asked))


def fault(*lines: str, asked: dict[str, Question] = ERRORS) -> str:
    with pytest.raises(CountsError) as error:
        drawn(*lines, asked=asked)
    return str(error.value)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("10,-1,0,9,0", "row 3: canary_requests: is negative; found '-1'"),
        ("10,5,6,9,0", "row 3: canary_bad: is more than the requests; found 6; allowed: at most 5"),
        ("10,5,0,9,10", "row 3: stable_bad: is more than the requests"),
        ("10,5.5,0,9,0", "row 3: canary_requests: is no whole number; found '5.5'"),
        ("10,nan,0,9,0", "row 3: canary_requests: is no whole number"),
        ("10,inf,0,9,0", "row 3: canary_requests: is no whole number"),
        ("10,5,,9,0", "row 3: canary_bad: is empty"),
        ("10,5,0,9", "row 3: stable_bad: is empty"),
        ("10,5,0,9,0,7", "row 3: has more cells than the header has columns"),
        ("soon,5,0,9,0", "row 3: seconds: is no time; found 'soon'"),
        ("inf,5,0,9,0", "row 3: seconds: is no time"),
        ("5,5,0,9,0", "row 3: seconds: the same time as row 2"),
        ("4,5,0,9,0", "row 3: seconds: rows must rise in time, and row 2 is later; found 4.0"),
        ('10,"5,0,9,0', "row 3: is no CSV"),
    ],
)
def test_a_wrong_row_is_named_with_its_number_column_and_value(row: str, told: str) -> None:
    message = fault(HEADER, "5,5,0,9,0", row)
    assert message.startswith(f"counts.csv: {told}") or (
        # An open quote swallows the rest: its cell is then no count.
        row.startswith('10,"') and "row 3" in message
    )


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "counts.csv: is empty"),
        (["", "  "], "counts.csv: is empty"),
        ([HEADER], "counts.csv: has a header and no rows"),
        (["seconds,canary_requests,canary_bad"], "row 1: has no column stable_requests"),
        (["a,b,c", "1,2,3"], "has no column seconds, canary_requests, stable_requests"),
        ([HEADER.replace(",stable_bad", ""), "5,1,0,1"], "has no column stable_bad"),
        (["seconds,canary_requests,stable_requests", "5,1,1"], "says nothing about bad requests"),
        ([HEADER + ",canary_bad", "5,1,0,1,0,0"], "row 1: canary_bad: stands there twice"),
        ([HEADER + ",canary_le_0.1", "5,1,0,1,0,0"], "le_0.1: only one arm has this bucket"),
        ([HEADER + ",canary_le_fast,stable_le_fast", "5,1,0,1,0,0,0"], "is no bucket"),
    ],
)
def test_a_wrong_header_says_what_is_missing(lines: list[str], told: str) -> None:
    assert told in fault(*lines)


def test_counts_of_smaller_buckets_are_part_of_the_larger_ones() -> None:
    asked = {"latency": Question.LATENCY}
    ticks = drawn(BUCKETS, "5,10,90,7,80,9,90", asked=asked)
    canary, stable = ticks[0].counts["latency"]
    assert (canary.requests, canary.bad) == (10, (3, 1))
    assert (stable.requests, stable.bad) == (90, (10, 0))
    assert "row 2: canary_le_1: is less than the count of a smaller boundary; found 6" in fault(
        BUCKETS, "5,10,90,7,80,6,90", asked=asked
    )
    assert "row 2: canary_requests: is less" in fault(BUCKETS, "5,8,90,7,80,9,90", asked=asked)


def test_a_metric_that_nobody_judges_is_named_with_its_row() -> None:
    header = "seconds,metric,canary_requests,canary_bad,stable_requests,stable_bad"
    asked = {"a": Question.ERRORS}
    assert "row 3: metric: is none of the metrics that are judged; found 'b'; allowed: a" in fault(
        header, "5,a,1,0,1,0", "5,b,1,0,1,0", asked=asked
    )
    assert "row 2: metric: is empty" in fault(header, "5,,1,0,1,0", asked=asked)
    assert "the same time as row 2" in fault(header, "5,a,1,0,1,0", "5,a,1,0,1,0", asked=asked)


def test_spreadsheets_are_read_too() -> None:
    lines = [HEADER.title().replace(",", " , "), "", "5, 10.0 ,1,90,0", ",,,,", "10,10,1,90,0"]
    assert [tick.seconds for tick in drawn(*lines)] == [5.0, 10.0]


def test_a_file_that_is_no_text_is_an_error_and_no_traceback(tmp_path: Path, capsys) -> None:
    path = tmp_path / "counts.csv"
    path.write_bytes(HEADER.encode() + b"\n5,1,0,1,0\n\xff\xfe\n")
    assert main(["replay", "--counts", str(path)]) == 1
    assert "is not UTF-8 text" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_a_file_that_cannot_be_read_is_an_error(name: str, tmp_path: Path, capsys) -> None:
    assert main(["replay", "--counts", str(tmp_path / name)]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_rows_are_drawn_one_by_one() -> None:
    def endless() -> Iterator[str]:
        yield HEADER + "\n"
        for second in range(1, 10**9):
            yield f"{second},5,0,45,0\n"

    ticks = CountsFile(endless(), name="endless").ticks(ERRORS)
    assert [next(ticks).seconds for _ in range(1000)][-1] == 1000.0


_MEASURE = """
import io, resource, sys
from airflow_rollout.cli.main import main
def rows(n):
    yield b"seconds,canary_requests,canary_bad,stable_requests,stable_bad\\n"
    for second in range(1, n):
        yield b"%d,5,0,45,%d\\n" % (second, second % 50 == 0)
class Stream(io.RawIOBase):
    def __init__(self, rows): self.rows, self.rest = rows, b""
    def readable(self): return True
    def readinto(self, buffer):
        data = self.rest or next(self.rows, b"")
        size = min(len(data), len(buffer)); buffer[:size] = data[:size]; self.rest = data[size:]
        return size
class Stdin: pass
sys.stdin = Stdin(); sys.stdin.buffer = io.BufferedReader(Stream(rows(int(sys.argv[1]))))
assert main(["replay", "--counts", "-", "--format", "json"]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_SELF"), reason="needs getrusage")
def test_memory_does_not_grow_with_the_file() -> None:
    def peak(rows: int) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(rows)], capture_output=True, text=True, check=True
        )
        return int(done.stderr.splitlines()[-1])

    # Kept rows would be ten megabytes and more.
    assert peak(30_000) - peak(2_000) < 3_000

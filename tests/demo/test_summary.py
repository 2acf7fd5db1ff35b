"""What stays on the screen when a release has ended."""

from __future__ import annotations

import io

import pytest
from release_values import REASON, STORY, result
from rich.console import Console, RenderableType

from airflow_rollout.demo.result import Report
from airflow_rollout.demo.summary import (
    address_panel,
    final_table,
    release_block,
    table_rows,
)
from airflow_rollout.release import Outcome

V2 = result(
    "v2", Outcome.ROLLED_BACK, exposure_seconds=4.21, verdict_to_safe_seconds=0.034,
    failed_requests=7, interval_alone_seconds=360.0,
)  # fmt: skip
V3 = result(
    "v3", Outcome.ROLLED_BACK, exposure_seconds=3.0, verdict_to_safe_seconds=0.0,
    slow_requests=31, interval_alone_seconds=360.0,
)  # fmt: skip
V4 = result("v4", None, verdict="it was not released", took_seconds=None)
V5 = result("v5", Outcome.PROMOTED, run_state="success", took_seconds=61.04)


def printed(content: RenderableType, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(content, crop=False)
    return out.getvalue()


def test_the_table_has_what_each_release_cost() -> None:
    assert table_rows([V2, V3, V4, V5]) == [
        ("v2", "5 % of requests answer 500", "rolled back", "4.2 s", "0.03 s", "7", "360 s"),
        ("v3", "every request 600 ms slower", "rolled back", "3.0 s", "0.0 s", "0, 31 slow",
         "360 s"),
        ("v4", "exits 5 s after its first request", "did not end", "-", "-", "-", "-"),
        ("v5", "nothing", "promoted in 61.0 s", "-", "-", "0", "-"),
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_says_what_is_computed(width: int) -> None:
    text = printed(final_table(Report(releases=[V2, V3, V4, V5]), STORY), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "(computed)" in text
    assert "(5 + 1) x 60 s = 360 s" in " ".join(text.split())
    assert "…" not in text


def test_a_block_says_outcome_reason_costs_and_address() -> None:
    text = printed(release_block(V2), 100)
    assert text.splitlines() == [
        "v2 rolled back after 20.0 s  (5 % of requests answer 500)",
        f"  {REASON}",
        "  first bad request to safe 4.2 s; verdict to safe 0.03 s; 7 of 1000 requests failed",
        "  http://127.0.0.1:1/v2",
        "",
    ]


def test_the_block_of_a_good_version_names_no_fault() -> None:
    assert printed(release_block(V5)).splitlines()[0] == "v5 promoted after 61.0 s"


def test_a_block_says_when_something_is_not_as_it_should_be() -> None:
    promoted = result("v2", Outcome.PROMOTED, run_state="success")
    assert "NOT AS IT SHOULD BE: v2 was promoted" in printed(release_block(promoted), 200)


def test_an_address_is_never_broken() -> None:
    url = f"http://127.0.0.1:1/{'long' * 30}"
    long = result("v2", Outcome.ROLLED_BACK, url=url)
    assert url in printed(release_block(long))


def test_the_address_says_how_to_log_in() -> None:
    panel = address_panel(
        "Look", "http://127.0.0.1:8", "admin", "s3cret", ("router", "http://127.0.0.1:9/d/")
    )
    words = printed(panel).split()
    assert {"Look", "http://127.0.0.1:8", "admin", "s3cret", "http://127.0.0.1:9/d/"} <= {*words}

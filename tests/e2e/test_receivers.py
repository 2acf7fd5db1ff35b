"""News of a bad release, to a receiver that keeps it and to one that hangs for half a minute."""

from __future__ import annotations

from typing import Any

import pytest
from outcomes import is_back

pytestmark = [pytest.mark.e2e, pytest.mark.scene("news")]

Played = dict[str, Any]


def test_receiver_is_told_once_how_and_why_when_traffic_is_safe(played: Played) -> None:
    record = played["ended"].record
    assert [(it["outcome"], it["reason"]) for it in played["got"]] == [
        ("rolled_back", record.reason)
    ]
    assert played["got"][0]["at"] > record.gates[-1].stop.seen_at


def test_receiver_that_hangs_holds_up_nothing(played: Played) -> None:
    ended = played["ended"]
    is_back(ended)
    assert ended.tasks["rollback"] == "success"
    assert played["reached"] == 0


def test_failure_to_tell_is_a_line_of_the_record(played: Played) -> None:
    told = [event.text for event in played["ended"].record.timeline if event.task == "rollback"]
    assert "news rolled_back by HttpNotifier 1: sent" in told
    assert "news rolled_back by HttpNotifier 2: FAILED, no answer within 10 s" in told


def test_airflow_keeps_for_another_try_who_was_told(played: Played) -> None:
    assert "HttpNotifier" in played["log"]
    assert "another try of this task would tell again" not in played["log"]
    assert "could not ask whether an earlier try has told" not in played["log"]

"""The feed of one run and of all rollouts, asked over HTTP on Airflow's own tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from airflow_tables import BEGAN, gate_piece, series_piece
from asking import ask
from feed_world import World, feed_world
from sqlalchemy import event

from airflow_rollout.analysis.undecided import ASKING
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.record import to_piece
from airflow_rollout.release import Outcome
from airflow_rollout.ui.feed import Cursor

HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>"""


@pytest.fixture
def world() -> Iterator[World]:
    """Return the world with one open release of `shop`, for a user who may do everything."""
    with feed_world() as made:
        made.tables.dag("shop")
        made.tables.run("shop", "r1")
        made.tables.release("shop", "r1")
        made.permitted.add("shop")
        yield made


# --- one run ---


def test_a_run_is_told_with_its_record_its_tasks_and_who_started_it(world: World) -> None:
    world.tables.task("shop", "r1", "step_01.gate", "deferred")
    world.tables.piece("shop", "r1", "step_01.gate", "series_5_0", series_piece("r1"))
    feed = world.run()
    (record,) = feed["rollouts"]
    assert (feed["run"]["by"], feed["run"]["state"]) == ("ann", "running")
    assert (record["version"], record["stable"], record["reason"]) == ("v2", "v1", "holds")
    assert record["outline"]["metrics"][0]["asked"] == ["GET /metrics"]
    assert (record["exposed"], record["exposed_bad"]) == (40, 1)
    assert feed["tasks"] == [
        {"task_id": "step_01.gate", "state": "deferred", "started_at": BEGAN.timestamp(),
         "ended_at": None, "tries": 1}
    ]  # fmt: skip
    assert [len(part["rows"]) for part in feed["series"]] == [3]


def test_nothing_new_is_a_short_answer(world: World) -> None:
    cursor = world.run()["cursor"]
    again = world.run(cursor)
    assert again["changed"] is False
    assert len(json.dumps(again)) < 200
    assert again["cursor"] == cursor


@pytest.mark.parametrize("what", ["piece", "task", "run", "action"])
def test_whatever_changes_is_told_once(world: World, what: str) -> None:
    cursor = world.run()["cursor"]
    if what == "piece":
        said = to_piece(gate_piece("r1", Verdict.FAIL, reason="FAIL errors", ends=True))
        world.tables.piece("shop", "r1", "step_01.gate", "gate", said)
    elif what == "task":
        world.tables.task("shop", "r1", "rollback", "running")
    elif what == "run":
        world.tables.set_run("shop", "r1", "failed")
    else:
        world.tables.action("shop", "r1", "patch_task_instance", owner="bob")
    feed = world.run(cursor)
    assert feed["changed"] is True
    assert world.run(feed["cursor"])["changed"] is False


def test_only_parts_of_the_series_that_are_new_are_sent(world: World) -> None:
    world.tables.piece("shop", "r1", "step_01.gate", "series_5_0", series_piece("r1"))
    # Longer than what is sent again for the sake of writers that overtake each other.
    world.tables.pass_time(60)
    world.tables.piece("shop", "r1", "step_01.gate", "gate", to_piece(gate_piece("r1")))
    cursor = world.run()["cursor"]
    world.tables.piece("shop", "r1", "step_01.gate", "series_5_1", series_piece("r1"))
    assert [part["key"] for part in world.run(cursor)["series"]] == ["series_5_1"]
    assert [part["key"] for part in world.run()["series"]] == ["series_5_0", "series_5_1"]


def test_series_of_an_earlier_attempt_are_not_shown(world: World) -> None:
    world.tables.piece("shop", "r1", "step_01.gate", "series_5_0", series_piece("before"))
    assert world.run()["series"] == []


@pytest.mark.parametrize("broken", [{"schema": 99}, {}, None, "text", 7, {"schema": 1, "rows": 3}])
def test_half_a_record_or_one_of_another_schema_is_left_out(world: World, broken: Any) -> None:
    for key in ("gate", "outline", "events", "end", "series_5_0"):
        world.tables.piece("shop", "r1", "step_01.gate", key, broken)
    (record,) = world.run()["rollouts"]
    assert record["version"] == "v2"
    assert record["gates"] == []
    world.tables.piece("shop", "r1", "prepare", "attempt", broken)
    world.tables.piece("shop", "r1", "prepare", "events", broken)
    assert world.run()["rollouts"] == []
    assert world.rows()["shop"]["state"] == "running"


def test_what_people_did_is_told_with_their_reason_to_who_may_read_the_audit_log(
    world: World,
) -> None:
    world.tables.action(
        "shop", "r1", "patch_task_instance", owner="bob", owner_display_name="Bob",
        task_id="step_01.gate", extra=json.dumps({"new_state": "failed", "note": "customers call"}),
    )  # fmt: skip
    world.tables.action("shop", "r1", "some_other_event", owner="bob")
    (action,) = world.run()["actions"]
    assert (action["who"], action["what"], action["task"], action["why"]) == (
        "Bob", "marked the task failed", "step_01.gate", "customers call",
    )  # fmt: skip
    world.audit = False
    feed = world.run()
    assert (feed["actions"], feed["may"]) == ([], {"edit": True, "audit": False})


def test_who_may_not_write_is_told_so(world: World) -> None:
    world.edit = False
    assert world.run()["may"]["edit"] is False


def test_two_rollouts_of_a_run_are_both_told(world: World) -> None:
    world.tables.run("shop", "r2")
    world.tables.release("shop", "r2", group="cart", version="w1")
    world.tables.release("shop", "r2", group="till", version="w2")
    records = world.run(run_id="r2")["rollouts"]
    assert [(record["group"], record["version"]) for record in records] == [
        ("cart", "w1"), ("till", "w2"),
    ]  # fmt: skip
    answer = ask(world.app, "/api/record/shop/r2")
    assert (answer.status_code, "cart, till" in answer.text) == (400, True)
    assert world.get("/api/record/shop/r2?rollout=till")["version"] == "w2"
    assert ask(world.app, "/api/record/shop/r2?rollout=none").status_code == 404
    page = ask(world.app, "/record/shop/r2").text
    assert "w1" in page
    assert "w2" in page


def test_a_run_that_is_not_there_is_not_found(world: World) -> None:
    assert ask(world.app, "/feed/run/shop/none").status_code == 404


@pytest.mark.parametrize("since", ["", "nonsense", "~", "2026-01-01~x", "9999~", "a~b~c"])
def test_a_cursor_that_is_none_begins_anew(world: World, since: str) -> None:
    assert world.run(since)["changed"] is True
    assert isinstance(str(Cursor.parse(since)), str)


def test_hostile_values_stay_values(world: World) -> None:
    world.tables.run("shop", "r3", conf={"version": HOSTILE})
    world.tables.release("shop", "r3", version=HOSTILE)
    said = to_piece(gate_piece("r3", reason=HOSTILE))
    world.tables.piece("shop", "r3", "step_01.gate", "gate", said)
    answer = ask(world.app, "/feed/run/shop/r3")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["rollouts"][0]["reason"] == HOSTILE


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_told_as_none(world: World, value: float) -> None:
    part = {**series_piece("r1"), "rows": [[0.0, value, 0.01, value, None]]}
    world.tables.piece("shop", "r1", "step_01.gate", "series_5_0", part)
    (told,) = world.run()["series"]
    assert told["rows"] == [[0.0, None, 0.01, None, None]]


def test_half_a_character_is_told_as_a_mark(world: World) -> None:
    world.tables.run("shop", "r4", conf={"version": "v\ud800"})
    answer = ask(world.app, "/feed/run/shop/r4")
    assert answer.status_code == 200
    assert answer.json()["run"]["version"] == "v?"


def test_only_reads_reach_the_database(world: World) -> None:
    said: list[str] = []
    event.listen(
        world.tables.engine, "before_cursor_execute",
        lambda _c, _cursor, statement, *_: said.append(statement),
    )  # fmt: skip
    world.run()
    world.rollouts()
    world.get("/feed/history/shop")
    assert said
    assert {statement.split()[0] for statement in said} == {"SELECT"}


# --- all rollouts ---


def test_every_rollout_that_the_user_may_see_is_a_row(world: World) -> None:
    for dag_id in ("new", "secret", "untagged", "no_rollout"):
        tags = ("rollout",) if dag_id in ("new", "secret") else ()
        world.tables.dag(dag_id, tags=tags)
    world.tables.run("untagged", "r1")
    world.tables.release("untagged", "r1", group="cart")
    world.permitted |= {"new", "untagged", "no_rollout"}
    rows = world.rows()
    assert sorted(rows) == ["new", "shop", "untagged"]
    assert (rows["new"]["state"], rows["untagged"]["group"]) == ("none", "cart")
    shop = rows["shop"]
    assert (shop["service"], shop["namespace"], shop["state"], shop["weight"], shop["health"]) == (
        "shop", "prod", "running", 10, "INCONCLUSIVE",
    )  # fmt: skip


def test_the_newest_release_is_shown_with_what_came_before(world: World) -> None:
    world.tables.end("shop", "r1", Outcome.ROLLED_BACK)
    world.tables.set_run("shop", "r1", "failed")
    world.tables.run("shop", "r2")
    world.tables.release("shop", "r2", version="v3")
    row = world.rows()["shop"]
    assert (row["run_id"], row["version"], row["state"]) == ("r2", "v3", "running")
    assert row["before"] == {
        "run_id": "r1", "state": "rolled_back", "version": "v2", "reason": "errors 5 %",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "reason", "needs"),
    [
        (Verdict.INCONCLUSIVE, f"INCONCLUSIVE {ASKING}", "a person decides"),
        (Verdict.NO_DATA, "NO_DATA", "no data"),
        (Verdict.ERROR, "ERROR", "cannot be measured"),
        (Verdict.INCONCLUSIVE, "holds", ""),
    ],
)
def test_what_needs_a_person_says_why(
    world: World, verdict: Verdict, reason: str, needs: str
) -> None:
    piece = to_piece(gate_piece("r1", verdict, reason=reason))
    world.tables.piece("shop", "r1", "step_01.gate", "gate", piece)
    assert world.rows()["shop"]["needs"] == needs


def test_a_rollback_that_failed_needs_a_person_and_shows_the_weight_that_is_left(
    world: World,
) -> None:
    world.tables.end("shop", "r1", Outcome.FAILED_TO_ROLL_BACK, "the router is away")
    world.tables.set_run("shop", "r1", "failed")
    row = world.rows()["shop"]
    assert (row["state"], row["weight"], row["needs"]) == (
        "failed_to_roll_back", 10, "the traffic may not be safe",
    )  # fmt: skip


def test_a_release_that_was_stopped_shows_how_long_it_took_to_be_safe(world: World) -> None:
    stopped = to_piece(gate_piece("r1", Verdict.FAIL, reason="FAIL errors", ends=True))
    world.tables.piece("shop", "r1", "step_01.gate", "gate", stopped)
    world.tables.end("shop", "r1", Outcome.ROLLED_BACK)
    row = world.rows()["shop"]
    assert (row["weight"], row["safe_seconds"]) == (0, pytest.approx(10.5))


def test_a_paused_dag_with_an_open_release_needs_a_person(world: World) -> None:
    world.tables.dag("stuck", paused=True)
    world.tables.run("stuck", "r1")
    world.tables.release("stuck", "r1")
    world.permitted.add("stuck")
    assert "paused" in world.rows()["stuck"]["needs"]


def test_the_list_says_nothing_while_nothing_changes(world: World) -> None:
    cursor = world.rollouts()["cursor"]
    assert world.rollouts(cursor)["changed"] is False
    world.tables.end("shop", "r1", Outcome.PROMOTED)
    feed = world.rollouts(cursor)
    assert (feed["changed"], feed["rollouts"][0]["state"]) == (True, "promoted")


def test_the_history_of_a_service_is_its_last_fifty_releases(world: World) -> None:
    for number in range(2, 61):
        world.tables.run("shop", f"r{number}", state="success")
    releases = world.get("/feed/history/shop")["releases"]
    assert len(releases) == 50
    assert releases[0]["run_id"] == "r60"


def test_five_hundred_rollouts_are_told_in_one_answer(world: World) -> None:
    for number in range(500):
        name = f"service-{number:03d}"
        world.tables.dag(name)
        world.tables.run(name, "r1")
        world.tables.release(name, "r1")
        world.permitted.add(name)
    feed = world.rollouts()
    assert len(feed["rollouts"]) == 501
    began = time.process_time()
    assert world.rollouts(feed["cursor"])["changed"] is False
    # What did not change is not read again: that would take several seconds of this.
    assert time.process_time() - began < 2.0

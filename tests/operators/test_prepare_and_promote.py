"""The way up: prepare, deploy, promote, promotion."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from in_memory import CANARY, STABLE, MemoryRouter, World, make_spec, open_split
from runs import Run

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.operators.prepare import PrepareReleaseOperator
from airflow_rollout.record import Checkpoint, StepStart, assemble, from_piece, to_piece
from airflow_rollout.release import ReleaseState, Token
from airflow_rollout.spec.model import OnBusy

OTHER = Token(epoch="e9", owner="shop/other", digest="d")


def split(run: Run) -> Any:
    assert run.world.router.split is not None
    return run.world.router.split


def test_a_release_goes_up_step_by_step_and_becomes_stable(run: Run) -> None:
    run.promoted()
    written = run.world.router.written
    assert [(it.weight, it.state.value) for it in written] == [
        (0, "open"), (10, "open"), (50, "open"), (100, "open"), (0, "released"),
    ]  # fmt: skip
    assert (split(run).stable, split(run).canary) == (CANARY, None)
    assert {it.token.owner for it in written} == {"shop/run"}
    assert {it.token.digest for it in written} == {run.spec.digest()}
    assert run.world.workload.deployed == run.world.workload.promoted == [CANARY]
    assert run.end("promotion") == {
        "outcome": "promoted", "reason": "promoted: v2 is the stable version",
    }  # fmt: skip


def test_prepare_hands_on_what_it_opened(run: Run) -> None:
    run.prepare(interval="5s", dispersion="2.5")
    attempt = run.attempt()
    assert (attempt.canary, attempt.stable) == (CANARY, STABLE)
    assert attempt.token == split(run).token
    assert (attempt.interval_seconds, attempt.dispersion) == (5.0, 2.5)
    assert "release opened for v2" in run.said("prepare")[0]


def test_a_run_that_is_cleared_gets_a_new_epoch_and_starts_at_zero(run: Run) -> None:
    run.prepare()
    run.promote("step_01")
    first = run.attempt()
    run.prepare()
    assert run.attempt().token.owner == first.token.owner
    assert run.attempt().token.epoch != first.token.epoch
    assert (split(run).weight, split(run).token) == (0, run.attempt().token)


@pytest.mark.parametrize("way_back", ["rollback", "ensure_safe"])
@pytest.mark.parametrize("state", ["success", "running", "skipped", "queued"])
def test_nothing_stays_open_in_a_run_that_has_gone_back(
    run: Run, way_back: str, state: str
) -> None:
    run.states[way_back] = state
    with pytest.raises(AirflowFailException, match="clear the run to try again"):
        run.prepare()
    assert (split(run).state, split(run).weight) == (ReleaseState.SEALED, 0)
    with pytest.raises(AirflowFailException):
        run.promote("step_01")
    assert {it.weight for it in run.world.router.written} == {0}


def test_nothing_stays_open_while_airflow_does_not_say_whether_the_run_goes_back(
    run: Run,
) -> None:
    run.states_fault = ConnectionError("away")
    with pytest.raises(ConnectionError):
        run.prepare()
    assert split(run).state is ReleaseState.SEALED
    run.states_fault = None
    run.prepare()
    assert split(run).state is ReleaseState.OPEN


def test_rollouts_of_one_dag_are_told_apart_by_their_group(run: Run) -> None:
    run.prepare(group="eu")
    assert split(run).token.owner == "shop/run/eu"


def test_prepare_waits_for_another_open_release(run: Run) -> None:
    run.world.router.split = open_split(OTHER, weight=30)
    with pytest.raises(TaskDeferred) as waiting:
        run.prepare()
    assert waiting.value.method_name == "resume"
    assert waiting.value.trigger.serialize()[1]["owner"] == "shop/run"
    assert run.world.router.written == []
    assert "waits for its turn: release shop/other is still open" in run.said("prepare")[0]
    assert "no gate has watched it so far" in run.said("prepare")[0]


def test_prepare_says_afterwards_for_whom_it_has_waited(run: Run) -> None:
    run.world.provider.began_at = time.time() - 60.0
    run.world.router.split = open_split(OTHER, weight=30)
    with pytest.raises(TaskDeferred) as waiting:
        run.prepare()
    run.world.router.change(state=ReleaseState.RELEASED, stable=CANARY)
    task = PrepareReleaseOperator(
        task_id="prepare", spec=run.spec, version=CANARY.version, target=CANARY.target
    )
    context = run.context("prepare")
    getattr(task, waiting.value.method_name)(
        context=context, event="free", **(waiting.value.kwargs or {})
    )
    closed = assemble(run.xcoms, dag_id="shop", run_id="run")
    assert closed is not None
    opened, waited = [event.text for event in closed.timeline]
    assert "opened for v2" in opened
    assert re.match(r"had waited \d+ s for its turn: release shop/other is still open", waited)


def test_prepare_refuses_at_once_where_the_spec_says_so(run: Run) -> None:
    run.spec = replace(run.spec, on_busy=OnBusy.REFUSE)
    run.world.router.split = open_split(OTHER, weight=30)
    with pytest.raises(AirflowFailException, match="shop/other is still open"):
        run.prepare()
    assert run.world.router.written == []
    assert "refused: release shop/other is still open" in run.said("prepare")[0]


# --- what a release may say ---


@pytest.mark.parametrize("field", ["version", "target", "interval", "dispersion"])
def test_an_unrendered_template_is_refused_with_its_field(run: Run, field: str) -> None:
    with pytest.raises(AirflowFailException, match=f"{field}: was not rendered"):
        run.prepare(**{field: "{{ params.something }}"})
    assert run.world.router.written == []
    assert f"refused: <spec>: {field}: was not rendered" in run.said("prepare")[0]


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("version", "", "version: is empty"),
        ("version", "  ", "version: is empty"),
        ("target", "", "target: is empty"),
        ("version", 1.1, "version: is no text; found 1.1; allowed: a DAG without"),
        ("target", None, "target: is no text"),
        ("interval", "soon", "interval: "),
        ("interval", "0s", "interval: "),
        ("interval", "11s", "interval: .*allowed: 1s to 10s"),
        ("interval", "500ms", "interval: .*allowed: 1s to 10s"),
        ("dispersion", "much", "dispersion: is not a number; found 'much'"),
        ("dispersion", "0.5", "dispersion: is too small"),
        ("dispersion", "nan", "dispersion: is too small"),
        ("dispersion", "1001", "dispersion: .*allowed: 1 to 1000"),
        ("dispersion", "inf", "dispersion: .*allowed: 1 to 1000"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_place(
    run: Run, field: str, value: object, why: str
) -> None:
    with pytest.raises(AirflowFailException, match=why):
        run.prepare(**{field: value})
    assert run.world.router.written == []
    assert run.said("prepare")[0].startswith("refused: ")


# --- promote ---


def start_of(run: Run, task_id: str) -> StepStart:
    start = from_piece(run.xcoms[task_id]["step"], StepStart)
    assert start is not None
    return start


def test_promote_hands_time_and_a_sample_of_both_arms_to_its_gate(run: Run) -> None:
    run.prepare()
    run.promote("step_01")
    start = start_of(run, "step_01.promote")
    assert (start.step_id, start.weight, start.first) == ("step_01", 10, False)
    assert start.attempt == run.attempt()
    assert start.release_started_at == start.written_at
    assert start.state is not None
    assert set(start.state["metrics"]) == {"request-success-rate"}
    # One read by preflight, one by promote before its write.
    assert len(run.world.provider.reads) == 2


def test_the_evidence_of_the_gate_before_is_handed_on(run: Run) -> None:
    run.prepare()
    run.promote("step_01")
    state = start_of(run, "step_01.promote").state
    assert state is not None
    state["release"]["failed_checks"] = 1
    checkpoint = Checkpoint(
        epoch=run.attempt().token.epoch, step_id="step_01", at=1.0, state=state
    )  # fmt: skip
    run.xcoms["step_01.gate"] = {"checkpoint": to_piece(checkpoint)}
    run.promote("step_02", "step_01.gate", "step_01.promote")
    handed = start_of(run, "step_02.promote")
    assert handed.state is not None
    assert handed.state["release"]["failed_checks"] == 1
    assert handed.release_started_at == start_of(run, "step_01.promote").release_started_at


def test_a_gate_that_left_no_state_is_bridged_by_its_promote_task(run: Run) -> None:
    # The gate was marked success before it had saved anything.
    run.prepare()
    run.promote("step_01")
    run.promote("step_02", "step_01.gate", "step_01.promote")
    assert not any("no evidence" in line for line in run.said("step_02.promote"))


def test_evidence_of_an_earlier_attempt_is_not_handed_on(run: Run) -> None:
    run.prepare()
    run.promote("step_01")
    run.prepare()
    run.promote("step_01")
    of_before = replace(start_of(run, "step_01.promote"), attempt=run.attempt())
    other = replace(of_before.attempt, token=replace(of_before.attempt.token, epoch="before"))
    run.xcoms["step_01.promote"]["step"] = to_piece(replace(of_before, attempt=other))
    run.promote("step_02", "step_01.gate", "step_01.promote")
    assert "no evidence was handed on: the judge begins anew" in run.said("step_02.promote")


@pytest.mark.parametrize(
    ("task_id", "key"), [("prepare", "attempt"), ("step_01.gate", "checkpoint")]
)
def test_a_release_of_another_version_of_this_package_is_not_gone_on_with(
    run: Run, task_id: str, key: str
) -> None:
    run.prepare()
    run.promote("step_01")
    run.xcoms.setdefault(task_id, {})[key] = {"schema": 99}
    with pytest.raises(AirflowFailException, match=f"the {key} piece of {task_id} has schema 99"):
        run.promote("step_02", "step_01.gate", "step_01.promote")
    assert split(run).weight == 10
    assert "changed in mid-release" in run.said("step_02.promote")[0]


def test_a_repeated_promote_finds_its_weight_and_hands_over_again(run: Run) -> None:
    run.prepare()
    run.promote("step_01")
    written = len(run.world.router.written)
    run.promote("step_01")
    assert len(run.world.router.written) == written
    assert start_of(run, "step_01.promote").weight == 10
    assert run.said("step_01.promote") == ["10 % of traffic: already there"]


def test_the_first_version_of_a_service_is_stable_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(World(router=MemoryRouter(None))).install(monkeypatch)
    run.promoted()
    assert (split(run).stable, split(run).state) == (CANARY, ReleaseState.RELEASED)
    assert [it.weight for it in run.world.router.written] == [0, 0]
    assert start_of(run, "step_01.promote").first
    assert start_of(run, "step_full.promote").first
    assert run.end("promotion")["outcome"] == "promoted"


def test_a_refused_promote_ends_the_task_and_says_why(run: Run) -> None:
    run.prepare()
    run.world.router.change(weight=0, state=ReleaseState.SEALED, reason="by hand")
    with pytest.raises(AirflowFailException, match="this attempt was stopped"):
        run.promote("step_01")
    assert "10 % refused: this attempt was stopped (by hand)" in run.said("step_01.promote")[0]
    assert "step" not in run.xcoms["step_01.promote"]


def test_a_canary_that_is_made_for_an_attempt_that_was_stopped_is_removed(run: Run) -> None:
    run.prepare()
    run.world.router.change(state=ReleaseState.SEALED, reason="the run was marked failed")
    with pytest.raises(AirflowFailException, match="this attempt was stopped"):
        run.deploy()
    assert run.world.workload.removed == run.world.workload.deployed == [CANARY]
    assert split(run).reason == "the run was marked failed"


def test_a_spec_that_changed_in_mid_release_is_refused(run: Run) -> None:
    run.prepare()
    run.promote("step_01")
    run.spec = replace(run.spec, judge=replace(run.spec.judge, failure_limit=9))
    with pytest.raises(AirflowFailException, match="spec changed in mid-release"):
        run.promote("step_02", "step_01.gate", "step_01.promote")
    assert split(run).weight == 10


def test_a_spec_that_changed_before_the_promotion_is_refused(run: Run) -> None:
    run.prepare()
    run.world.router.change(weight=100)
    run.spec = replace(run.spec, judge=replace(run.spec.judge, failure_limit=9))
    with pytest.raises(AirflowFailException, match="spec changed in mid-release"):
        run.promotion()


@pytest.mark.parametrize("task", ["promote", "promotion"])
def test_what_may_pass_is_retried_and_in_the_record(run: Run, task: str) -> None:
    run.prepare()
    run.world.router.change(weight=100 if task == "promotion" else 0)
    run.world.router.read_fault = TransientAdapterError("timed out", system="router")
    with pytest.raises(TransientAdapterError):
        run.promote("step_01") if task == "promote" else run.promotion()
    task_id, what = ("step_01.promote", "10 %") if task == "promote" else ("promotion", "promotion")
    assert run.said(task_id) == [f"{what} failed: router: timed out"]


def test_a_promotion_before_the_canary_has_all_traffic_is_refused(run: Run) -> None:
    run.prepare()
    run.promote("step_01")
    with pytest.raises(AirflowFailException, match="carries 10 %, not all traffic"):
        run.promotion()
    assert "end" not in run.xcoms["promotion"]


def test_a_promotion_that_was_not_seen_yet_says_so(run: Run) -> None:
    run.prepare()
    run.world.router.change(weight=100)
    run.world.router.data_plane = 100
    run.promotion()
    assert run.end("promotion")["outcome"] == "promoted"
    assert "not seen yet" in run.said("promotion")[0]
    assert "the data plane shows 100 %" in run.said("promotion")[0]


@pytest.mark.parametrize("task", ["deploy", "promote", "promotion"])
def test_a_task_after_a_prepare_that_opened_nothing_says_so(run: Run, task: str) -> None:
    with pytest.raises(AirflowFailException, match="prepare opened no release in this run"):
        run.promote("step_01") if task == "promote" else getattr(run, task)()
    task_id = "step_01.promote" if task == "promote" else task
    assert run.said(task_id) == ["prepare opened no release in this run"]
    assert run.world.router.written == []


def test_a_release_that_is_hurried_is_judged_with_its_own_interval(run: Run) -> None:
    run.prepare(interval="2s")
    run.promote("step_01")
    assert start_of(run, "step_01.promote").attempt.interval_seconds == 2.0


# --- for real: a connection that is not there ---


def test_a_missing_connection_says_how_to_create_it() -> None:
    spec = make_spec()
    spec = replace(
        spec,
        workload=replace(spec.workload, kind="endpoints"),
        traffic=replace(spec.traffic, router="traefik_file"),
        source=replace(spec.source, provider="scrape"),
    )
    run = Run(World(), spec=spec)
    with pytest.raises(AirflowFailException) as caught:
        run.prepare()
    for words in ("no connection 'router'", "connections add router", "AIRFLOW_CONN_ROUTER"):
        assert words in str(caught.value)
        assert words in run.said("prepare")[0]

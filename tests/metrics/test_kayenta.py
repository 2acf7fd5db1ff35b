"""The `kayenta` source: one read starts a judgement, later ones look at it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from contract import START, WINDOW, Replay, ask_metric, read
from kayenta_answers import CONFIGS, CONTRACT, QUERY, RUNNING, STARTED, after_start, judged

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.kayenta import make
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import HttpResponse

OPTIONS = (("metrics_account", "prom"), ("storage_account", "bucket"))


def several_reads(count: int, *answers: HttpResponse) -> tuple[list[Reading], Replay]:
    source = MetricSource(provider="kayenta", conn_id="c", every_seconds=60.0, options=OPTIONS)
    provider, replay = make(source), Replay(list(answers))

    async def reading() -> list[Reading]:
        return [
            await provider.read(CONTRACT.asked, replace(WINDOW, end=WINDOW.end + 60 * n), replay)
            for n in range(count)
        ]

    return asyncio.run(reading()), replay


def test_a_judgement_is_started_once_and_the_next_one_when_it_is_over() -> None:
    readings, replay = several_reads(
        4, *after_start(RUNNING, RUNNING, judged(80)), *after_start(RUNNING)
    )
    assert [type(one) for one in readings] == [NoData, NoData, Value, NoData]
    assert [request.url for request in replay.asked] == [
        "/canaryConfig", "/canary/c-1", "/canary/01H", "/canary/01H", "/canary/01H",
        "/canaryConfig", "/canary/c-1", "/canary/01H",
    ]  # fmt: skip


def test_both_scopes_are_compared_from_the_opening_of_the_release_until_now() -> None:
    _, replay = several_reads(1, *after_start(RUNNING))
    started = replay.asked[1]
    assert dict(started.params) == {
        "application": "shop", "metricsAccountName": "prom", "storageAccountName": "bucket",
    }  # fmt: skip
    sent = json.loads(started.body or b"")
    times = {"step": 60, "start": "2026-11-24T06:00:00Z", "end": "2026-11-24T06:02:00Z"}
    assert sent["scopes"]["default"] == {
        "controlScope": {"scope": "app-stable", **times},
        "experimentScope": {"scope": "app-canary", **times},
    }
    assert sent["thresholds"] == {"marginal": 75, "pass": 95}


@pytest.mark.parametrize(("lookback", "begin"), [(30, START + 90), (900, START)])
def test_a_lookback_never_reaches_behind_the_opening(lookback: float, begin: float) -> None:
    replay = Replay(list(after_start(RUNNING)))
    asked = ask_metric(json.dumps({**QUERY, "lookback": lookback}))
    source = MetricSource(provider="kayenta", conn_id="c", every_seconds=60.0)
    asyncio.run(make(source).read(asked, WINDOW, replay))
    scope = json.loads(replay.asked[1].body or b"")["scopes"]["default"]["controlScope"]
    assert scope["start"] == ("2026-11-24T06:01:30Z" if begin > START else "2026-11-24T06:00:00Z")


def test_a_config_may_be_named_by_its_id_and_must_be_one_of_the_applications() -> None:
    by_id = ask_metric(json.dumps({**QUERY, "config": "c-2"}))
    assert isinstance(read(CONTRACT, *after_start(judged(1)), asked=by_id), Value)
    unknown = ask_metric(json.dumps({**QUERY, "config": "c-3"}))
    with pytest.raises(PermanentAdapterError, match="shop has no such config"):
        read(CONTRACT, CONFIGS, asked=unknown)


def test_a_judgement_that_failed_is_tried_anew() -> None:
    source = MetricSource(provider="kayenta", conn_id="c", every_seconds=60.0)
    provider = make(source)
    replay = Replay([CONFIGS, STARTED, judged(None, "canceled"), *after_start(judged(90))])

    async def test() -> Reading:
        with pytest.raises(TransientAdapterError, match="ended as canceled"):
            await provider.read(CONTRACT.asked, WINDOW, replay)
        return await provider.read(CONTRACT.asked, WINDOW, replay)

    assert asyncio.run(test()) == Value(at=WINDOW.end, canary=90.0)


def test_a_kayenta_that_is_away_for_a_moment_is_asked_for_the_same_judgement() -> None:
    source = MetricSource(provider="kayenta", conn_id="c", every_seconds=60.0)
    provider = make(source)
    away, gone = HttpResponse(status=503), HttpResponse(status=404)
    replay = Replay([*after_start(away), RUNNING, gone, *after_start(judged(90))])

    async def test() -> list[Reading]:
        with pytest.raises(TransientAdapterError):
            await provider.read(CONTRACT.asked, WINDOW, replay)
        running = await provider.read(CONTRACT.asked, WINDOW, replay)
        with pytest.raises(PermanentAdapterError):
            await provider.read(CONTRACT.asked, WINDOW, replay)
        return [running, await provider.read(CONTRACT.asked, WINDOW, replay)]

    running, anew = asyncio.run(test())
    assert isinstance(running, NoData)
    assert isinstance(anew, Value)
    assert [one.url for one in replay.asked].count("/canary/c-1") == 2


@pytest.mark.parametrize(
    "change",
    [{"config": None, "scopes": {}}, {"scopes": {"default": {"controlScope": {}}}}, {"x": 1},
     {"lookback": "soon"}, {"scopes": 1}],
)  # fmt: skip
def test_a_query_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(PermanentAdapterError, match="the query is no object of config"):
        read(CONTRACT, CONFIGS, asked=ask_metric(json.dumps({**QUERY, **change})))

"""The workload `endpoints`: probes of addresses that somebody else runs."""

from __future__ import annotations

import asyncio

import pytest

from airflow_rollout.analysis.readings import Probe
from airflow_rollout.errors import PermanentAdapterError, SpecError, TransientAdapterError
from airflow_rollout.release import Arm
from airflow_rollout.spec.model import WorkloadRef
from airflow_rollout.wire import HttpRequest, HttpResponse, Request
from airflow_rollout.workloads.base import Workload
from airflow_rollout.workloads.registry import WORKLOADS, make_workload


def made(kind: str, *options: tuple[str, str]) -> Workload:
    ref = WorkloadRef(kind=kind, name="app", options=options)
    return make_workload(ref, namespace="prod", service="app")


def probe(
    target: str, answers: dict[str, int | Exception], *options: tuple[str, str]
) -> tuple[Probe, list[HttpRequest]]:
    sent: list[HttpRequest] = []

    async def send(request: Request) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        sent.append(request)
        answer = answers[request.url]
        if isinstance(answer, Exception):
            raise answer
        return HttpResponse(status=answer)

    workload = made("endpoints", *options)
    return asyncio.run(workload.probe(Arm(version="v2", target=target), 5.0, send)), sent


@pytest.mark.parametrize("status", [200, 204, 301, 302, 399])
def test_2xx_and_3xx_are_well(status: int) -> None:
    found, _ = probe("http://a:1", {"http://a:1/": status})
    assert (found.at, found.ok, found.fatal) == (5.0, True, False)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_error_status_is_a_failed_probe_that_says_which(status: int) -> None:
    found, _ = probe("http://a:1", {"http://a:1/": status})
    assert (found.ok, found.fatal) == (False, False)
    assert found.detail == f"http://a:1/: HTTP {status}"


@pytest.mark.parametrize("error", [TransientAdapterError, PermanentAdapterError])
def test_an_address_that_does_not_answer_is_a_failed_probe_not_an_error(
    error: type[TransientAdapterError | PermanentAdapterError],
) -> None:
    found, _ = probe("http://a:1", {"http://a:1/": error("cannot connect", system="endpoints")})
    assert (found.ok, found.fatal) == (False, False)
    assert "cannot connect" in found.detail


def test_every_machine_of_the_arm_must_answer() -> None:
    found, sent = probe("http://a:1/, http://b:1", {"http://a:1/": 200, "http://b:1/": 500})
    assert not found.ok
    assert "http://b:1/" in found.detail
    assert "http://a:1/" not in found.detail
    assert len(sent) == 2


def test_path_and_timeout_are_options() -> None:
    found, sent = probe(
        "http://a:1", {"http://a:1/healthz": 200}, ("health_path", "/healthz"), ("timeout", "0.5")
    )
    assert found.ok
    assert sent[0].timeout_seconds == 0.5


def test_a_timeout_may_have_a_unit() -> None:
    _, sent = probe("http://a:1", {"http://a:1/": 200}, ("timeout", "1500ms"))
    assert sent[0].timeout_seconds == 1.5


def test_a_probe_waits_one_second_unless_told_otherwise() -> None:
    _, sent = probe("http://a:1", {"http://a:1/": 200})
    assert sent[0].timeout_seconds == 1.0


@pytest.mark.parametrize("target", ["", "image:1.2", "ftp://a", "a:80"])
def test_a_target_that_is_no_address_is_never_asked(target: str) -> None:
    found, sent = probe(target, {})
    assert not found.ok
    assert sent == []


def test_starting_promoting_and_removing_ask_nobody() -> None:
    async def send(request: Request) -> HttpResponse:
        raise AssertionError(request)

    async def all_of_them() -> None:
        workload = made("endpoints")
        arm = Arm(version="v2", target="http://a")
        await workload.deploy(arm, send)
        assert await workload.promote(arm, send) == ""
        await workload.remove(arm, send, released=False)

    asyncio.run(all_of_them())


@pytest.mark.parametrize("kind", WORKLOADS)
def test_an_unknown_option_names_the_allowed_ones(kind: str) -> None:
    with pytest.raises(SpecError) as caught:
        made(kind, ("path", "/"))
    assert "workload.path" in str(caught.value)
    option = {"deployment": "container", "endpoints": "health_path"}[kind]
    assert f"{option} (" in str(caught.value)


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match="endpoints"):
        made("statefulset")


@pytest.mark.parametrize("option", [("timeout", "0"), ("timeout", "x"), ("health_path", "healthz")])
def test_a_bad_value_is_refused(option: tuple[str, str]) -> None:
    with pytest.raises(SpecError, match=option[0]):
        made("endpoints", option)


def test_the_registry_is_sorted() -> None:
    assert list(WORKLOADS) == sorted(WORKLOADS)

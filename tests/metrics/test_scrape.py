"""The `scrape` source on a page recorded from Traefik 3.7, and on pages made from it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import Cumulative, NoData, Reading
from airflow_rollout.errors import AdapterError, PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.scrape import ScrapeProvider
from airflow_rollout.wire import HttpRequest, HttpResponse, Request

PAGE = (Path(__file__).parent / "recordings" / "traefik_3_7_page.txt").read_text()
STARTED = 1795499754.39
NOW = STARTED + 60
BOUNDARIES = (0.005, 0.025, 0.1, 0.25, 0.4, 0.5, 1.0, 2.5)


def ask(
    page: str | bytes,
    question: Question = Question.ERRORS,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    service: str = "app",
    router: str = "traefik_file",
    expression: str | None = None,
    at: float = NOW,
) -> Reading:
    body = page.encode() if isinstance(page, str) else page

    async def send(request: Request) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        assert request.url == "/metrics"
        return HttpResponse(status=status, headers=headers or {}, body=body)

    query = MetricQuery(
        name="m",
        question=question,
        router=router,
        service=service,
        namespace="prod",
        expression=expression,
    )
    return asyncio.run(ScrapeProvider().read(query, Window(start=NOW - 50, end=at), send))


def counts(reading: Reading) -> dict[str, tuple[int, tuple[int, ...]]]:
    assert isinstance(reading, Cumulative)
    found = {}
    for arm in ("canary", "stable"):
        (series,) = getattr(reading, arm)
        (point,) = series.points
        found[arm] = (point.requests, point.bad)
    return found


def test_errors_are_5xx_and_a_client_that_left_is_no_request() -> None:
    reading = ask(PAGE)
    assert counts(reading) == {"canary": (24, (2,)), "stable": (25, (3,))}
    assert isinstance(reading, Cumulative)
    assert reading.boundaries == ()


def test_4xx_is_a_request_and_no_error() -> None:
    page = PAGE.replace('code="500"', 'code="404"')
    assert counts(ask(page)) == {"canary": (24, (0,)), "stable": (25, (0,))}


def test_methods_and_protocols_of_one_arm_add_up() -> None:
    labels = 'code="502",method="PUT",protocol="h2",service="app-canary@file"'
    line = f"traefik_service_requests_total{{{labels}}} 7\n"
    assert counts(ask(PAGE + line))["canary"] == (31, (9,))


def test_latency_counts_slower_than_each_boundary_and_keeps_clients_that_left() -> None:
    reading = ask(PAGE, Question.LATENCY)
    assert isinstance(reading, Cumulative)
    assert reading.boundaries == BOUNDARIES
    assert counts(reading) == {
        "canary": (25, (3, 3, 3, 2, 0, 0, 0, 0)),
        "stable": (26, (3, 3, 3, 2, 0, 0, 0, 0)),
    }


@pytest.mark.parametrize("question", [Question.ERRORS, Question.LATENCY])
def test_an_arm_without_series_on_the_routers_page_is_at_zero(question: Question) -> None:
    page = "".join(line for line in PAGE.splitlines(True) if "app-canary@file" not in line)
    found = counts(ask(page, question))
    assert found["canary"][0] == 0
    assert set(found["canary"][1]) == {0}
    assert len(found["canary"][1]) == len(found["stable"][1])
    assert found["stable"][0] > 0


def test_an_unknown_service_has_zero_errors_and_takes_its_buckets_from_another() -> None:
    assert counts(ask(PAGE, service="other")) == {"canary": (0, (0,)), "stable": (0, (0,))}
    latency = ask(PAGE, Question.LATENCY, service="other")
    assert isinstance(latency, Cumulative)
    assert latency.boundaries == BOUNDARIES


def test_a_router_that_served_nothing_has_no_latency_yet() -> None:
    page = "".join(line for line in PAGE.splitlines(True) if "_service_" not in line)
    reading = ask(page, Question.LATENCY)
    assert isinstance(reading, NoData)
    assert "served no request" in reading.reason


def test_a_service_whose_name_ends_alike_is_not_counted() -> None:
    page = PAGE.replace("app-canary@file", "my-app-canary@file")
    assert counts(ask(page))["canary"] == (0, (0,))


@pytest.mark.parametrize("page", ["", "\n", "<html><body>Sign in</body></html>", "up 1\n"])
def test_a_page_that_is_not_the_routers_is_no_data(page: str) -> None:
    reading = ask(page)
    assert isinstance(reading, NoData)
    assert "not the router's page" in reading.reason


def test_the_processs_start_is_the_key_and_the_birth_of_its_counters() -> None:
    reading = ask(PAGE)
    assert isinstance(reading, Cumulative)
    first = reading.canary[0]
    again = ask(PAGE.replace("process_start_time_seconds 1.79549975439e+09",
                             "process_start_time_seconds 1.79549979e+09"))  # fmt: skip
    assert isinstance(again, Cumulative)
    assert first.born_at == pytest.approx(STARTED)
    assert again.canary[0].key != first.key
    assert again.canary[0].born_at == pytest.approx(1795499790)


def test_without_a_start_time_nothing_is_known_of_the_birth() -> None:
    page = "".join(line for line in PAGE.splitlines(True) if "process_start" not in line)
    reading = ask(page)
    assert isinstance(reading, Cumulative)
    assert reading.canary[0].born_at is None


def test_a_router_whose_clock_is_ahead_is_dated_by_ours() -> None:
    at = STARTED - 100  # the router's clock is 130 s ahead, it has run for 30 s
    reading = ask(PAGE, headers={"date": "Tue, 24 Nov 2026 05:56:24 GMT"}, at=at)
    assert isinstance(reading, Cumulative)
    assert reading.canary[0].born_at == pytest.approx(at - 30, abs=1.5)


def test_a_start_in_our_future_says_nothing() -> None:
    reading = ask(PAGE, at=STARTED - 100)
    assert isinstance(reading, Cumulative)
    assert reading.canary[0].born_at is None


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "2.5", "abc", "", "1_000"])
def test_a_counter_that_is_no_count_is_refused(value: str) -> None:
    page = re.sub(
        r'(traefik_service_requests_total\{code="200".*canary@file"\}) 22', rf"\1 {value}", PAGE
    )
    assert page != PAGE
    with pytest.raises(PermanentAdapterError):
        ask(page)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('service="app-canary@file",le="+Inf"} 22', 'service="app-canary@file",le="+Inf"} 1'),
        ('service="app-canary@file",le="0.1"}', 'service="app-canary@file",le="x"}'),
        ('service="app-canary@file",le="0.1"}', 'service="app-canary@file",le="0.2"}'),
        ('service="app-canary@file",le="+Inf"}', 'service="app-canary@file",le="9"}'),
        ('service="app-canary@file",le="0.1"}', 'service="app-canary@file" le "0.1"'),
    ],
)
def test_buckets_that_do_not_fit_are_refused(old: str, new: str) -> None:
    assert old in PAGE
    with pytest.raises(PermanentAdapterError):
        ask(PAGE.replace(old, new), Question.LATENCY)


def test_a_broken_line_of_another_family_does_no_harm() -> None:
    assert counts(ask("go_goroutines{ 7\n" + PAGE))["canary"] == (24, (2,))


def test_a_page_that_was_cut_off_may_be_whole_next_time() -> None:
    with pytest.raises(TransientAdapterError, match="cut off"):
        ask(PAGE[:-5])


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(PermanentAdapterError, match="no text"):
        ask(b"\xff\xfe\x00traefik")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, PermanentAdapterError),
        (403, PermanentAdapterError),
        (404, PermanentAdapterError),
        (302, PermanentAdapterError),
        (429, TransientAdapterError),
        (500, TransientAdapterError),
        (503, TransientAdapterError),
    ],
)
def test_a_status_says_whether_asking_again_helps(status: int, error: type[AdapterError]) -> None:
    with pytest.raises(error, match=str(status)):
        ask(PAGE, status=status)


def test_the_wait_a_busy_server_asks_for_is_kept() -> None:
    with pytest.raises(TransientAdapterError) as caught:
        ask(PAGE, status=429, headers={"retry-after": "7"})
    assert caught.value.retry_after_seconds == 7


def test_what_a_page_cannot_answer_is_refused_with_the_way_out() -> None:
    with pytest.raises(PermanentAdapterError, match="prometheus"):
        ask(PAGE, Question.VALUE)
    with pytest.raises(PermanentAdapterError, match="prometheus"):
        ask(PAGE, expression="up")
    with pytest.raises(PermanentAdapterError, match="traefik_file"):
        ask(PAGE, router="istio")


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_reading_or_an_adapter_error(junk: bytes) -> None:
    for raw in (junk, PAGE.encode() + b"traefik_service_requests_total{" + junk):
        try:
            reading = ask(raw)
        except AdapterError:
            continue
        assert isinstance(reading, NoData | Cumulative)


def test_the_lines_of_one_arm_are_not_taken_for_anothers() -> None:
    # A label that ends like the arm's, and a service whose name contains the other's.
    page = PAGE + (
        'traefik_service_requests_total{code="200",exported_service="app-canary@file"} 1000\n'
        'traefik_service_requests_total{code="200",service="my-app-canary@file"} 1000\n'
        'traefik_service_requests_total{ code="200", service="app-canary@file"} 5\n'
    )
    assert counts(ask(page))["canary"] == (24 + 5, (2,))


def read_twice(first: str, second: str, *, seconds: float, question: Question) -> Reading:
    """Return what one provider makes of a second page, that many seconds after the first."""
    pages = [first, second]

    async def send(_: Request) -> HttpResponse:
        return HttpResponse(status=200, body=pages.pop(0).encode())

    query = MetricQuery(
        name="m", question=question, router="traefik_file", service="app", namespace="prod",
        quantile=0.99,
    )  # fmt: skip
    provider = ScrapeProvider()

    async def both() -> Reading:
        await provider.read(query, Window(start=NOW - 50, end=NOW), send)
        return await provider.read(query, Window(start=NOW - 50, end=NOW + seconds), send)

    return asyncio.run(both())


@pytest.mark.parametrize("question", [Question.ERRORS, Question.LATENCY])
def test_a_page_that_stands_still_is_no_data(question: Question) -> None:
    reading = read_twice(PAGE, PAGE, seconds=5.0, question=question)
    assert isinstance(reading, NoData)
    assert "5 s" in reading.reason
    assert "cache" in reading.reason


def test_a_page_of_a_service_that_nobody_asks_moves_all_the_same() -> None:
    later = PAGE.replace("process_cpu_seconds_total 0.12", "process_cpu_seconds_total 0.13")
    assert later != PAGE
    reading = read_twice(PAGE, later, seconds=5.0, question=Question.ERRORS)
    assert counts(reading) == counts(ask(PAGE))


def test_the_same_page_of_the_same_moment_serves_several_metrics() -> None:
    assert isinstance(read_twice(PAGE, PAGE, seconds=0.0, question=Question.ERRORS), Cumulative)


def test_a_page_without_its_process_may_stand_still() -> None:
    bare = "".join(line for line in PAGE.splitlines(True) if "process_cpu" not in line)
    assert bare != PAGE
    assert isinstance(read_twice(bare, bare, seconds=5.0, question=Question.ERRORS), Cumulative)

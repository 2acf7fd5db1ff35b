"""A system that asks to be left alone is left alone, for as long as it asked, within bounds."""

from __future__ import annotations

import asyncio

import pytest

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.patience import LONGEST_WAIT_SECONDS, patient
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, asked_to_wait

REQUEST = HttpRequest(url="/")


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    async def pause(self, seconds: float) -> None:
        self.seconds += seconds


class Busy:
    """Answers in turn, the last one again and again."""

    def __init__(self, *answers: HttpResponse) -> None:
        self.answers = list(answers)
        self.sent = 0

    async def __call__(self, request: Request) -> HttpResponse:
        self.sent += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def limited(status: int = 429, **headers: str) -> HttpResponse:
    return HttpResponse(
        status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def test_nothing_is_sent_until_the_wait_is_over() -> None:
    clock, busy = Hand(), Busy(limited(retry_after="7"), HttpResponse(status=200))
    send = patient(busy, system="s", timer=clock)
    assert asyncio.run(send(REQUEST)) == limited(retry_after="7")
    clock.seconds += 6.9
    with pytest.raises(TransientAdapterError, match="left alone") as caught:
        asyncio.run(send(REQUEST))
    assert caught.value.retry_after_seconds == pytest.approx(0.1)
    assert busy.sent == 1
    clock.seconds += 0.2
    assert asyncio.run(send(REQUEST)) == HttpResponse(status=200)


def test_a_wait_has_a_bound() -> None:
    clock, busy = Hand(), Busy(limited(retry_after="3600"))
    send = patient(busy, system="s", timer=clock)
    asyncio.run(send(REQUEST))
    clock.seconds += LONGEST_WAIT_SECONDS + 1
    asyncio.run(send(REQUEST))
    assert busy.sent == 2


def test_a_refusal_without_a_wait_and_a_good_answer_hold_nobody_up() -> None:
    busy = Busy(limited(), limited(200, retry_after="9"), HttpResponse(status=200))
    send = patient(busy, system="s", timer=Hand())
    for _ in range(3):
        asyncio.run(send(REQUEST))
    assert busy.sent == 3


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (limited(retry_after="7"), 7),
        (limited(503, retry_after="7"), 7),
        (limited(x_ratelimit_reset="23"), 23),
        (limited(retry_after="7", x_ratelimit_reset="23"), 7),
        (limited(x_ratelimit_reset="1795500030"), None),
        (limited(retry_after="soon"), None),
        (limited(retry_after="-1"), None),
        (limited(404, retry_after="7"), None),
        (limited(retry_after="Tue, 24 Nov 2026 06:00:30 GMT",
                 date="Tue, 24 Nov 2026 06:00:00 GMT"), 30),
        (limited(retry_after="Tue, 24 Nov 2026 05:00:00 GMT",
                 date="Tue, 24 Nov 2026 06:00:00 GMT"), 0),
        (limited(retry_after="Tue, 24 Nov 2026 06:00:30 GMT"), None),
    ],
)  # fmt: skip
def test_what_a_system_asks_for_is_read_by_its_own_clock(
    answer: HttpResponse, seconds: float | None
) -> None:
    assert asked_to_wait(answer) == seconds

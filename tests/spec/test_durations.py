from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.durations import (
    DURATION_PATTERN,
    flagger_seconds,
    native_seconds,
    parse_duration,
    say_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("90s", 90.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("2m500ms", 120.5),
        ("1h2m3s4ms", 3723.004),
        ("720h", 2_592_000.0),
    ],
)
def test_a_native_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "5 m", "m", "-5s", "+5s", "1m1h", "1s1s", "1.5m", "1e3s", "5M", "5min", "1d",
     "\uff15s", "5s\n", " 5s", "721h", "9" * 50 + "s", "infs", "nan", None, 5, 5.0, ["5s"]],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(SpecError) as caught:
        parse_duration(text, path="interval", file="a.yaml", line=3)
    assert str(caught.value).startswith("a.yaml:3: interval: ")
    assert "1h30m" in caught.value.allowed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1m", 60.0),
        ("1m30s", 90.0),
        ("10ms", 0.01),
        ("5s1.5s", 6.5),
        ("1m1h", 3660.0),
        ("90m", 5400.0),
    ],
)
def test_flagger_takes_what_its_pattern_and_go_take(text: str, seconds: float) -> None:
    assert flagger_seconds(text) == seconds


@pytest.mark.parametrize("text", ["1h", "1.5m", "", "60", "m", "-1m", " 1m", "500us", "1M"])
def test_flagger_refuses_what_its_pattern_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        flagger_seconds(text)


@pytest.mark.parametrize("text", ["1mfoo", "1m 30s", "1s1", "1m-1s", "1mx", "1s" * 40])
def test_what_passes_the_pattern_only_is_refused_too(text: str) -> None:
    """Flagger itself would silently fall back to 60 s here."""
    with pytest.raises(ValueError, match="Flagger could read"):
        flagger_seconds(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1, "1s"),
        (60, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (5400, "1h30m"),
        (1.5, "1.5s"),
        (61.25, "1m1.25s"),
    ],
)
def test_seconds_are_said_as_people_write_them(seconds: float, text: str) -> None:
    assert say_duration(seconds) == text


@given(milliseconds=st.integers(0, 30 * 24 * 3600 * 1000))
def test_what_is_said_is_read_back(milliseconds: int) -> None:
    assert parse_duration(say_duration(milliseconds / 1000)) == milliseconds / 1000


@given(hours=st.integers(0, 99), minutes=st.integers(0, 999), seconds=st.integers(0, 9999))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert native_seconds(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@given(text=st.text(max_size=30))
def test_no_text_ends_otherwise_than_in_seconds_or_a_spec_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except SpecError:
        return
    assert 0 <= seconds <= 30 * 24 * 3600
    assert re.search(DURATION_PATTERN, text)


@given(text=st.from_regex(re.compile(DURATION_PATTERN, re.ASCII), fullmatch=True))
def test_the_published_pattern_admits_only_what_is_read_or_too_long(text: str) -> None:
    days = sum(int(number) for number in re.findall("[0-9]+", text)) / 24
    if len(text) <= 40 and days <= 30:
        assert parse_duration(text) >= 0
    else:
        with suppress(SpecError):
            parse_duration(text)


@given(text=st.text(alphabet="0123456789.smhnuµ ", max_size=12))
def test_a_flagger_duration_ends_in_seconds_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert flagger_seconds(text) >= 0

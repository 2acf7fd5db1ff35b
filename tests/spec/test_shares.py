from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.spec.shares import complement, parse_share, say_share


@pytest.mark.parametrize(
    ("text", "share"),
    [("1%", 0.01), ("0.5 %", 0.005), ("99.5%", 0.995), ("0%", 0.0), ("100%", 1.0)],
)
def test_a_percentage_is_read_as_a_share(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize(
    "text",
    ["", "1", "0.01", "1 percent", "-1%", "+1%", "1%%", "1,5%", ".5%", "1.%", "1e0%", "101%",
     "100.1%", "1  %", "1% ", "\uff11%", "nan%", "9999%"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is "):
        parse_share(text)


def test_what_is_left_of_a_success_rate_carries_no_rounding() -> None:
    """1 - 0.995 in binary would be 0.0050000000000000044."""
    assert complement("99.5%") == 0.005
    assert complement("99.9%") == 0.001


@given(thousandths=st.integers(0, 100_000))
def test_a_share_is_the_nearest_float_to_what_is_written(thousandths: int) -> None:
    text = f"{thousandths // 1000}.{thousandths % 1000:03d}%"
    exact = Fraction(thousandths, 100_000)
    assert parse_share(text) == float(exact)
    assert complement(text) == float(1 - exact)


def test_shares_are_said_in_percent() -> None:
    assert say_share(0.005) == "0.5 %"
    assert say_share(0.01) == "1 %"

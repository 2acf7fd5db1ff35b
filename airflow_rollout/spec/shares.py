"""Percentages as text -> shares 0..1, strictly and without binary rounding on the way."""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["SHARE", "complement", "parse_share", "say_share"]

# How a share is explained to whoever wrote something else.
SHARE = "a percentage such as 1%, 0.5%, 99.5% (0% to 100%)"

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,12})?) ?%", re.ASCII)


def parse_share(text: str) -> float:
    """Return ``0.005`` for ``0.5%``; ValueError says what is wrong."""
    return float(_share(text))


def complement(text: str) -> float:
    """Return ``0.005`` for ``99.5%``: the share that is left."""
    return float(1 - _share(text))


def say_share(share: float) -> str:
    """Say a share as a person writes it: ``0.005`` becomes ``0.5 %``."""
    return f"{share * 100:.6g} %"


def _share(text: str) -> Decimal:
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise ValueError("is not a percentage")
    percent = Decimal(found.group(1))
    if percent > 100:
        raise ValueError("is more than all of it")
    return percent / 100

"""Durations as text -> seconds, strictly.

Two grammars, because the same file must not mean two things: our own documents take ``500ms``,
``90s``, ``5m``, ``1h30m`` with each unit once and the larger first; Flagger documents take what
the CRD's pattern lets through and Go's parser can then read.
"""

from __future__ import annotations

import re
from decimal import Decimal

from airflow_rollout.errors import SpecError

__all__ = [
    "DURATION_PATTERN",
    "FLAGGER_DURATION",
    "LONGEST_SECONDS",
    "NATIVE_DURATION",
    "flagger_seconds",
    "native_seconds",
    "parse_duration",
    "say_duration",
]

# How each grammar is explained to whoever wrote something else.
NATIVE_DURATION = "a duration such as 500ms, 90s, 5m, 1h30m"
FLAGGER_DURATION = "a Flagger duration such as 30s, 1m, 1m30s (no hours first, no fraction)"

# Also a JSON schema pattern: what a release may say about its interval.
DURATION_PATTERN = (
    r"^(?=[0-9])([0-9]+h)?([0-9]+m(?!s))?([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?$"
)

# A month: longer than any hold, short enough that arithmetic stays exact in a float.
LONGEST_SECONDS = 30 * 24 * 3600.0
# Digits beyond these are no time anybody meant.
_LONGEST_TEXT = 40

_NATIVE = re.compile(DURATION_PATTERN, re.ASCII)
_FLAGGER_PREFIX = re.compile(r"[0-9]+(m|s)", re.ASCII)
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_SECONDS = {
    "ns": Decimal("1e-9"), "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600),
}  # fmt: skip


def parse_duration(
    text: object, *, path: str = "", file: str | None = None, line: int | None = None
) -> float:
    """Return the seconds of a duration such as ``90s``; anything else is a `SpecError`."""
    message = "is not a duration"
    if isinstance(text, str):
        try:
            return native_seconds(text)
        except ValueError as error:
            message = str(error)
    raise SpecError(message, file=file, path=path, line=line, found=text, allowed=NATIVE_DURATION)


def native_seconds(text: str) -> float:
    """Return the seconds of our own grammar; ValueError says what is wrong."""
    if len(text) > _LONGEST_TEXT or not _NATIVE.match(text) or text.endswith("\n"):
        raise ValueError("is not a duration")
    return _sum(text)


def flagger_seconds(text: str) -> float:
    """Return the seconds of a Flagger duration; ValueError says what is wrong.

    The CRD demands the prefix ``^[0-9]+(m|s)`` (so ``1h`` and ``1.5m`` are refused), and Go's
    `time.ParseDuration` must then read the whole. Where that fails Flagger silently uses 60 s;
    here it is an error.
    """
    if not _FLAGGER_PREFIX.match(text):
        raise ValueError("is refused by Flagger's pattern ^[0-9]+(m|s)")
    if len(text) > _LONGEST_TEXT or not re.fullmatch(f"(?:{_PART.pattern})+", text, re.ASCII):
        raise ValueError("is not a duration that Flagger could read")
    return _sum(text)


def say_duration(seconds: float) -> str:
    """Say seconds as a person writes them: ``1h30m``, ``90s`` becomes ``1m30s``, ``500ms``."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    whole, rest = divmod(milliseconds, 1000)
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes else ""
    if rest:
        return f"{text}{left}.{rest:03d}".rstrip("0") + "s"
    return f"{text}{left}s" if left or not text else text


def _sum(text: str) -> float:
    seconds = sum(
        (Decimal(number) * _SECONDS[unit] for number, unit in _PART.findall(text)), Decimal(0)
    )
    if seconds > LONGEST_SECONDS:
        raise ValueError("is longer than 30 days")
    return float(seconds)

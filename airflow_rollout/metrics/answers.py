"""Read a metric system's HTTP answer: its status, its own words, its JSON, its numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError, shorten
from airflow_rollout.wire import HttpResponse, refuse_status

__all__ = ["finite", "items", "plain_words", "read_json", "understanding"]

# Enough of a system's own words to know what it means, short enough for one line of a log.
LONGEST_WORDS = 300

_TAG = re.compile(r"<(script|style).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def read_json(
    response: HttpResponse, *, system: str, what: str, words: Callable[[Any], str] | None = None
) -> Any:
    """Return the JSON of an answer with a good status.

    :param what: what was asked, for messages.
    :param words: finds the system's own words in the JSON of an error, empty where there are none.
    :raises TransientAdapterError: 429, 5xx, or JSON that was cut off.
    :raises PermanentAdapterError: any other bad status, or no JSON at all.
    """
    data, fault = _parsed(response.body)
    said = ""
    if words is not None and not fault:
        # An error of another shape than the system's own still has its status and its text.
        with suppress(KeyError, IndexError, TypeError, ValueError, AttributeError):
            said = words(data)
    detail = (said or plain_words(response.body))[:LONGEST_WORDS]
    refuse_status(response, system=system, what=what, detail=detail)
    if not fault:
        return data
    text = response.body.strip()
    if text[:1] in (b"{", b"[") and text[-1:] not in (b"}", b"]"):
        raise TransientAdapterError(f"{what}: the answer is cut off", system=system)
    kind = response.headers.get("content-type", "no content type")
    raise PermanentAdapterError(
        f"{what}: the answer is no JSON ({kind}): {shorten(plain_words(response.body))}; is the "
        "address right?",
        system=system,
    )


@contextmanager
def understanding(what: str, *, system: str) -> Iterator[None]:
    """Let an answer of another shape than the system's own be a `PermanentAdapterError`.

    Around the lines that take an answer apart, so that they need not ask at each step.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PermanentAdapterError(
            f"{what}: not an answer of {system}'s ({type(error).__name__}: {error})"[
                :LONGEST_WORDS
            ],
            system=system,
        ) from None


def _parsed(body: bytes) -> tuple[Any, str]:
    """Return the JSON, or what is wrong with it."""
    try:
        return json.loads(body), ""
    # Too deep a nesting and too long a number are no JSON to us either.
    except (ValueError, RecursionError) as error:
        return None, str(error) or "no JSON"


def plain_words(body: bytes) -> str:
    """Return a text or a page as one short line, without its tags."""
    text = _TAG.sub(" ", body[: 16 * LONGEST_WORDS].decode(errors="replace"))
    return " ".join(text.split())[:LONGEST_WORDS]


def finite(value: object, *, what: str, system: str) -> float | None:
    """Return a number, None for null, NaN and infinity.

    Numbers may come as text: JSON has no NaN.

    :raises PermanentAdapterError: something that is no number.
    """
    if value is None:
        return None
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            pass
        else:
            return number if math.isfinite(number) else None
    raise PermanentAdapterError(f"{what} is no number: {shorten(value)}", system=system)


def items(data: object, *path: str) -> list[Any]:
    """Return the list that lies at a path of objects, empty where there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data if isinstance(data, list) else []

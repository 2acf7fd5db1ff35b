"""Small questions to servers of this lab, past any proxy of this machine."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

__all__ = ["answers", "read_json"]

# Whatever proxy this machine uses, it is not the way to its own loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str, *, timeout_seconds: float = 2.0) -> bool:
    """Tell whether a server answers with 200."""
    try:
        with _direct.open(url, timeout=timeout_seconds) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def read_json(url: str, *, timeout_seconds: float = 5.0) -> Any:
    """Return the JSON of an answer, None when the server says no; OSError when it says nothing."""
    try:
        with _direct.open(url, timeout=timeout_seconds) as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        return None

"""What somebody enters as a connection, and the headers by which the system then knows them."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["KEYS", "connection"]

_LOGINS: dict[str, dict[str, Any]] = {
    "datadog": {"extra": {"api_key": "a" * 32, "app_key": "b" * 40}},
    "newrelic": {"password": "NRAK-1234"},
    "prometheus": {"extra": {"token": "token-1234"}},
    "scrape": {"conn_type": "http"},
}

# System -> header -> its value.
KEYS: dict[str, dict[str, str]] = {
    "datadog": {"dd-api-key": "a" * 32, "dd-application-key": "b" * 40},
    "newrelic": {"api-key": "NRAK-1234"},
    "prometheus": {"authorization": "Bearer token-1234"},
    "scrape": {},
}


def connection(system: str, url: str) -> str:
    """Return the connection to a system, as Airflow keeps it."""
    login = _LOGINS[system]
    address = {"api_host": url} if system == "datadog" else {}
    extra = {**login.get("extra", {}), **address}
    return json.dumps({"conn_type": system, "host": url, **login, "extra": extra})

"""The record as text: a `TrafficSplit` to one line of JSON and back.

Routers keep it where they can write it in one request with the weight: a comment in a file, an
annotation on an object. The line is ASCII without braces inside its strings, since Traefik expands
`{{ }}` even in comments, and a reason may quote anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.release import TrafficSplit
from airflow_rollout.traffic.base import Lease

__all__ = [
    "SCHEMA",
    "decode_lease",
    "decode_record",
    "decode_selector",
    "encode_lease",
    "encode_record",
    "quoted",
]

# Grows when the record changes its shape; an older program refuses a newer record. A newer one has
# to read the older: the way back of a release that is open while it is installed depends on that.
SCHEMA = 1


def encode_record(split: TrafficSplit, *, selector: Mapping[str, str] | None = None) -> str:
    """Return the split as one line that `decode_record` reads back.

    :param selector: stable's selector, where moving traffic changes it; `decode_selector` reads
        it back.
    """
    data: dict[str, Any] = {"schema": SCHEMA, **msgspec.to_builtins(split)}
    if selector is not None:
        data["selector"] = dict(selector)
    return _object(data)


def decode_record(text: str, *, system: str) -> TrafficSplit:
    """Read a record.

    :raises PermanentAdapterError: no JSON, another shape, or a newer schema.
    """
    try:
        data = msgspec.json.decode(text, type=dict[str, Any])
        schema = data.pop("schema", None)
        if schema != SCHEMA:
            raise PermanentAdapterError(
                f"the record has schema {schema!r}, this version reads {SCHEMA}: "
                "it was written by another version of airflow_rollout",
                system=system,
            )
        return msgspec.convert(data, TrafficSplit)
    except msgspec.MsgspecError as error:
        raise PermanentAdapterError(f"the record is damaged: {error}", system=system) from None


def decode_selector(text: str) -> dict[str, str]:
    """Read the selector beside a record that could be read; empty where there is none."""
    found = msgspec.json.decode(text, type=dict[str, Any]).get("selector") or {}
    return {str(key): str(value) for key, value in found.items()}


def encode_lease(lease: Lease) -> bytes:
    """Return a lease as the bytes that `decode_lease` reads back."""
    return msgspec.json.encode({"schema": SCHEMA, **msgspec.to_builtins(lease)})


def decode_lease(content: bytes) -> Lease | None:
    """Read a lease; None for what is none: it is only a sign of life, nothing hangs on it."""
    try:
        data = msgspec.json.decode(content, type=dict[str, Any])
        return msgspec.convert(data, Lease) if data.pop("schema", None) == SCHEMA else None
    except msgspec.MsgspecError:
        return None


def quoted(text: str) -> str:
    """Return a string as JSON and YAML both read it, ASCII, without braces and control marks."""
    return json.dumps(text).replace("{", "\\u007b").replace("}", "\\u007d")


def _object(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)}: {_object(v)}" for k, v in value.items()) + "}"
    return quoted(value) if isinstance(value, str) else json.dumps(value)

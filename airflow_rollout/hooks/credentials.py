"""From a connection to what a metric system wants to see of it: its address and its headers.

The form beside the adapter says which header holds what; here it is filled in. A connection of
another type (`http` with headers of its own) is used as it is.
"""

from __future__ import annotations

import re
from dataclasses import replace

from airflow_rollout.hooks.connection import Connect, ConnectionInfo
from airflow_rollout.wire import ConnectionForm

__all__ = ["connect_source", "fill_in"]

_PLACE = re.compile(r"\{(host|password|extra\.\w+)\}")


async def connect_source(conn_id: str, form: ConnectionForm, connect: Connect) -> ConnectionInfo:
    """Return a metric system's connection as the transport needs it.

    :raises PermanentAdapterError: a missing connection, its own or that of its cloud.
    :raises TransientAdapterError: Airflow did not give one in time.
    """
    info = fill_in(await connect(conn_id), form)
    cloud_id = str(info.extra.get("cloud_conn_id") or "")
    return replace(info, cloud=await connect(cloud_id)) if info.signing and cloud_id else info


def fill_in(info: ConnectionInfo, form: ConnectionForm) -> ConnectionInfo:
    """Return a connection with its form's address and headers filled in."""
    if info.conn_type != form.conn_type or form.conn_type == "http":
        return info
    made = {name: text for name, pattern in form.headers if (text := _filled(pattern, info))}
    given = info.extra.get("headers")
    headers = {**made, **given} if isinstance(given, dict) else given or made
    own_login = "Authorization" in made or any("{password}" in text for _, text in form.headers)
    signing = str(info.extra.get("auth") or "") or form.signing
    found = replace(
        info,
        extra={**info.extra, "headers": headers},
        login="" if own_login or signing else info.login,
        password="" if own_login or signing else info.password,
        signing=signing,
        cloud=info if form.signing else None,
    )
    return _at_its_address(found, info, form)


def _at_its_address(
    found: ConnectionInfo, info: ConnectionInfo, form: ConnectionForm
) -> ConnectionInfo:
    for pattern in form.addresses:
        if pattern == "{host}" and info.host:
            return found
        address = _filled(pattern, info)
        if address:
            host = address if "://" in address else f"https://{address}"
            return replace(found, host=host.rstrip("/"), port=None, schema="")
    return found


def _filled(pattern: str, info: ConnectionInfo) -> str:
    """Return the pattern with its places filled in, empty when one of them is not given."""
    values = {"host": info.host, "password": info.password}
    for name, value in info.extra.items():
        values[f"extra.{name}"] = str(value) if isinstance(value, (str, int, float)) else ""
    if any(not values.get(place) for place in _PLACE.findall(pattern)):
        return ""
    return _PLACE.sub(lambda found: values[found[1]], pattern)

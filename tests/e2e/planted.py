"""Connections of the lab with a secret in every field that can hold one."""

from __future__ import annotations

import json

from airflow_rollout.demo.lab import Lab

__all__ = ["SECRETS", "planted_connections"]

# Nothing else in the lab looks like these; the servers of the lab ask for no login and ignore them.
SECRETS = ("canary-login-7f3a", "canary-password-91c2", "canary-header-5d0e", "canary-extra-2b8c")


def planted_connections(lab: Lab) -> dict[str, str]:
    """Return the lab's own connections with secrets added."""
    planted = {}
    for conn_id, text in lab.connections.items():
        connection = json.loads(text)
        connection["login"], connection["password"] = SECRETS[0], SECRETS[1]
        extra = connection.get("extra") or {}
        extra["headers"] = {"X-Api-Key": SECRETS[2]}
        extra["api_key"] = SECRETS[3]
        connection["extra"] = extra
        planted[conn_id] = json.dumps(connection)
    return planted

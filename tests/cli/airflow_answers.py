"""Answers as an Airflow 3.3 gave them, and a transport that replays them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import AirflowSession, Login

URL = "http://airflow.example:8080"
TOKEN = {"access_token": "token-1"}

RUN: dict[str, Any] = {
    "dag_run_id": "release-v2",
    "dag_id": "checkout",
    "logical_date": None,
    "queued_at": "2026-11-24T05:48:26.870444Z",
    "start_date": "2026-11-24T05:48:27.012345Z",
    "end_date": None,
    "duration": None,
    "data_interval_start": None,
    "data_interval_end": None,
    "run_after": "2026-11-24T05:48:26.868000Z",
    "last_scheduling_decision": None,
    "run_type": "manual",
    "state": "running",
    "triggered_by": "rest_api",
    "triggering_user_name": "admin",
    "conf": {"version": "v2", "url": "http://127.0.0.1:9002"},
    "note": None,
    "dag_versions": [],
    "bundle_version": None,
    "dag_display_name": "checkout",
    "partition_key": None,
    "partition_date": None,
}

VALIDATION = {
    "detail": [
        {
            "type": "missing",
            "loc": ["body", "logical_date"],
            "msg": "Field required",
            "input": {"conf": {}},
        }
    ]
}
BAD_PARAM = {
    "detail": "Invalid input for param interval: '0s' does not match '^(?:[1-5][0-9]|[1-9]|60)s$'"
}
UNKNOWN_DAG = {"detail": "Dag with dag_id: 'chekcout' not found"}
DUPLICATE = {
    "detail": {
        "reason": "Unique constraint violation",
        "statement": "hidden",
        "orig_error": "hidden",
        "message": "hidden",
    }
}

Answer = tuple[int, Any] | Exception
Handler = Callable[[httpx.Request], Answer]


def run_raw(**changes: Any) -> dict[str, Any]:
    return {**RUN, **changes}


class Recorded(httpx.BaseTransport):
    """Give the answers in their order, or what a function says; remember what was asked.

    A login is answered by itself unless `logins` says how.
    """

    def __init__(
        self, *answers: Answer, handler: Handler | None = None, logins: list[Answer] | None = None
    ) -> None:
        self._answers = list(answers)
        self._handler = handler
        self._logins = logins
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        status, content = answer
        if isinstance(content, str):
            return httpx.Response(status, text=content)
        return httpx.Response(status, content=b"" if content is None else json.dumps(content))

    def _answer(self, request: httpx.Request) -> Answer:
        if request.url.path == "/auth/token":
            return self._logins.pop(0) if self._logins else (201, TOKEN)
        if self._handler is not None:
            return self._handler(request)
        return self._answers.pop(0)

    @property
    def asked(self) -> list[str]:
        """Return method and path of what was asked, logins left out."""
        return [
            f"{request.method} {request.url.path}"
            for request in self.requests
            if request.url.path != "/auth/token"
        ]

    @property
    def logins(self) -> int:
        """Return how often somebody logged in."""
        return sum(request.url.path == "/auth/token" for request in self.requests)


def api_with(transport: httpx.BaseTransport, login: Login | None = None) -> AirflowApi:
    login = login or Login(user="ci", password="secret-1")
    return AirflowApi(AirflowSession(URL, login, retry_seconds=2, transport=transport))

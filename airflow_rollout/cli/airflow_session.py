"""One authenticated session with an Airflow: logs in, repeats what may be repeated, says why not.

Every request the command line sends may be sent twice without harm (a run is started under an id
of our own), so a lost connection or a 5xx is followed by another try until a deadline.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError

__all__ = [
    "AirflowSession",
    "ApiConflict",
    "ApiForbidden",
    "ApiNotFound",
    "ApiRefused",
    "ApiUnavailable",
    "Login",
]

_SYSTEM = "airflow"
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ApiRefused(PermanentAdapterError):
    """The API said no, with its own reason; another try gets the same answer."""

    def __init__(self, message: str, *, status: int) -> None:
        self.status = status
        super().__init__(message, system=_SYSTEM)


class ApiForbidden(ApiRefused):
    """401 or 403: unknown user, wrong password, expired token or missing permission."""


class ApiNotFound(ApiRefused):
    """404: no such DAG, run, task or value."""


class ApiConflict(ApiRefused):
    """409: there is one already, or it has been answered already."""


class ApiUnavailable(TransientAdapterError):
    """The API could not be reached, or answered 5xx, until the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to log in: a token, or user and password for `/auth/token`; a token goes first."""

    user: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        # A login ends up in tracebacks and test reports; its secrets must not.
        return f"Login(user={self.user!r})"


class AirflowSession:
    """Send requests to one Airflow; a context manager.

    :param url: base of the api-server, for example ``https://airflow.example.com``.
    :param timeout_seconds: for one exchange.
    :param retry_seconds: how long a request is repeated while the API is out of reach.
    :param transport: what httpx sends with; tests replay recorded answers here.
    """

    def __init__(
        self,
        url: str,
        login: Login,
        *,
        timeout_seconds: float = 30.0,
        retry_seconds: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._login = login
        self._token = login.token
        self._retry_seconds = retry_seconds
        self._client = httpx.Client(
            base_url=self.url,
            timeout=timeout_seconds,
            transport=transport,
            follow_redirects=False,
            # Whatever proxy this machine uses, it is not the way to its own loopback.
            trust_env=urlsplit(self.url).hostname not in _LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str | int] | None = None,
        retry_seconds: float | None = None,
    ) -> Any:
        """Send one request and return the JSON of its answer, None when it has no body.

        Raises `ApiRefused` and its kin for 4xx, `ApiUnavailable` when it stays out of reach.
        """
        seconds = self._retry_seconds if retry_seconds is None else retry_seconds
        deadline = time.monotonic() + seconds
        if not self._token:
            self._log_in(deadline)
        answer = self._exchange(method, path, deadline, body, params)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._login.password:
            # Tokens live a day at most and die with the api-server's secret.
            self._log_in(deadline)
            answer = self._exchange(method, path, deadline, body, params)
        return _content(method, path, answer)

    def _log_in(self, deadline: float) -> None:
        if not self._login.password:
            raise ApiForbidden(
                f"no way to log in to {self.url}: neither a token nor user and password given",
                status=httpx.codes.UNAUTHORIZED,
            )
        self._token = ""
        body = {"username": self._login.user, "password": self._login.password}
        answer = self._exchange("POST", "/auth/token", deadline, body, None)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise ApiForbidden(
                f"{self.url} does not know user {self._login.user!r} with this password",
                status=answer.status_code,
            )
        content = _content("POST", "/auth/token", answer)
        token = content.get("access_token") if isinstance(content, dict) else None
        if not isinstance(token, str):
            raise ApiRefused(
                f"{self.url}/auth/token gave no token; with another auth manager than Airflow's "
                "simple one, pass a token instead of user and password",
                status=answer.status_code,
            )
        self._token = token

    def _exchange(
        self,
        method: str,
        path: str,
        deadline: float,
        body: Mapping[str, Any] | None,
        params: Mapping[str, str | int] | None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = self._client.request(
                    method, path, json=body, params=params, headers=headers
                )
                fault = _passing_fault(answer)
            except httpx.UnsupportedProtocol as error:
                raise ApiRefused(f"{self.url!r} is no http(s) URL: {error}", status=0) from error
            except httpx.HTTPError as error:
                answer, fault = None, str(error) or type(error).__name__
            if answer is not None and not fault:
                return answer
            if time.monotonic() + pause > deadline:
                raise ApiUnavailable(
                    f"{method} {self.url}{path}: {fault}", system=_SYSTEM
                )  # fmt: skip
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _passing_fault(answer: httpx.Response) -> str:
    """Return what is wrong when another try may help, else an empty text."""
    if answer.status_code >= _SERVER_ERROR or answer.status_code == _TOO_MANY_REQUESTS:
        return f"{answer.status_code}: {_reason(answer)}"
    return ""


def _content(method: str, path: str, answer: httpx.Response) -> Any:
    if answer.is_success:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise ApiRefused(
                f"{method} {path}: the answer is no JSON; is this URL an Airflow 3?",
                status=answer.status_code,
            ) from None
    kind = {401: ApiForbidden, 403: ApiForbidden, 404: ApiNotFound, 409: ApiConflict}
    error = kind.get(answer.status_code, ApiRefused)
    raise error(
        f"{method} {path}: {answer.status_code}: {_reason(answer)}", status=answer.status_code
    )


def _reason(answer: httpx.Response) -> str:
    """Return the API's own words: `detail` is a text, a list of faults or an object."""
    try:
        content = answer.json()
    except ValueError:
        return answer.text.strip()[:300] or answer.reason_phrase
    detail = content.get("detail", content) if isinstance(content, dict) else content
    if isinstance(detail, list):
        return "; ".join(_fault(item) for item in detail)
    if isinstance(detail, dict):
        return str(detail.get("reason") or detail.get("message") or detail)
    return str(detail)


def _fault(item: object) -> str:
    if not isinstance(item, dict) or "msg" not in item:
        return str(item)
    place = ".".join(str(part) for part in item.get("loc", ()))
    return f"{place}: {item['msg']}" if place else str(item["msg"])

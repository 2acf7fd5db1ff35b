"""Metric source `kayenta`: the score of a remote judge.

A query is a JSON object: which of Kayenta's configs, of which application, and the two scopes it
compares; times are filled in, from the release's opening or `lookback` seconds ago until now:

    {"config": "my-test", "application": "shop", "lookback": 600,
     "scopes": {"default": {"controlScope": {"scope": "app-stable", "step": 60},
                            "experimentScope": {"scope": "app-canary", "step": 60}}}}

A judgement takes Kayenta a while. It is started by one read and looked at by the next ones; until
it is complete there is no data, and when it is, its score (0 to 100) is the number and the next
judgement is due. So a limit is `min: 75`, and `every` as long as a judgement takes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError, shorten
from airflow_rollout.metrics.answers import finite, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "KayentaProvider", "make"]

SYSTEM = "kayenta"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

_OPTIONS = {
    "metrics_account": "Kayenta's name of the account with the metrics, its default if not given",
    "storage_account": "Kayenta's name of the account it stores in, its default if not given",
}
_FIELDS = ("config", "application", "scopes", "lookback", "thresholds")
_SIDES = ("controlScope", "experimentScope")
_USUAL_THRESHOLDS = {"marginal": 75, "pass": 95}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    config: str
    application: str
    scopes: dict[str, dict[str, Any]]
    lookback: float | None
    thresholds: dict[str, Any]


def make(source: MetricSource) -> KayentaProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(source, _OPTIONS, timeout_seconds=10.0)
    accounts = (
        ("metricsAccountName", options.text("metrics_account")),
        ("storageAccountName", options.text("storage_account")),
    )
    return KayentaProvider(
        accounts=tuple(pair for pair in accounts if pair[1]),
        timeout_seconds=options.timeout_seconds,
    )


class KayentaProvider:
    """Let Kayenta judge and read its score; remembers which judgement runs for which query.

    :param accounts: names of Kayenta's accounts, as parameters of a request.
    """

    def __init__(
        self, *, accounts: tuple[tuple[str, str], ...] = (), timeout_seconds: float = 10.0
    ) -> None:
        self._accounts = accounts
        self._timeout_seconds = timeout_seconds
        self._running: dict[str, str] = {}

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the score of a judgement that is complete, and no data while it runs.

        :raises PermanentAdapterError: a query that is none, or a config that Kayenta lacks.
        :raises TransientAdapterError: a judgement that Kayenta could not finish.
        """
        text = written_query(query, system=SYSTEM).strip()
        asked = _read(text)
        what = f"config {shorten(asked.config)}"
        execution = self._running.pop(text, "") or await self._start(asked, what, at, send)
        place = f"/canary/{quote(execution, safe='')}"
        try:
            data = await self._ask(HttpRequest(url=place), what, send)
        except TransientAdapterError:
            # It may well run on; one that Kayenta does not know any more is started anew.
            self._running[text] = execution
            raise
        with understanding(what, system=SYSTEM):
            if data["complete"] is not True:
                self._running[text] = execution
                return NoData(at=at.end, reason=f"{what}: the judgement is {data['status']}")
            if data["status"] != "succeeded":
                raise TransientAdapterError(
                    f"{what}: the judgement ended as {data['status']} {_words(data)}".rstrip(),
                    system=SYSTEM,
                )
            score = finite(
                data["result"]["judgeResult"]["score"]["score"], what="the score", system=SYSTEM
            )
        if score is None:
            return NoData(at=at.end, reason=f"{what}: the judgement has no score")
        return Value(at=at.end, canary=score)

    async def _start(self, asked: _Asked, what: str, at: Window, send: Send) -> str:
        """Start a judgement and return its id."""
        application = (("application", asked.application),)
        configs = await self._ask(HttpRequest(url="/canaryConfig", params=application), what, send)
        with understanding(what, system=SYSTEM):
            ids = [one["id"] for one in configs if asked.config in (one["id"], one["name"])]
        if len(ids) != 1:
            raise PermanentAdapterError(
                f"{what}: application {asked.application} has {len(ids) or 'no'} such configs",
                system=SYSTEM,
            )
        body = {"scopes": _timed(asked, at), "thresholds": asked.thresholds}
        request = HttpRequest(
            method="POST",
            url=f"/canary/{quote(str(ids[0]), safe='')}",
            params=(*application, *self._accounts),
            headers=(("content-type", "application/json"),),
            body=json.dumps(body).encode(),
        )
        started = await self._ask(request, what, send)
        with understanding(what, system=SYSTEM):
            return str(started["canaryExecutionId"])

    async def _ask(self, request: HttpRequest, what: str, send: Send) -> Any:
        timed = replace(request, timeout_seconds=self._timeout_seconds)
        return read_json(await ask_http(send, timed), system=SYSTEM, what=what, words=_words)


def _read(text: str) -> _Asked:
    try:
        data = json.loads(text)
        scopes = {
            name: {side: dict(scope[side]) for side in _SIDES}
            for name, scope in data["scopes"].items()
        }
        lookback = data.get("lookback")
        if set(data) - set(_FIELDS) or not scopes:
            raise ValueError("a field too many, or no scope")
        return _Asked(
            config=str(data["config"]),
            application=str(data["application"]),
            scopes=scopes,
            lookback=None if lookback is None else float(lookback),
            thresholds=dict(data.get("thresholds", _USUAL_THRESHOLDS)),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PermanentAdapterError(
            f"the query is no object of {', '.join(_FIELDS)}, each scope with "
            f"{' and '.join(_SIDES)}: {shorten(text)}",
            system=SYSTEM,
        ) from None


def _timed(asked: _Asked, at: Window) -> dict[str, dict[str, Any]]:
    """Return the scopes with the times they are compared over, the same for both sides."""
    opened = at.start if at.earliest is None else at.earliest
    start = opened if asked.lookback is None else max(opened, at.end - asked.lookback)
    times = {"start": _time(start), "end": _time(at.end)}
    return {
        name: {side: {**scope[side], **times} for side in _SIDES}
        for name, scope in asked.scopes.items()
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _words(data: Any) -> str:
    """Return what Kayenta says of an error: of a request, or of a judgement."""
    failed = data.get("exception")
    return (
        str(failed.get("details") or "")
        if isinstance(failed, dict)
        else str(data.get("message", ""))
    )

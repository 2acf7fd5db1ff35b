"""What NerdGraph answers: made in the shapes of its published schema, which a test executes."""

from __future__ import annotations

from typing import Any

from contract import START, Case, Contract, Outcome, Recorded, ask_metric, body

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.wire import HttpResponse

LAST = START + 80
Row = dict[str, Any]


def answer(errors: list[Row] | None = None, **results: list[Row]) -> HttpResponse:
    """Return the results of named queries, and errors where there are some."""
    window = {"end": round((START + 118) * 1000)}
    account = {
        name: {"results": rows, "metadata": {"messages": [], "timeWindow": window}}
        for name, rows in results.items()
    }
    data: Row = {"data": {"actor": {"account": account or None}}}
    return body({**data, "errors": errors} if errors else data)


def row(begin: float, requests: int | float, *worse: int, seconds: float = 10) -> Row:
    """Return one bucket of a timeseries."""
    counts = {f"worse{index}": count for index, count in enumerate(worse)}
    return {
        "beginTimeSeconds": begin, "endTimeSeconds": begin + seconds,
        "requests": requests, **counts,
    }  # fmt: skip


def error(kind: str, message: str) -> Row:
    """Return an error as NerdGraph writes it beside or instead of data."""
    return {"message": message, "path": ["actor"], "extensions": {"errorClass": kind}}


ERRORS = ask_metric(question=Question.ERRORS)

CONTRACT = Contract(
    provider="newrelic",
    asked=ask_metric("SELECT percentage(count(*), WHERE error) FROM Transaction"),
    options=(("account", "1234567"),),
    refusal=b'{"errors":[{"message":"Api-Key header required","extensions":{}}]}',
    refusal_words="Api-Key header required",
    cases={
        Case.VALUE: Recorded(
            answers=(answer(one=[{"share": 0.4, "requests": 1000}]),), value=0.4, requests=1000
        ),
        Case.COUNTS: Recorded(
            answers=(
                answer(
                    canary=[row(LAST - 10, 40, 0), row(LAST, 50, 3)],
                    stable=[row(LAST - 10, 400, 1), row(LAST, 410, 2)],
                ),
            ),
            asked=ERRORS,
            counts=(50, 3),
        ),
        Case.EMPTY: Recorded(answers=(answer(one=[]),), words="no value"),
        Case.NULL: Recorded(answers=(answer(one=[{"average.duration": None}]),), words="no value"),
        Case.NAN: Recorded(answers=(answer(one=[{"share": float("nan")}]),)),
        Case.INFINITE: Recorded(answers=(answer(one=[{"share": float("inf")}]),)),
        Case.SEVERAL: Recorded(
            answers=(answer(one=[{"facet": 1, "n": 1}, {"facet": 2, "n": 2}]),), words="FACET"
        ),
        Case.PARTIAL: Recorded(
            answers=(answer([error("TIMEOUT", "Query timed out")], one=[{"n": 5}]),),
            words="Query timed out",
        ),
        Case.OPEN: Recorded(
            answers=(
                answer(canary=[row(LAST, 50, 3), row(LAST + 10, 1, 1)], stable=[row(LAST, 9, 0)]),
            ),
            asked=ERRORS, outcome=Outcome.COUNTS, counts=(50, 3),
        ),
        Case.INSIDE: Recorded(
            answers=(answer([error("NRDB:1100012", "NRQL Syntax Error: line 1")]),),
            words="NRQL Syntax Error",
        ),
    },
)  # fmt: skip

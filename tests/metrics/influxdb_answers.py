"""What InfluxDB answers: 2 in annotated CSV, 1 and 3 in JSON."""

from __future__ import annotations

from typing import Any

from contract import Case, Contract, Outcome, Recorded, ask_metric, body, page

from airflow_rollout.wire import HttpResponse

ONE = (("version", "1"), ("database", "app"))
THREE = (("version", "3"), ("database", "app"))


def flux(*values: str, extra: str = "", cells: str = "") -> HttpResponse:
    """Return a Flux answer with one table a value; `extra` is one more column with `cells`."""
    tables = [
        f"#datatype,string,long,dateTime:RFC3339,double{extra and ',long'}\r\n"
        f"#group,false,false,false,false{extra and ',false'}\r\n"
        f"#default,_result,,,{extra and ','}\r\n"
        f",result,table,_time,_value{extra}\r\n"
        f",,{index},2026-11-24T06:00:00Z,{value}{cells}\r\n"
        for index, value in enumerate(values)
    ]
    return page("\r\n".join(tables), kind="text/csv; charset=utf-8")


FLUX_ERROR = page(
    "#datatype,string,long\r\n#group,true,true\r\n#default,,\r\n"
    ",error,reference\r\n,Failed to parse query,897\r\n",
    kind="text/csv; charset=utf-8",
)


def influxql(*rows: list[Any], columns: tuple[str, ...] = ("time", "sum")) -> HttpResponse:
    """Return an answer of version 1; without rows there is no `series` at all."""
    series = [{"name": "hits", "columns": list(columns), "values": list(rows)}]
    return body({"results": [{"statement_id": 0, **({"series": series} if rows else {})}]})


CONTRACT = Contract(
    provider="influxdb",
    asked=ask_metric('from(bucket: "app") |> range(start: -1m) |> last()'),
    refusal=b'{"code":"invalid","message":"compilation failed: undefined identifier x"}',
    refusal_words="undefined identifier x",
    cases={
        Case.VALUE: Recorded(
            answers=(flux("0.25", extra=",requests", cells=",400"),), value=0.25, requests=400
        ),
        Case.COUNTS: "measurements and fields are the user's own: no built-in questions",
        Case.EMPTY: Recorded(answers=(page("\r\n", kind="text/csv"),), words="no row"),
        Case.NULL: Recorded(answers=(flux(""),), words="holds ''"),
        Case.NAN: Recorded(answers=(flux("NaN"),)),
        Case.INFINITE: Recorded(answers=(flux("+Inf"),)),
        Case.SEVERAL: Recorded(answers=(flux("1", "2"),), words="2 rows"),
        Case.PARTIAL: Recorded(
            answers=(body({"results": [{"error": "max-row-limit exceeded", "partial": True}]}),),
            options=ONE, outcome=Outcome.PERMANENT, words="max-row-limit",
        ),
        Case.OPEN: "a query says itself which span it covers, in its own language",
        Case.INSIDE: Recorded(
            answers=(body({"results": [{"statement_id": 0, "error": "database not found: app"}]}),),
            options=ONE, words="database not found: app",
        ),
    },
)  # fmt: skip

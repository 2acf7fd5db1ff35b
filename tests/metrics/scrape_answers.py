"""What a router's metrics page can hold: recorded from Traefik 3.7, and made from it."""

from __future__ import annotations

import re
from pathlib import Path

from contract import Case, Contract, Outcome, Recorded, ask_metric, page

from airflow_rollout.analysis.parameters import Question

PAGE = (Path(__file__).parent / "recordings" / "traefik_3_7_page.txt").read_text()

_NO_QUERIES = "a metrics page answers no queries, only the built-in questions"

CONTRACT = Contract(
    provider="scrape",
    asked=ask_metric(question=Question.ERRORS),
    refusal=b"too many scrapes",
    refusal_words="too many scrapes",
    cases={
        Case.VALUE: _NO_QUERIES,
        Case.COUNTS: Recorded(answers=(page(PAGE),), counts=(24, 2)),
        Case.EMPTY: Recorded(answers=(page(""),), words="not the router's page"),
        Case.NULL: "the exposition format has no null",
        Case.NAN: Recorded(
            answers=(page(re.sub(r"(canary@file\"\}) 22", r"\1 NaN", PAGE)),),
            outcome=Outcome.PERMANENT,  # a counter is never NaN: the page is broken
        ),
        Case.INFINITE: Recorded(
            answers=(page(re.sub(r"(canary@file\"\}) 22", r"\1 +Inf", PAGE)),),
            outcome=Outcome.PERMANENT,
        ),
        Case.SEVERAL: _NO_QUERIES,
        Case.PARTIAL: Recorded(answers=(page(PAGE[:-5]),), words="cut off"),
        Case.OPEN: "a page has no buckets of time",
        Case.INSIDE: "a metrics page has no way to tell an error but its status",
    },
    # Nothing on a page says whose page it is; a page without the router's families is silence.
    not_it=Outcome.NO_DATA,
    malformed=Outcome.NO_DATA,
)

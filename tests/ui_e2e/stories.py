"""Releases as pages may find them."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from airflow_tables import BEGAN, Tables, gate_piece, outline

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.record import Event, events_piece, to_piece
from airflow_rollout.release import Outcome
from airflow_rollout.seen import SeriesPiece

__all__ = [
    "DISGUISED", "HOSTILE", "LONG", "leave_extreme", "leave_hostile", "leave_long",
    "leave_rolled_back", "leave_sixty",
]  # fmt: skip

HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>"""

# Reads as another text where the characters that turn it around are obeyed.
DISGUISED = "v2\u202e1v\u0007\u0000\u200b\ud800"
LONG = "name" * 500

_GATE = "step_01.gate"


def leave_rolled_back(tables: Tables) -> None:
    """Leave a release that was good for a while and then was not."""
    dice = random.Random(7)
    tables.run("shop", "r0", state="success")
    tables.run("shop", "r1", state="failed", end_date=BEGAN)
    tables.release("shop", "r1")
    rows = []
    for second in range(36):
        evidence = math.exp(max(0, second - 12) * 0.2)
        bad = 0.05 if second > 12 else 0.0
        rows.append((float(second), evidence, bad + dice.random() / 100, 0.005, evidence))
    part = SeriesPiece(
        epoch="r1", step_id="step_01", start=BEGAN.timestamp() + 5, metrics=("errors",),
        rows=tuple(rows),
    )  # fmt: skip
    tables.piece("shop", "r1", _GATE, "series_5_0", to_piece(part))
    failed = gate_piece("r1", Verdict.FAIL, reason="FAIL errors 5 % (limit 1 %)", ends=True)
    tables.piece("shop", "r1", _GATE, "gate", to_piece(failed))
    tables.task("shop", "r1", _GATE, "failed")
    tables.action("shop", "r1", "trigger_dag_run", owner="ann")
    tables.end("shop", "r1", Outcome.ROLLED_BACK, "FAIL errors 5 % (limit 1 %)")


def leave_hostile(tables: Tables, text: str = HOSTILE) -> None:
    """Leave a release whose every text is markup, or another text."""
    stored = text.encode(errors="replace").decode()
    tables.run("shop", "r1", triggering_user_name=stored, conf={"version": text})
    tables.release("shop", "r1", version=stored)
    told = outline("r1")
    metric = replace(told.metrics[0], name=stored, asked=(stored,))
    told = replace(told, service=stored, namespace=stored, provider=stored, metrics=(metric,))
    tables.piece("shop", "r1", "prepare", "outline", to_piece(told))
    gate = gate_piece("r1", reason=stored)
    finding = replace(gate.judgement.metrics[0], name=stored, sentence=stored, unit=stored)
    gate = replace(gate, judgement=replace(gate.judgement, metrics=(finding,)))
    tables.piece("shop", "r1", _GATE, "gate", to_piece(gate))
    events = [Event(at=BEGAN.timestamp(), task=stored, text=stored, epoch="r1")]
    tables.piece("shop", "r1", "prepare", "events", events_piece(events))
    tables.action("shop", "r1", "patch_dag_run", owner=stored)


def leave_extreme(tables: Tables, values: list[float]) -> None:
    """Leave a release whose every number is one of these, as whoever writes no JSON would."""
    tables.run("shop", "r1")
    tables.release("shop", "r1")
    told = to_piece(outline("r1"))
    told["metrics"][0] |= {"maximum": values[0], "minimum": values[-1]}
    told["min_requests"] = 10**15
    tables.piece("shop", "r1", "prepare", "outline", told)
    gate = to_piece(gate_piece("r1"))
    gate["judgement"] |= {"evidence": values[0], "limit": values[-1]}
    gate["judgement"]["metrics"][0] |= {"canary_value": values[0], "evidence": values[-1]}
    tables.piece("shop", "r1", _GATE, "gate", gate)
    rows = [[float(n), *(values[(n + k) % len(values)] for k in range(4))] for n in range(40)]
    part = to_piece(
        SeriesPiece(
            epoch="r1", step_id="step_01", start=BEGAN.timestamp() + 5, metrics=("errors",), rows=()
        )
    )
    tables.piece("shop", "r1", _GATE, "series_5_0", part | {"rows": rows})
    event = {"at": values[0], "task": "prepare", "text": "opened", "epoch": "r1"}
    tables.piece("shop", "r1", "prepare", "events", events_piece([]) | {"events": [event]})


def leave_long(tables: Tables) -> None:
    """Leave six hours with four metrics, as many rows as a gate keeps at most."""
    dice = random.Random(7)
    names = tuple(f"m{number}" for number in range(1, 5))
    tables.run("shop", "r1")
    tables.release("shop", "r1")
    told = outline("r1")
    metrics = tuple(replace(told.metrics[0], name=name) for name in names)
    tables.piece("shop", "r1", "prepare", "outline", to_piece(replace(told, metrics=metrics)))
    for number in range(10):
        rows = tuple(
            (
                (number * 200 + row) * 10.8,
                1.0,
                *(value for _ in names for value in (dice.random() / 50, 0.01, 1.0)),
            )
            for row in range(200)
        )
        part = SeriesPiece(
            epoch="r1", step_id="step_01", start=BEGAN.timestamp() + 5, metrics=names, rows=rows
        )
        tables.piece("shop", "r1", _GATE, f"series_5_{number}", to_piece(part))
    tables.end("shop", "r1", Outcome.PROMOTED, after=6 * 3600.0)


def leave_sixty(tables: Tables) -> None:
    """Leave sixty releases; every second one harmed one to three requests and was stopped."""
    for number in range(60):
        run_id = f"r{number}"
        is_good = number % 2 == 0
        tables.run("shop", run_id, state="success" if is_good else "failed", end_date=BEGAN)
        tables.release("shop", run_id, version=f"v{number}")
        verdict = Verdict.PASS if is_good else Verdict.FAIL
        gate = gate_piece(run_id, verdict, reason=verdict.name, ends=True)
        finding = replace(gate.judgement.metrics[0], canary_bad=0 if is_good else 1 + number % 3)
        stop = gate.stop and replace(gate.stop, written_at=gate.stop.decided_at + number % 25)
        gate = replace(gate, judgement=replace(gate.judgement, metrics=(finding,)), stop=stop)
        tables.piece("shop", run_id, _GATE, "gate", to_piece(gate))
        tables.end("shop", run_id, Outcome.PROMOTED if is_good else Outcome.ROLLED_BACK)

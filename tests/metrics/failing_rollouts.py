"""The rollouts whose metric systems fail in mid-gate: what each asks, of whom, by whose rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from contract_server import ContractServer, Fault, Hosting
from router_servers import prometheus, scrape
from source_faults import HUGE, SLOW, SOURCE_FAULTS
from system_access import KEYS
from vendor_servers import datadog, newrelic
from vendor_world import World

from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["HOLD_SECONDS", "PARTS", "REQUESTS", "Part", "serve", "spec_of"]

HOLD_SECONDS = 60.0
INTERVAL_SECONDS = 10.0
FAILURE_LIMIT = 2

_OPTIONS: dict[str, dict[str, Any]] = {
    "datadog": {"bucket": "5s", "delay": "5s"},
    "newrelic": {"bucket": "5s", "delay": "5s", "account": "1234567"},
    "prometheus": {},
    "scrape": {},
}

# How many requests one reading of all questions takes at most, the query of one's own included.
REQUESTS = {"datadog": 3, "newrelic": 3, "prometheus": 5, "scrape": 1}

_TWO_QUESTIONS = [
    {"name": "http_5xx_rate", "max": "1%"},
    {"name": "p99_latency", "max": "400ms"},
]
_OWN_QUESTION = {"name": "depth", "query": "SELECT latest(depth) FROM Queue", "max": 5}


@dataclass(frozen=True, kw_only=True)
class Part:
    """What happens to one gate's source, None for nothing, and whose rules the gate follows.

    :param mends: whether the source comes back before the deadline.
    :param every: how often the source is asked, in the test's time, not in the gate's.
    :param timeout: how long it may take for an answer, in seconds of the test's time.
    """

    fault: Fault | None
    semantics: str = "native"
    mends: bool = False
    every: str = "300ms"
    timeout: float = 30.0


def _parts(faults: dict[str, Fault | str]) -> dict[str, Part]:
    known = {name: fault for name, fault in faults.items() if isinstance(fault, Fault)}
    found = {name: Part(fault=fault) for name, fault in known.items()}
    found[SLOW] = Part(fault=known[SLOW], timeout=1.0)
    # Tens of megabytes an answer: asked rarely, so that the other gates get their turn.
    found[HUGE] = Part(fault=known[HUGE], every="1s")
    for name in ("an answer without series or rows", "status 403", "status 503"):
        for semantics in ("flagger", "argo"):
            found[f"{name}, {semantics}"] = Part(fault=known[name], semantics=semantics)
    found["nothing"] = Part(fault=None)
    found["status 503 for a while"] = Part(fault=known["status 503"], mends=True)
    return found


# System -> what happens -> the gate it happens to.
PARTS = {system: _parts(faults) for system, faults in SOURCE_FAULTS.items()}


def spec_of(system: str, name: str, part: Part, home: Path) -> RolloutSpec:
    """Write a rollout's file and read it."""
    is_own = part.fault is not None and "not one number" in part.fault.words
    analysis = {
        "source": {
            "provider": system, "conn_id": name, "every": part.every, "timeout": part.timeout,
            **_OPTIONS[system],
        },
        "dispersion": 1, "interval": f"{INTERVAL_SECONDS:g}s", "failure_limit": FAILURE_LIMIT,
        "min_requests": 50, "semantics": part.semantics, "promote": "on_time",
        "metrics": [*_TWO_QUESTIONS, *([_OWN_QUESTION] if is_own else [])],
    }  # fmt: skip
    if part.semantics == "argo":
        analysis["consecutive_error_limit"] = FAILURE_LIMIT
    hold = f"{HOLD_SECONDS:g}s"
    document = {
        "apiVersion": "airflow-rollout/v1", "kind": "Rollout",
        "metadata": {"name": name, "namespace": "test"},
        "spec": {
            "workload": {"kind": "endpoints", "health_path": "/healthz", "timeout": part.timeout},
            "traffic": {"router": "traefik_file", "conn_id": "router"},
            "canary": {"steps": [{"weight": 20, "hold": hold}], "verify": hold},
            "analysis": analysis,
        },
    }  # fmt: skip
    file = home / f"{name}.yaml"
    file.write_text(json.dumps(document))
    return load_spec(file)


def serve(system: str, world: World, name: str, hosting: Hosting) -> ContractServer:
    """Start the metric system of a gate."""
    answers: dict[str, Callable[[HttpRequest], HttpResponse]] = {
        "datadog": partial(datadog, world),
        "newrelic": partial(newrelic, world),
        "prometheus": partial(prometheus, world),
        "scrape": partial(scrape, world, service=name),
    }
    return hosting.serve(answers[system], keys=KEYS[system])

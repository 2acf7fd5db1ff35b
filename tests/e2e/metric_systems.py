"""Four metric systems of the lab's Traefik, each of which a scene can let fail.

Prometheus is a real one that scrapes it, and `scrape` is Traefik's own page; behind Datadog's and
New Relic's contracts stands what Traefik has counted.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
from contract_server import Answer, ContractServer, Hosting
from counted import EDGES, Counts
from prometheus_client.parser import text_string_to_metric_families
from real_servers import Prometheus, find_binary, running
from system_access import KEYS, connection
from vendor_servers import datadog, newrelic

from airflow_rollout.demo.lab import Lab
from airflow_rollout.demo.part import Part
from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["PREFIX", "metric_systems", "system_of"]

# Of the services that are asked about through one of these systems.
PREFIX = "asked-"

# Fine enough for buckets of two seconds, and slow enough for a page of all the lab's services.
_SAMPLE_SECONDS = 0.5

_systems: dict[str, ContractServer] = {}


def system_of(service: str) -> ContractServer:
    """Return the metric system that a service's release asks."""
    return _systems[service.removeprefix(PREFIX)]


@contextmanager
def metric_systems(lab: Lab, home: Path) -> Iterator[dict[str, str]]:
    """Run the systems and yield the Airflow connections that lead to them."""
    with ExitStack() as stack:
        hosting = stack.enter_context(Hosting())
        counts = stack.enter_context(TraefikCounts(lab.traefik.metrics_url))
        answers: dict[str, Answer] = {
            "datadog": partial(datadog, counts),
            "newrelic": partial(newrelic, counts),
            "scrape": partial(_passed_on, lab.traefik.api_url),
        }
        binary = find_binary("prometheus")
        if binary is not None:
            target = lab.traefik.api_url.removeprefix("http://")
            real = Prometheus(home, binary, target, every_milliseconds=1000)
            answers["prometheus"] = partial(_passed_on, stack.enter_context(running(real)).url)
        for system, answer in answers.items():
            _systems[system] = hosting.serve(answer, keys=KEYS[system])
        yield {
            f"{PREFIX}{system}".replace("-", "_"): connection(system, server.url)
            for system, server in _systems.items()
        }


def _passed_on(url: str, request: HttpRequest) -> HttpResponse:
    """Ask the real system."""
    found = httpx.request(
        request.method, f"{url}{request.url}", params=list(request.params), content=request.body,
        timeout=10.0, trust_env=False,
    )  # fmt: skip
    kinds = {"content-type": found.headers.get("content-type", "")}
    return HttpResponse(status=found.status_code, headers=kinds, body=found.content)


class TraefikCounts(Part):
    """What Traefik has counted, moment by moment; a context manager.

    :param url: its metrics page; until Traefik is up nothing has been counted.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._times: list[float] = []
        self._samples: list[dict[str, Counts]] = []
        self._page: dict[str, Counts] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def come_up(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    @property
    def newest(self) -> float:
        return self._times[-1] if self._times else 0.0

    def total(self, arm: str, at: float) -> Counts:
        index = bisect.bisect_right(self._times, at) - 1
        return self._samples[index].get(arm, Counts()) if index >= 0 else Counts()

    def _watch(self) -> None:
        while not self._closing.wait(_SAMPLE_SECONDS):
            at = time.time()
            try:
                page = httpx.get(self._url, timeout=5.0, trust_env=False)
            except httpx.HTTPError:
                continue
            self._samples.append(self._grown(_counts(page.text)))
            # Last: whoever reads meanwhile must find a sample for every time.
            self._times.append(at)

    def _grown(self, page: dict[str, Counts]) -> dict[str, Counts]:
        """Return the totals with what a page adds.

        Traefik forgets an arm that it no longer sends anything to, and counts anew the next time.
        """
        totals = dict(self._samples[-1]) if self._samples else {}
        for arm, counts in page.items():
            before = self._page.get(arm, Counts())
            new = counts.since(before) if counts.requests >= before.requests else counts
            totals[arm] = totals.get(arm, Counts()).plus(new)
        self._page = page
        return totals


def _counts(page: str) -> dict[str, Counts]:
    """Return what a page says of the services that are asked about, by arm."""
    lines = [line for line in page.splitlines() if f'service="{PREFIX}' in line]
    found: dict[str, Counts] = {}
    for family in text_string_to_metric_families("\n".join(lines)):
        for sample in family.samples:
            arm = sample.labels["service"].removesuffix("@file")
            found[arm] = _added(found.get(arm, Counts()), sample.name, sample.labels, sample.value)
    return found


def _added(counts: Counts, name: str, labels: dict[str, str], value: float) -> Counts:
    number, within = int(value), dict(counts.within)
    is_count = name == "traefik_service_requests_total"
    if name == "traefik_service_request_duration_seconds_bucket":
        edge = float(labels["le"])
        if edge in EDGES:
            within[edge] = within.get(edge, 0) + number
    is_error = is_count and labels["code"].startswith("5")
    return Counts(
        requests=counts.requests + (number if is_count else 0),
        errors=counts.errors + (number if is_error else 0),
        within=within,
    )

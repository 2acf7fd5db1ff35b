"""Metric source `scrape`: read the router's own metrics page.

The most exact source there is: counters straight from the process that served the requests, with
no server in between that samples, extrapolates or first sees a series at its hundredth request.
It needs one router process: behind several, each page knows a part of the traffic only.

All metrics of all gates of a router stand on one page. The adapter asks for it once for each
metric; whoever reads several passes a `send` that answers equal requests with one exchange. The
newest pages are kept with their lines in order, so that a page is taken apart once and not once a
metric and gate.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import (
    CounterPoint,
    CounterSeries,
    Cumulative,
    NoData,
    Reading,
)
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.metrics.answers import plain_words
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.counters import boundary, slower_than, whole_count
from airflow_rollout.metrics.query_sets import QuerySet, query_set
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import (
    ConnectionForm,
    HttpRequest,
    HttpResponse,
    Send,
    ask_http,
    refuse_status,
)

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

__all__ = ["CONNECTION", "ScrapeProvider", "make"]

SYSTEM = "scrape"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

# Age and identity of the process behind the page; every Prometheus client library exposes it.
_PROCESS_START = "process_start_time_seconds"

# What a process says it has used: it moves with every look at the page, by the look itself.
_USED = "process_cpu_seconds_total"

# Below this the difference to a `Date` header is its rounding and the way of the answer.
_CLOCKS_AGREE_SECONDS = 2.0

_NAME_ENDS = re.compile(r"[{\s]")

# Pages kept: those of the routers that are read in the same seconds.
_PAGES = 8

# Requests and bad requests by arm, the canary first.
Counts = dict[str, tuple[int, tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Life:
    """One run of the process: when it started by its own clock, and by ours if that is known."""

    started: float | None
    born_at: float | None


def make(source: MetricSource) -> ScrapeProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(source, {"path": "where the page is, /metrics if not given"})
    return ScrapeProvider(
        path=options.text("path", "/metrics"), timeout_seconds=options.timeout_seconds
    )


class ScrapeProvider:
    """Read cumulative counters and histogram buckets of both arms from one page.

    A cache between it and the router shows a service that nobody asks. A page that tells what its
    process uses and is the same to the last byte at two moments is such a one: no data.

    :param path: where the page is, relative to the connection's address.
    :param timeout_seconds: how long one read may take.
    """

    def __init__(self, *, path: str = "/metrics", timeout_seconds: float = 5.0) -> None:
        self._request = HttpRequest(url=path, timeout_seconds=timeout_seconds)
        self._page = b""
        self._first_seen_at = 0.0

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the counters as they stand now; the page knows no past, so `at.end` dates them.

        :raises PermanentAdapterError: a question a page cannot answer, or an unreadable page.
        """
        rows = _check(query)
        response = await ask_http(send, self._request)
        words = "" if response.status < 400 else plain_words(response.body)
        refuse_status(response, system=SYSTEM, what=f"GET {self._request.url}", detail=words)
        reading = parse(response, query, rows, at.end)
        still = self._still_seconds(response.body, at.end)
        if still and not isinstance(reading, NoData):
            return NoData(
                at=at.end,
                reason=f"the page has not changed in {still:.0f} s, not even by what its process "
                "uses: does it come from a cache?",
            )
        return reading

    def _still_seconds(self, page: bytes, at: float) -> float:
        """Return for how long the page is known to stand still, 0 if it is new or may do so."""
        if page != self._page:
            self._page, self._first_seen_at = page, at
            return 0.0
        return at - self._first_seen_at if _USED in _families(page) else 0.0


def _check(query: MetricQuery) -> QuerySet:
    if query.expression is not None or query.question is Question.VALUE:
        raise PermanentAdapterError(
            f"metric {query.name!r}: a metrics page answers no queries; use `prometheus`",
            system=SYSTEM,
        )
    return query_set(query, system=SYSTEM)


def parse(response: HttpResponse, query: MetricQuery, rows: QuerySet, at: float) -> Reading:
    """Read one page in the text exposition format.

    An arm without a series on a page of the router is at zero; a page that is not the router's is
    `NoData`. Only the lines that matter go through the parser: a page can hold thousands.
    """
    page = response.body
    families = _families(page)
    if rows.alive not in families:
        return NoData(
            at=at,
            reason=f"the page has no {rows.alive}: not the router's page, or its metrics are off",
        )
    if not page.endswith(b"\n"):
        raise TransientAdapterError("the page is cut off", system=SYSTEM)
    started = _started(families)
    life = _Life(started=started, born_at=_on_our_clock(started, response.headers, at))
    if query.question is Question.ERRORS:
        return _cumulative(_errors(page, rows), at=at, life=life, boundaries=())
    return _latency(page, rows, at, life)


@lru_cache(maxsize=_PAGES)
def _families(page: bytes) -> Mapping[str, list[str]]:
    """Return the sample lines of a page by the name of their family."""
    try:
        lines = page.decode().split("\n")
    except UnicodeDecodeError as error:
        raise PermanentAdapterError(f"the page is no text: {error.reason}", system=SYSTEM) from None
    found: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line[:1] not in ("", "#"):
            found[_NAME_ENDS.split(line, maxsplit=1)[0]].append(line)
    return dict(found)


# Three families a page: requests, durations, and one to spare.
@lru_cache(maxsize=3 * _PAGES)
def _by_arm(page: bytes, name: str, rows: QuerySet) -> Mapping[str, list[str]]:
    """Return the lines of one family by the arm that they name."""
    value = re.compile(rf'[{{,]\s*{re.escape(rows.arm_label)}="([^"]*)"')
    found: dict[str, list[str]] = defaultdict(list)
    for line in _families(page).get(name, ()):
        if place := value.search(line):
            found[rows.arm_of(place[1])].append(line)
    return dict(found)


def _samples(lines: Iterable[str]) -> list[Sample]:
    # Imported here: it takes longer than a DAG file may, and a DAG file only names the source.
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = text_string_to_metric_families("\n".join(lines))
        return [sample for family in families for sample in family.samples]
    except (ValueError, IndexError) as error:
        raise PermanentAdapterError(
            f"unreadable line on the page: {error}", system=SYSTEM
        ) from None


def _arm_samples(page: bytes, name: str, rows: QuerySet) -> list[Sample]:
    arms = rows.arms
    lines = _by_arm(page, name, rows)
    wanted = [line for arm in arms for line in lines.get(arm, ())]
    return [s for s in _samples(wanted) if _arm(s, rows) in arms]


def _arm(sample: Sample, rows: QuerySet) -> str:
    return rows.arm_of(sample.labels.get(rows.arm_label, ""))


def _started(families: Mapping[str, list[str]]) -> float | None:
    """Return when the process started by its own clock, None if the page does not say."""
    for sample in _samples(families.get(_PROCESS_START, ())):
        value = float(sample.value)
        if math.isfinite(value) and value > 0:
            return value
    return None


def _on_our_clock(started: float | None, headers: Mapping[str, str], at: float) -> float | None:
    """Return the start by the reader's clock, None if that is still to come.

    A start in the reader's future would make old counts look new; the answer's `Date` tells how
    far the clocks are apart, to the second.
    """
    if started is None:
        return None
    try:
        ahead = parsedate_to_datetime(headers["date"]).timestamp() - at
    except (KeyError, ValueError):
        ahead = 0.0
    born_at = started - ahead if abs(ahead) > _CLOCKS_AGREE_SECONDS else started
    return born_at if born_at <= at else None


def _errors(page: bytes, rows: QuerySet) -> Counts:
    """Return requests and errors by arm."""
    counts: Counts = dict.fromkeys(rows.arms, (0, (0,)))
    for sample in _arm_samples(page, rows.requests, rows):
        status = sample.labels.get(rows.status_label, "")
        if not rows.counts(status):
            continue
        value = whole_count(sample.value, name=rows.requests, system=SYSTEM)
        requests, bad = counts[_arm(sample, rows)]
        errors = bad[0] + (value if rows.is_error(status) else 0)
        counts[_arm(sample, rows)] = (requests + value, (errors,))
    return counts


def _latency(page: bytes, rows: QuerySet, at: float, life: _Life) -> Reading:
    name = f"{rows.durations}_bucket"
    arms = _buckets(_arm_samples(page, name, rows), rows, name)
    known = [set(buckets) for buckets in arms.values()]
    if not known:
        # Any other service of the router shows the boundaries: they are set for the whole router.
        others = _samples(_families(page).get(name, ()))
        known = [set(buckets) for buckets in _buckets(others, rows, name).values()]
    if not known:
        return NoData(at=at, reason="the router has served no request yet: its buckets are unknown")
    if any(edges != known[0] for edges in known):
        raise PermanentAdapterError(f"{name}: the arms have different buckets", system=SYSTEM)
    empty = dict.fromkeys(known[0], 0)
    counts = {arm: slower_than(arms.get(arm, empty), name=name, system=SYSTEM) for arm in rows.arms}
    edges = sorted(edge for edge in known[0] if edge != math.inf)
    scaled = tuple(edge * rows.seconds_per_unit for edge in edges)
    return _cumulative(counts, at=at, life=life, boundaries=scaled)


def _buckets(samples: list[Sample], rows: QuerySet, name: str) -> dict[str, dict[float, int]]:
    """Return boundary -> cumulative count by arm, summed over statuses and methods."""
    arms: dict[str, dict[float, int]] = defaultdict(lambda: defaultdict(int))
    for sample in samples:
        edge = boundary(sample.labels.get("le", ""), name=name, system=SYSTEM)
        value = whole_count(sample.value, name=name, system=SYSTEM)
        arms[_arm(sample, rows)][edge] += value
    return {arm: dict(buckets) for arm, buckets in arms.items()}


def _cumulative(
    counts: Counts, *, at: float, life: _Life, boundaries: tuple[float, ...]
) -> Cumulative:
    """Put both arms into one reading; its key is the process's start: a restart, a new life."""
    key = "start unknown" if life.started is None else f"started {life.started:.3f}"
    canary, stable = (
        (
            CounterSeries(
                key=key,
                points=(CounterPoint(at=at, requests=requests, bad=bad),),
                born_at=life.born_at,
            ),
        )
        for requests, bad in counts.values()
    )
    return Cumulative(at=at, boundaries=boundaries, canary=canary, stable=stable)

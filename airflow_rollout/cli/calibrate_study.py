"""What a history teaches: phi, how often each rule stops a healthy release, how soon a bad one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from airflow_rollout.analysis.bound import bound_seconds, odds_times
from airflow_rollout.analysis.dispersion import Dispersion
from airflow_rollout.analysis.histogram import boundary_at
from airflow_rollout.analysis.latency import latency_limit
from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.cli.calibrate_history import History
from airflow_rollout.cli.calibrate_splits import Rule, Splitter, named_rules
from airflow_rollout.cli.replay_walk import Walked
from airflow_rollout.plan import make_plan
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["FAULTS", "Fault", "FaultFound", "MetricStudy", "RuleStudy", "Study", "study"]

# A release with a fault is judged less often than a healthy one: its end is near.
_FAULTY_SHARE = 0.2
_FEWEST_FAULTY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A canary that is worse: so many times the errors, or a share of all requests."""

    name: str
    factor: float = 1.0
    share: float | None = None


FAULTS = (
    Fault(name="2x the errors", factor=2.0),
    Fault(name="5x the errors", factor=5.0),
    Fault(name="every request fails", share=1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricStudy:
    """One question's history; `counted` says which bad requests are meant."""

    name: str
    counted: str
    requests_per_second: float
    share: float
    dispersion: Dispersion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStudy:
    """How many healthy releases a rule stopped."""

    name: str
    stopped: int
    releases: int

    @property
    def rate(self) -> float:
        """Return the share of healthy releases it stopped."""
        return self.stopped / self.releases


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFound:
    """How a rule did on a fault; medians over the releases it stopped, None when it stopped none.

    `bound_seconds` is what no test with the same guarantee can beat, None where it is not known.
    """

    fault: str
    rule: str
    stopped: int
    releases: int
    seconds: float | None
    failed_requests: float | None
    bound_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that was learned, and one release of each kind to look at."""

    history: History
    metrics: tuple[MetricStudy, ...]
    rules: tuple[RuleStudy, ...]
    faults: tuple[FaultFound, ...]
    not_judged: tuple[str, ...]
    healthy: Walked
    faulty: Walked

    @property
    def phi(self) -> float | None:
        """Return the largest measured phi, None when there was too little history for any."""
        found = [m.dispersion.phi for m in self.metrics if m.dispersion is not None]
        return max(found, default=None)


def study(
    spec: RolloutSpec,
    history: History,
    *,
    releases: int,
    seed: int,
    progress: Callable[[str], None],
) -> Study:
    """Judge `releases` splits of the history by each rule, and fewer with each fault."""
    asked = [m for m in spec.judge.metrics if any(m.name in span for span in history.spans)]
    metrics = tuple(_metric(history, metric, spec) for metric in asked)
    clusters = {m.name: m.dispersion.phi for m in metrics if m.dispersion is not None}
    splitter = Splitter(history, make_plan(spec).steps, clusters=clusters, seed=seed)
    rules = named_rules(replace(spec.judge, metrics=tuple(asked)))
    healthy = []
    for rule in rules:
        progress(f"{rule.name}: {releases} healthy releases")
        stopped = sum(
            splitter.stopped(splitter.release(rule, number)[0]) for number in range(releases)
        )
        healthy.append(RuleStudy(name=rule.name, stopped=stopped, releases=releases))
    fewer = max(_FEWEST_FAULTY, round(_FAULTY_SHARE * releases))
    faults = []
    for fault in FAULTS:
        for rule in rules:
            progress(f"{rule.name}: {fewer} releases in which {fault.name}")
            faults.append(_fault(spec, metrics, splitter, rule=rule, fault=fault, releases=fewer))
    shown = next((rule for rule in rules if rule.name == "comparison"), rules[-1])
    return Study(
        history=history,
        metrics=metrics,
        rules=tuple(healthy),
        faults=tuple(faults),
        not_judged=tuple(m.name for m in spec.judge.metrics if m not in asked),
        healthy=splitter.release(shown, 0)[0],
        faulty=splitter.release(shown, 0, factor=FAULTS[1].factor)[0],
    )


def _metric(history: History, metric: Metric, spec: RolloutSpec) -> MetricStudy:
    boundary, counted = 0, "bad requests"
    edges = history.boundaries.get(metric.name, ())
    if metric.question is Question.LATENCY and edges:
        limit = latency_limit(metric, spec.judge.semantics)
        boundary = boundary_at(edges, limit)
        counted = f"requests slower than {edges[boundary]:g} s"
    total = history.total(metric.name)
    return MetricStudy(
        name=metric.name,
        counted=counted,
        requests_per_second=total.requests / history.seconds,
        share=total.bad[boundary] / total.requests if total.requests else 0.0,
        dispersion=history.dispersion(metric.name, boundary),
    )


def _fault(
    spec: RolloutSpec,
    metrics: tuple[MetricStudy, ...],
    splitter: Splitter,
    *,
    rule: Rule,
    fault: Fault,
    releases: int,
) -> FaultFound:
    seconds, failed = [], []
    for number in range(releases):
        walked, bad = splitter.release(rule, number, factor=fault.factor, share=fault.share)
        if splitter.stopped(walked):
            seconds.append(walked.last.judgement.at)
            failed.append(bad)
    return FaultFound(
        fault=fault.name,
        rule=rule.name,
        stopped=len(seconds),
        releases=releases,
        seconds=statistics.median(seconds) if seconds else None,
        failed_requests=statistics.median(failed) if failed else None,
        bound_seconds=_bound(spec, metrics, rule, fault),
    )


def _bound(
    spec: RolloutSpec, metrics: tuple[MetricStudy, ...], rule: Rule, fault: Fault
) -> float | None:
    """Return Wald's bound at the first step's weight, for a rule that compares one metric."""
    known = [m for m in metrics if any(m.name == one.name for one in rule.params.metrics)]
    if rule.name != "comparison" or len(known) != 1:
        return None
    metric, weight = known[0], make_plan(spec).steps[0].weight / 100.0
    worse = odds_times(metric.share, fault.factor) if fault.share is None else fault.share
    seconds = bound_seconds(
        canary_rate=metric.requests_per_second * weight,
        stable_rate=metric.requests_per_second * (1.0 - weight),
        canary_share=worse,
        stable_share=metric.share,
        alpha=spec.judge.alpha,
    )
    return seconds if math.isfinite(seconds) else None

"""Releases that never were: the stable version's history, split into two arms of the same version.

Each split draws which requests the canary would have had, errors in clusters of phi that land in
one arm together, as they do where a cluster is a retry, a client or a pod. What stops such a
release is wrong. The same with faults added to the canary says how soon a real one is noticed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from airflow_rollout.analysis.parameters import JudgeParams, Metric, Mode, Promote, Question
from airflow_rollout.analysis.readings import ArmCounts
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.cli.calibrate_history import History
from airflow_rollout.cli.replay_counts import Tick
from airflow_rollout.cli.replay_walk import Walk, Walked
from airflow_rollout.plan import PlannedStep

__all__ = ["Rule", "Splitter", "named_rules"]

# Below this many requests each is drawn by itself; above it the normal law is as good.
_EXACT_DRAWS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reason to stop a release, alone: what else the file asks is left out."""

    name: str
    params: JudgeParams


def named_rules(params: JudgeParams) -> list[Rule]:
    """Return the rules of a rollout, each alone, and at last the whole gate."""
    off = replace(params.comparison, enabled=False)
    acting = [metric for metric in params.metrics if metric.mode is Mode.ACT]
    rules = []
    compared = tuple(
        replace(m, threshold=None, guardrail=None) for m in acting if m.compare and _counts(m)
    )
    if compared and params.comparison.enabled:
        rules.append(Rule(name="comparison", params=replace(params, metrics=compared)))
    for metric in acting:
        if metric.guardrail is not None:
            alone = replace(metric, threshold=None, compare=False, weight=1.0)
            changed = replace(params, metrics=(alone,), comparison=off)
            rules.append(Rule(name=f"guardrail {metric.name}", params=changed))
    for metric in acting:
        if metric.threshold is not None and _counts(metric):
            alone = replace(metric, guardrail=None, compare=False)
            changed = replace(params, metrics=(alone,), comparison=off)
            rules.append(Rule(name=f"counted check {metric.name}", params=changed))
    whole = replace(params, metrics=tuple(m for m in params.metrics if _counts(m)))
    return [*rules, Rule(name="the whole gate", params=whole)]


def _counts(metric: Metric) -> bool:
    return metric.question is not Question.VALUE


class Splitter:
    """Draws releases from a history and lets rules judge them.

    :param steps: of the release; the canary has each step's weight for as long as it is planned.
    :param clusters: metric -> phi, how many errors land in one arm together.
    :param seed: the same seed draws the same releases.
    """

    def __init__(
        self,
        history: History,
        steps: tuple[PlannedStep, ...],
        *,
        clusters: dict[str, float],
        seed: int,
    ) -> None:
        self._history = history
        self._steps = steps
        self._clusters = clusters
        self._seed = seed

    def release(
        self, rule: Rule, number: int, *, factor: float = 1.0, share: float | None = None
    ) -> tuple[Walked, int]:
        """Return what a rule says of release `number`, and the canary's bad requests until then.

        :param factor: by how much the canary's errors are more than the history's.
        :param share: the share of the canary's requests that fails instead.
        """
        params = replace(
            rule.params, promotion=replace(rule.params.promotion, when=Promote.ON_TIME)
        )
        names = {metric.name for metric in params.metrics}
        failed = [0]
        walk = Walk(
            params, self._steps, boundaries=self._history.boundaries, counters=False,
            first_length=self._history.every,
        )  # fmt: skip
        walked = walk.run(self._ticks(names, number, factor, share, failed))
        return walked, failed[0]

    def stopped(self, walked: Walked) -> bool:
        """Say whether the release was put back."""
        return walked.last.judgement.verdict is Verdict.FAIL

    def _ticks(
        self, names: set[str], number: int, factor: float, share: float | None, failed: list[int]
    ) -> Iterator[Tick]:
        """Yield counts from a random time on, around the history's end if need be."""
        draw = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        spans, every = self._history.spans, self._history.every
        start = draw.randrange(len(spans))
        chances = {
            name: self._added(name, factor) if share is None else share for name in sorted(names)
        }
        longest = sum(step.deadline_seconds for step in self._steps)
        for count in range(math.ceil(longest / every) + 1):
            span = spans[(start + count) % len(spans)]
            weight = self._weight(count * every)
            counts = {}
            for name in sorted(names & span.keys()):
                canary, stable = self._split(draw, name, span[name], weight)
                counts[name] = _worse(draw, canary, chances[name]), stable
            if not counts:
                continue
            failed[0] += next(iter(counts.values()))[0].bad[-1]
            yield Tick(count, (count + 1) * every, counts)

    def _added(self, name: str, factor: float) -> float:
        """Return which share of the good requests has to fail for `factor` times the errors."""
        total = self._history.total(name)
        if factor <= 1.0 or not total.requests:
            return 0.0
        share = total.bad[-1] / total.requests
        return min(1.0, (factor - 1.0) * share / max(1.0 - share, 1e-12))

    def _weight(self, second: float) -> float:
        """Return the canary's share by the plan: holds, one after the other."""
        for step in self._steps:
            if second < step.hold_seconds:
                return step.weight / 100.0
            second -= step.hold_seconds
        return self._steps[-1].weight / 100.0

    def _split(
        self, draw: random.Random, name: str, counts: ArmCounts, weight: float
    ) -> tuple[ArmCounts, ArmCounts]:
        requests = binomial(draw, counts.requests, weight)
        size = max(1, round(self._clusters.get(name, 1.0)))
        bad: list[int] = []
        # The errors beyond each boundary are a part of those beyond the one before.
        for above, here in _slices(counts):
            bad.append((bad[-1] if bad else 0) + _clustered(draw, here - above, size, weight))
        # Drawn from the last boundary down; a split can hold no more errors than requests.
        found = tuple(min(one, requests) for one in reversed(bad))
        rest = counts.requests - requests
        others = tuple(min(x - y, rest) for x, y in zip(counts.bad, found, strict=True))
        return ArmCounts(requests=requests, bad=found), ArmCounts(requests=rest, bad=others)


def _slices(counts: ArmCounts) -> Iterator[tuple[int, int]]:
    above = 0
    for here in reversed(counts.bad):
        yield above, here
        above = here


def _clustered(draw: random.Random, errors: int, size: int, weight: float) -> int:
    clusters, rest = divmod(errors, size)
    return size * binomial(draw, clusters, weight) + binomial(draw, rest, weight)


def _worse(draw: random.Random, counts: ArmCounts, chance: float) -> ArmCounts:
    """Return the counts with more bad requests, worse than every boundary."""
    if chance <= 0.0 or not counts.bad:
        return counts
    more = binomial(draw, counts.requests - counts.bad[-1], chance)
    return ArmCounts(
        requests=counts.requests, bad=tuple(min(counts.requests, x + more) for x in counts.bad)
    )


def binomial(draw: random.Random, n: int, p: float) -> int:
    """Draw how many of n happen, each with chance p."""
    if n <= 0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return n
    if n <= _EXACT_DRAWS:
        return sum(draw.random() < p for _ in range(n))
    if n * min(p, 1.0 - p) < 50.0:
        return _by_waiting(draw, n, p) if p <= 0.5 else n - _by_waiting(draw, n, 1.0 - p)
    return min(n, max(0, round(draw.gauss(n * p, math.sqrt(n * p * (1.0 - p))))))


def _by_waiting(draw: random.Random, n: int, p: float) -> int:
    """Draw the rare ones by the time between them."""
    found, at, scale = 0, 0, math.log1p(-p)
    while True:
        at += 1 + int(math.log(1.0 - draw.random()) / scale)
        if at > n:
            return found
        found += 1

"""Play the releases on the node and put their figures beside those of others."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from airflow_rollout.demo.answers import Answer, Exposure, exposure
from benchmarks.cluster import unstarted
from benchmarks.cluster.cases import ABORTED, CASES, GOOD, SILENT, STABLES, NodeCase
from benchmarks.cluster.unstarted import UNSTARTED, Unstarted
from benchmarks.releases.measured import Measured, measure
from benchmarks.report import Figure, Of, PartReport, Wanted

if TYPE_CHECKING:
    from benchmarks.cluster.stage import OnNode

__all__ = ["PART", "run"]

PART = "cluster"

_SAFE_SECONDS = 0.5
_BY_HAND_SECONDS = 4.0
_STEP_SECONDS = 3.0
_REST_SECONDS = 30.0
# Of each step of the good version.
_HOLD_SECONDS = 10.0
_TITLE = "Releases on a Kubernetes node"


@dataclass(kw_only=True)
class _Found:
    """What has been played until now.

    :param wanted: how many releases there should be.
    """

    wanted: int
    releases: list[OnNode] = field(default_factory=list)
    unstarted: list[Unstarted] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    at_rest: tuple[float, ...] = ()
    faults: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def number(self) -> int:
        return len(self.releases) + len(self.unstarted)

    def say(self, console: Console, line: str) -> None:
        console.print(f"{self.number:>3}/{self.wanted} {escape(line)}")


def run(console: Console, *, each: int) -> PartReport:
    """Release `each` versions of every kind on a node of this machine."""
    # The tests' node needs what only their packages bring.
    from benchmarks.cluster.stage import NodeStage, missing_here

    if missing := missing_here():
        return PartReport(part=PART, title=_TITLE, figures=(), notes=(f"not measured: {missing}",))
    found = _Found(wanted=each * (len(CASES) + len(UNSTARTED)))
    try:
        with (
            console.status("starting the node, gateway, Airflow and load") as status,
            NodeStage(each=each) as stage,
        ):
            found.answers = stage.answers
            found.at_rest = (stage.api_cores(_REST_SECONDS),)
            for kind in CASES * each:
                status.update(f"release {found.number + 1} of {found.wanted}: {kind.case.title}")
                found.releases.append(stage.play(kind))
                found.say(console, _line(_measured(found.releases[-1], found.answers)))
            # After all others: each leaves a namespace with a service behind.
            for number, (name, title) in enumerate(list(UNSTARTED.items()) * each):
                status.update(f"release {found.number + 1} of {found.wanted}: {title}")
                found.unstarted.append(stage.give_up(name, number // len(UNSTARTED)))
                found.say(console, found.unstarted[-1].line())
    except KeyboardInterrupt:
        found.interrupted = True
    except Exception as error:
        # What was measured before it is shown all the same.
        found.faults.append(f"ended early: {error or type(error).__name__}")
    return _report(found)


def _line(one: Measured) -> str:
    words = [f"{one.case:<12} {one.outcome.replace('_', ' '):<12}"]
    if one.verdict_to_safe_seconds is not None:
        words.append(f"verdict -> safe {one.verdict_to_safe_seconds:.2f} s")
    words.append(f"{one.failed_requests} failed of {one.requests} requests")
    if not one.is_as_expected:
        words.append(f"UNEXPECTED: {one.verdict}")
    return ", ".join(words)


def _measured(one: OnNode, answers: Iterable[Answer]) -> Measured:
    return measure(one.played, answers, until=_until(one))


def _report(found: _Found) -> PartReport:
    answers = found.answers
    measured = [_measured(one, answers) for one in found.releases]
    figures: list[Figure] = []
    for kind in CASES:
        mine = [
            (one, figure)
            for one, figure in zip(found.releases, measured, strict=True)
            if one.kind is kind
        ]
        if mine:
            figures += _figures(kind, [one for one, _ in mine], [it for _, it in mine], answers)
    figures += unstarted.figures(found.unstarted)
    figures += _all_figures(found.releases, measured, found.at_rest)
    unexpected = [
        f"{one.case}: {one.outcome}, run {one.run_state}: {one.verdict}"
        for one in measured
        if not one.is_as_expected
    ]
    unexpected += unstarted.faults(found.unstarted)
    left = found.wanted - found.number
    missing = [f"{left} releases were not played"] if left else []
    return PartReport(
        part=PART,
        title=f"{_TITLE} ({found.number} played)",
        figures=tuple(figures),
        faults=(*found.faults, *missing, *unexpected),
        notes=(
            f"{'; '.join(f'{kind.case.name}: {kind.case.title}' for kind in CASES)}.",
            "A cluster's time stamps are whole seconds: what counts from its first warning is up "
            "to a second too long.",
            "100 requests a second, weight 10, at least 99.5 % good and P99 <= 500 ms, judged by a "
            "Prometheus that scrapes the gateway every second.",
            "The rows of Flagger 1.44 and Argo Rollouts 1.10 were measured once on a node of the "
            "same kind; they are not measured again. Argo Rollouts promoted after 100 s while its "
            "metric system was silent, and kept the API server at 1.75 cores after an abort.",
        ),
        details={
            "releases": [one.to_builtins() for one in measured],
            "never_started": [asdict(one) for one in found.unstarted],
        },
        interrupted=found.interrupted,
    )


def _figures(
    kind: NodeCase, found: Sequence[OnNode], mine: Sequence[Measured], answers: Sequence[Answer]
) -> list[Figure]:
    group = kind.case.name
    if kind is ABORTED:
        by_hand = [_since_asked(one, answers) for one in found]
        return [
            Figure(group=group, name="accepted -> last request on the canary", unit="s",
                   values=tuple(by_hand), expected=len(found),
                   wanted=Wanted(at_most=_BY_HAND_SECONDS, of=Of.HIGHEST)),
        ]  # fmt: skip
    if kind is GOOD:
        return [*_good(group, mine), *_peers(kind)]
    if kind is SILENT:
        return [
            Figure(group=group, name="silent for all of a hold of 20 s: first weight -> verdict",
                   unit="s", values=_values(mine, "write_to_verdict_seconds"), expected=len(mine)),
        ]  # fmt: skip
    return [
        Figure(group=group, name="first canary request -> last one", unit="s",
               values=tuple(_exposed(one, answers) for one in found), expected=len(found)),
        Figure(group=group, name="failed requests", unit="requests",
               values=tuple(float(one.failed_requests) for one in mine)),
        Figure(group=group, name="of them: answered by stable", unit="requests",
               values=tuple(_stable_failed(one, answers) for one in found),
               wanted=Wanted(at_most=0, of=Of.HIGHEST)),
        *_peers(kind),
    ]  # fmt: skip


def _good(group: str, mine: Sequence[Measured]) -> list[Figure]:
    steps = [step for one in mine for step in one.steps]
    between = tuple(
        one.beyond_holds_seconds
        + _HOLD_SECONDS * len(one.steps)
        - one.start_seconds
        - one.end_seconds
        for one in mine
        if one.beyond_holds_seconds is not None
        and one.start_seconds is not None
        and one.end_seconds is not None
    )
    return [
        Figure(group=group, name="first weight -> promoted, 5 steps and 100 %, 10 s each", unit="s",
               values=between, expected=len(mine)),
        Figure(group=group, name="a step beyond its hold", unit="s",
               values=tuple(step.beyond_seconds for step in steps),
               wanted=Wanted(at_most=_STEP_SECONDS)),
        Figure(group=group, name="failed requests", unit="requests",
               values=tuple(float(one.failed_requests) for one in mine),
               wanted=Wanted(at_most=0, of=Of.HIGHEST)),
    ]  # fmt: skip


def _peers(kind: NodeCase) -> list[Figure]:
    group, figures = kind.case.name, []
    for peer in kind.peers:
        figures.append(Figure(group=group, name=f"{peer.name}: the same", unit="s",
                              values=(peer.seconds,)))  # fmt: skip
        if peer.failed_requests is not None:
            figures.append(Figure(group=group, name=f"{peer.name}: failed",
                                  unit="requests", values=(peer.failed_requests,)))  # fmt: skip
    return figures


def _all_figures(
    found: Sequence[OnNode], measured: Sequence[Measured], at_rest: tuple[float, ...]
) -> list[Figure]:
    stopped = [one for one in measured if one.verdict_to_safe_seconds is not None]
    parts = (
        ("verdict -> weight 0 written (decision, patch)", "verdict_to_written_seconds", None),
        ("verdict -> seen by the controller", "verdict_to_seen_seconds", None),
        ("verdict -> last request on the canary (data plane)", "verdict_to_safe_seconds",
         Wanted(at_most=_SAFE_SECONDS, of=Of.P95)),
    )  # fmt: skip
    figures = [
        Figure(group="all by a gate", name=name, unit="s",
               values=_values(stopped, attribute), expected=len(stopped), wanted=wanted)
        for name, attribute, wanted in parts
    ]  # fmt: skip
    cores = tuple(one.api_cores for one in found if one.api_cores is not None)
    return [
        *figures,
        Figure(group="API server", name="at rest", unit="cores", values=at_rest),
        Figure(group="API server", name="in the 30 s after an abort", unit="cores",
               values=cores),
    ]  # fmt: skip


def _values(mine: Iterable[Measured], attribute: str) -> tuple[float, ...]:
    found = (getattr(one, attribute) for one in mine)
    return tuple(value for value in found if value is not None)


def _exposed(one: OnNode, answers: Sequence[Answer]) -> float:
    seen = _seen(one, answers)
    if seen.first_canary is None or seen.last_canary is None:
        return 0.0
    return seen.last_canary - seen.first_canary


def _since_asked(one: OnNode, answers: Sequence[Answer]) -> float:
    last = _seen(one, answers).last_canary
    if last is None or one.asked_at is None:
        return 0.0
    return max(0.0, last - one.asked_at)


def _seen(one: OnNode, answers: Sequence[Answer]) -> Exposure:
    return exposure(answers, canary=one.played.version, since=one.played.since, until=_until(one))


def _stable_failed(one: OnNode, answers: Sequence[Answer]) -> float:
    mine = (it for it in answers if one.played.since <= it.sent <= _until(one))
    return float(sum(it.is_failed and it.version in STABLES for it in mine))


def _until(one: OnNode) -> float:
    run = one.played.run
    return run.end_date.timestamp() if run and run.end_date else time.time()

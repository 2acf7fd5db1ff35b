"""A calibration, as text for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from airflow_rollout.analysis.dispersion import FEWEST_BLOCKS
from airflow_rollout.analysis.evidence import effective_dispersion
from airflow_rollout.analysis.sentences import percent, plural
from airflow_rollout.cli.calibrate_study import FaultFound, MetricStudy, RuleStudy, Study
from airflow_rollout.spec.durations import say_duration
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["as_json", "print_study"]


def as_json(spec: RolloutSpec, found: Study) -> dict[str, Any]:
    """Return what programs read."""
    return {
        "name": spec.name,
        "history_seconds": found.history.seconds,
        "every_seconds": found.history.every,
        "dispersion": {
            "configured": spec.judge.comparison.dispersion,
            "used": effective_dispersion(spec.judge.comparison),
            "measured": found.phi,
        },
        "metrics": [
            {
                "name": metric.name,
                "counted": metric.counted,
                "requests_per_second": metric.requests_per_second,
                "share": metric.share,
                "dispersion": metric.dispersion and asdict(metric.dispersion),
            }
            for metric in found.metrics
        ],
        "rules": [
            {
                "name": rule.name,
                "stopped": rule.stopped,
                "releases": rule.releases,
                "false_rollback_rate": rule.rate,
            }
            for rule in found.rules
        ],
        "faults": [asdict(fault) for fault in found.faults],
        "not_judged": list(found.not_judged),
        "unanswered": dict(found.history.unanswered),
        "note": found.history.note,
    }


def print_study(spec: RolloutSpec, found: Study) -> None:
    """Print phi, the rules and the faults."""
    console = Console(highlight=False, markup=False)
    console.print(
        f"{spec.name}: {say_duration(found.history.seconds)} of the stable version, "
        f"one answer every {found.history.every:g} s"
    )
    for name in found.not_judged:
        reason = found.history.unanswered.get(name, "the counts say nothing about it")
        console.print(f"no history of {name}: {reason}", soft_wrap=True)
    if found.history.note:
        console.print(found.history.note, soft_wrap=True)
    console.print()
    for metric in found.metrics:
        console.print(_metric(metric), soft_wrap=True)
    console.print(_advice(spec, found), soft_wrap=True)
    console.print()
    console.print("Healthy releases that would have been stopped:")
    table = _table("rule", "stopped", "")
    for rule in found.rules:
        table.add_row(rule.name, f"{rule.stopped} of {rule.releases}", _remark(spec, rule))
    console.print(table)
    console.print()
    console.print("Releases with a fault from the first request on, at this traffic:")
    table = _table("fault", "rule", "stopped", "after", "failed requests", "at least")
    last = ""
    for fault in found.faults:
        table.add_row(fault.fault if fault.fault != last else "", *_cells(fault))
        last = fault.fault
    console.print(table)
    console.print("at least: what no test with the same guarantee can beat, on average")


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        numeric = title in ("stopped", "after", "failed requests", "at least")
        table.add_column(title, overflow="fold", justify="right" if numeric else "left")
    return table


def _metric(metric: MetricStudy) -> str:
    told = (
        f"{metric.name}: {metric.requests_per_second:.3g} requests/s, {metric.counted} "
        f"{percent(metric.share)}, "
    )
    if metric.dispersion is None:
        return f"{told}dispersion unknown (fewer than {FEWEST_BLOCKS} blocks with any, or none bad)"
    phi = metric.dispersion
    return f"{told}dispersion {phi.phi:.2f} (over {phi.basis}, {plural(phi.blocks, 'block')})"


def _advice(spec: RolloutSpec, found: Study) -> str:
    used = effective_dispersion(spec.judge.comparison)
    said = spec.judge.comparison.dispersion
    origin = "the file or the call says it" if said is not None else "nobody has said it"
    if found.phi is None:
        return f"dispersion {used:g} is used ({origin}), and this history cannot say better"
    measured = max(1.0, round(found.phi, 1))
    if measured > used:
        return (
            f"WARNING: dispersion {used:g} is used ({origin}), but errors come in larger clusters: "
            f"say dispersion: {measured:g}, or healthy releases will be stopped"
        )
    return f"dispersion {used:g} is used ({origin}); measured, dispersion: {measured:g} would do"


def _remark(spec: RolloutSpec, rule: RuleStudy) -> str:
    if rule.name.startswith("counted check") and rule.rate > spec.judge.alpha:
        return f"this limit would stop {percent(rule.rate)} of healthy releases"
    return f"budget {percent(spec.judge.alpha)}" if rule.name == "comparison" else ""


def _cells(fault: FaultFound) -> tuple[str, ...]:
    after = "-" if fault.seconds is None else f"{fault.seconds:.0f} s"
    failed = "-" if fault.failed_requests is None else f"{fault.failed_requests:.0f}"
    bound = "" if fault.bound_seconds is None else f"{fault.bound_seconds:.3g} s"
    return fault.rule, f"{fault.stopped} of {fault.releases}", after, failed, bound

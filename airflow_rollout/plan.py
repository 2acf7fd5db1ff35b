"""RolloutSpec -> the ordered steps with stable ids; the only place that decides which exist."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from airflow_rollout.analysis.parameters import Promote
from airflow_rollout.spec.model import RolloutSpec, Step

__all__ = [
    "FULL_STEP_ID",
    "GATE_BACKSTOP_SECONDS",
    "Plan",
    "PlannedStep",
    "find_step",
    "gate_deadline_seconds",
    "later_step_ids",
    "make_plan",
]

FULL_STEP_ID = "step_full"

# Airflow's own timeout of a gate is a backstop behind the gate's own deadline: far enough that it
# never competes with it, near enough that a dead triggerer is noticed within a minute.
GATE_BACKSTOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One weight of a release.

    `previous_weight` is what the fence demands before the raise; `deadline_seconds` counts from
    the write, and at it a gate without a verdict ends the release. `rises_after_seconds` is the
    earliest time of the write, counted from the first one.
    """

    id: str
    weight: int
    previous_weight: int
    rises_after_seconds: float
    hold_seconds: float
    deadline_seconds: float
    backstop_seconds: float
    is_full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps of a release, the last one at weight 100, and what they cost.

    `longest_exposure_seconds` is how long a bad version can keep traffic at most while every
    metric system is silent: the sum of all deadlines would be wrong, since silence never passes a
    step, so it is the longest single step, and a person's time where one is asked.
    `counted_checks_seconds` is how long one that fails every check keeps traffic at most if the
    comparison and the guardrails say nothing.
    """

    steps: tuple[PlannedStep, ...]
    shortest_seconds: float
    longest_exposure_seconds: float
    counted_checks_seconds: float
    backstop_exposure_seconds: float


@lru_cache(maxsize=64)
def make_plan(spec: RolloutSpec) -> Plan:
    """Plan the steps of a spec; weights are as given, ids count from 01."""
    planned: list[PlannedStep] = []
    previous, after = 0, 0.0
    for index, step in enumerate(spec.steps, start=1):
        planned.append(_planned(spec, f"step_{index:02d}", step, previous, after))
        previous, after = step.weight, after + _shortest(spec, step)
    full = Step(weight=100, hold_seconds=spec.verify_seconds)
    planned.append(_planned(spec, FULL_STEP_ID, full, previous, after))
    longest_hold = max(step.hold_seconds for step in planned)
    further_checks = spec.judge.failure_limit - 1
    return Plan(
        steps=tuple(planned),
        shortest_seconds=after + spec.verify_seconds,
        longest_exposure_seconds=max(step.deadline_seconds for step in planned)
        + spec.judge.policies.ask_seconds,
        counted_checks_seconds=longest_hold + further_checks * spec.judge.interval_seconds,
        backstop_exposure_seconds=max(step.backstop_seconds for step in planned),
    )


def find_step(spec: RolloutSpec, step_id: str) -> PlannedStep:
    """Return one step of a spec's plan; `KeyError` with the steps there are otherwise."""
    steps = {step.id: step for step in make_plan(spec).steps}
    if step_id not in steps:
        raise KeyError(f"no step {step_id!r} in {spec.name}, only {', '.join(steps)}")
    return steps[step_id]


def later_step_ids(spec: RolloutSpec, step_id: str) -> frozenset[str]:
    """Return the ids of the steps behind one of a spec's plan."""
    weight = find_step(spec, step_id).weight
    return frozenset(step.id for step in make_plan(spec).steps if step.weight > weight)


def gate_deadline_seconds(hold: float, failure_limit: int, interval: float) -> float:
    """Return when a gate gives up, in seconds from its write.

    A step that passes its last allowed check still ends in time: `failure_limit` failed checks
    hold one interval each, one more interval is slack for the source, one for the last look.
    """
    return hold + (failure_limit + 2) * interval


def _shortest(spec: RolloutSpec, step: Step) -> float:
    """Return how soon a good step may end; the full step has nothing to be compared with."""
    promotion = spec.judge.promotion
    if promotion.when is Promote.ON_EVIDENCE:
        return min(step.hold_seconds, promotion.min_duration_seconds)
    return step.hold_seconds


def _planned(
    spec: RolloutSpec, step_id: str, step: Step, previous: int, after: float
) -> PlannedStep:
    deadline = gate_deadline_seconds(
        step.hold_seconds, spec.judge.failure_limit, spec.judge.interval_seconds
    )
    return PlannedStep(
        id=step_id,
        weight=step.weight,
        previous_weight=previous,
        rises_after_seconds=after,
        hold_seconds=step.hold_seconds,
        deadline_seconds=deadline,
        backstop_seconds=deadline + spec.judge.policies.ask_seconds + GATE_BACKSTOP_SECONDS,
        is_full=step_id == FULL_STEP_ID,
    )

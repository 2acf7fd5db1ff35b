"""The tasks of one rollout and the edges between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, TaskGroup, TriggerRule

from airflow_rollout.dag_factory.group import RELEASED
from airflow_rollout.dag_factory.said import setting
from airflow_rollout.errors import SpecError
from airflow_rollout.operators.deploy import DeployCanaryOperator
from airflow_rollout.operators.ensure_safe import EnsureSafeOperator
from airflow_rollout.operators.news import OnEvent
from airflow_rollout.operators.prepare import PrepareReleaseOperator
from airflow_rollout.operators.promote import PromoteStepOperator
from airflow_rollout.operators.promotion import PromoteCanaryOperator
from airflow_rollout.operators.rollback import RollbackOperator
from airflow_rollout.plan import PlannedStep, make_plan
from airflow_rollout.sensors.metric_gate import MetricGateSensor
from airflow_rollout.sensors.workload_ready import WorkloadReadySensor
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["OwnTasks", "ReleaseValues", "build_tasks"]

OwnTask = BaseOperator | TaskGroup | None

# A promote is repeated for a worker that died, not for a refusal; rollback for anything.
_PROMOTE_RETRIES = 2
_SAFETY_RETRIES = 5
_RETRY_DELAY = timedelta(seconds=1)

# Ahead of everything that waits for a slot in the same pool.
_ROLLBACK_PRIORITY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseValues:
    """Templates from which a release takes its values."""

    version: str
    target: str
    interval: str = ""
    dispersion: str = ""
    skip_analysis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTasks:
    """The user's own tasks: made when the rollout's tasks are, inside the same DAG.

    :param before_traffic: makes tasks that must succeed before the first weight.
    :param after_step: makes tasks that must succeed after a step's gate, before the next weight;
        called with the planned step, may return None.
    """

    before_traffic: Callable[[], OwnTask] | None = None
    after_step: Callable[[PlannedStep], OwnTask] | None = None


@dataclass(kw_only=True)
class _Chain:
    """The tasks so far, in order; all of them lead to rollback when they fail."""

    last: Any
    risky: list[Any] = field(default_factory=list)
    told_by: list[str] = field(default_factory=list)

    def add(self, task: Any, *, tells: bool = True) -> Any:
        _link(self.last, task)
        self.last = task
        self.risky.append(task)
        if tells:
            self.told_by.append(task.task_id)
        return task


def build_tasks(
    spec: RolloutSpec,
    values: ReleaseValues,
    own: OwnTasks,
    *,
    group: str = "",
    on_event: OnEvent | None = None,
) -> EmptyOperator:
    """Make all tasks of a rollout in the DAG or task group that is open, return `released`.

    :param group: the task group's id, empty where the DAG is the rollout.
    :param on_event: who is told when a release has ended, by outcome.
    """
    # Explicit on every task: a trigger_rule in default_args must not reach them.
    rule: dict[str, Any] = {"trigger_rule": TriggerRule.ALL_SUCCESS}
    start = EmptyOperator(task_id="start", **rule, **_unhindered()).as_setup()
    chain = _Chain(last=start)
    prepare = chain.add(_prepare(spec, values, group, rule))
    deploy = DeployCanaryOperator(
        task_id="deploy", spec=spec, prepare_task_id=prepare.task_id, doc_md=_DOCS["deploy"], **rule
    )
    chain.add(deploy)
    ready = WorkloadReadySensor(
        task_id="ready", spec=spec, prepare_task_id=prepare.task_id, doc_md=_DOCS["ready"], **rule
    )
    chain.add(ready)
    if own.before_traffic is not None:
        _add_own(chain, own.before_traffic())
    _add_steps(chain, spec, prepare.task_id, own, rule)
    promotion = PromoteCanaryOperator(
        task_id="promotion",
        spec=spec,
        prepare_task_id=prepare.task_id,
        doc_md=_DOCS["promotion"],
        on_event=on_event,
        retries=_SAFETY_RETRIES,
        retry_delay=_RETRY_DELAY,
        **rule,
    )
    chain.add(promotion)
    released = EmptyOperator(task_id=RELEASED, doc_md=_DOCS["released"], **rule, **_unhindered())
    _link(promotion, released)
    _add_safety(chain, start, released, {"spec": spec, "group": group, "on_event": on_event})
    return released


def _prepare(
    spec: RolloutSpec, values: ReleaseValues, group: str, rule: dict[str, Any]
) -> PrepareReleaseOperator:
    return PrepareReleaseOperator(
        task_id="prepare",
        spec=spec,
        version=values.version,
        target=values.target,
        interval=values.interval,
        dispersion=values.dispersion,
        skip_analysis=values.skip_analysis,
        group=group,
        doc_md=_DOCS["prepare"],
        retries=_PROMOTE_RETRIES,
        retry_delay=_RETRY_DELAY,
        **rule,
    )


def _add_steps(
    chain: _Chain, spec: RolloutSpec, prepare_task_id: str, own: OwnTasks, rule: dict[str, Any]
) -> None:
    previous: tuple[str, ...] = ()
    live_seconds = _live_seconds()
    for step in make_plan(spec).steps:
        with TaskGroup(step.id, tooltip=_tooltip(step)):
            promote = PromoteStepOperator(
                task_id="promote",
                spec=spec,
                step_id=step.id,
                prepare_task_id=prepare_task_id,
                previous_task_ids=previous,
                doc_md=_promote_doc(step),
                retries=_PROMOTE_RETRIES,
                retry_delay=_RETRY_DELAY,
                **rule,
            )
            gate = MetricGateSensor(
                task_id="gate",
                spec=spec,
                step_id=step.id,
                promote_task_id=promote.task_id,
                live_seconds=live_seconds,
                doc_md=_gate_doc(spec, step),
                **rule,
            )
        chain.add(promote)
        chain.add(gate)
        previous = (gate.task_id, promote.task_id)
        if own.after_step is not None and not step.is_full:
            _add_own(chain, own.after_step(step))


def _live_seconds() -> float:
    text = setting("live_seconds", "5")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    # More often than once a second a gate would keep Airflow busy with writing.
    if not seconds >= 1.0:
        raise SpecError(
            "is no number of seconds", file="airflow.cfg", path="[rollout] live_seconds",
            found=text, allowed="1 or more",
        )  # fmt: skip
    return seconds


def _add_own(chain: _Chain, task: OwnTask) -> None:
    if task is not None:
        chain.add(task, tells=False)


def _add_safety(
    chain: _Chain, start: EmptyOperator, released: EmptyOperator, release: dict[str, Any]
) -> None:
    safety: dict[str, Any] = {
        **release,
        "prepare_task_id": chain.told_by[0],
        "pool": setting("rollback_pool", "default_pool"),
        "priority_weight": _ROLLBACK_PRIORITY,
        "weight_rule": "absolute",
        "retries": _SAFETY_RETRIES,
        "retry_delay": _RETRY_DELAY,
    }
    rollback = RollbackOperator(
        task_id="rollback",
        told_by=chain.told_by,
        doc_md=_DOCS["rollback"],
        trigger_rule=TriggerRule.ONE_FAILED,
        **safety,
    )
    for task in chain.risky:
        _link(task, rollback)
    ensure_safe = EnsureSafeOperator(
        task_id="ensure_safe",
        released_task_id=released.task_id,
        told_by=(*chain.told_by, rollback.task_id),
        doc_md=_DOCS["ensure_safe"],
        **safety,
    ).as_teardown(setups=start, on_failure_fail_dagrun=True)
    # Not behind `released`: a teardown that may fail the run counts as a leaf, and whatever is
    # before a leaf is none. `released` has to be one, it makes the run of a rollback red.
    _link(chain.last, ensure_safe)
    _link(rollback, ensure_safe)
    chain.risky[0].way_back_task_ids = (rollback.task_id, ensure_safe.task_id)


def _link(before: Any, after: Any) -> None:
    """Do what `before >> after` does, in a tenth of its time for two tasks.

    Airflow hashes the whole DAG twice for each edge: a tenth of what a file costs.
    """
    if not isinstance(before, BaseOperator) or not isinstance(after, BaseOperator):
        before >> after
        return
    before.downstream_task_ids.add(after.task_id)
    after.upstream_task_ids.add(before.task_id)


def _unhindered() -> dict[str, Any]:
    return {"depends_on_past": False, "wait_for_downstream": False}


def _tooltip(step: PlannedStep) -> str:
    what = "all traffic, judged before the canary becomes stable" if step.is_full else "of traffic"
    return f"{step.weight} % {what}, at least {step.hold_seconds:g} s"


_DOCS = {
    "prepare": "Checks that router, metric source and workload answer, lowers the canary to 0 % "
    "and opens the release. Refuses while another release of the service is open.",
    "deploy": "Starts the new version beside the stable one, without traffic.",
    "ready": "Waits until the new version answers its health probe.",
    "promotion": "Makes the new version the stable one. It has carried all traffic by now.",
    "released": "Reached only by a promoted release; hang what must follow a release on it.",
    "rollback": "Runs when anything before it fails. Confirms that all traffic is on the stable "
    "version, removes the canary and says why. The run ends red.",
    "ensure_safe": "Runs at every end of a run. Puts the traffic back where the run was ended "
    "without a rollback (marked in the UI), and closes the release's record.",
}


def _promote_doc(step: PlannedStep) -> str:
    return (
        f"Raises the canary from {step.previous_weight} % to {step.weight} %. Refused if the "
        "traffic is not exactly what the step before left."
    )


def _gate_doc(spec: RolloutSpec, step: PlannedStep) -> str:
    names = ", ".join(metric.name for metric in spec.judge.metrics)
    return (
        f"Judges {names} at {step.weight} % for at least {step.hold_seconds:g} s. A bad version is "
        "put back to 0 % by this task itself, at once. Without a verdict it ends after "
        f"{step.deadline_seconds:g} s and the release is rolled back.\n\n"
        "**Mark success**: promote now. **Mark failed**: abort."
    )

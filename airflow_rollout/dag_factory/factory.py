"""`rollout_dag` and `rollout_task_group`: from a file to the tasks that release a service."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from airflow.sdk import DAG, TaskGroup
from airflow.sdk.definitions._internal.contextmanager import DagContext, TaskGroupContext
from airflow.sdk.definitions.taskgroup import MappedTaskGroup

from airflow_rollout.dag_factory.docs import dag_doc
from airflow_rollout.dag_factory.group import RolloutTaskGroup
from airflow_rollout.dag_factory.params import release_params, target_name
from airflow_rollout.dag_factory.said import Said, load
from airflow_rollout.dag_factory.tasks import OwnTasks, ReleaseValues, build_tasks
from airflow_rollout.operators.news import OnEvent

__all__ = ["rollout_dag", "rollout_task_group"]

# Arguments of DAG that the factory owns, and why the caller may not set them.
_OWNED = {
    "schedule": "a release is started by CI or by hand",
    "catchup": "a release is started by CI or by hand",
    "max_active_runs": "one release of a service at a time",
    "dagrun_timeout": "it would skip every task, rollback and teardown too; gates have deadlines",
    "fail_fast": "it forbids the trigger rule of rollback",
    "params": "they are what a release may say",
    "allowed_run_types": "a release is started by CI or by hand",
    "dag_id": "it is an argument of rollout_dag itself",
    "render_template_as_native_obj": "it makes the number 1.1 of a version 1.10",
}


def rollout_dag(
    file: str | Path,
    *,
    dag_id: str | None = None,
    ignore: Sequence[str] = (),
    own_tasks: OwnTasks | None = None,
    on_event: OnEvent | None = None,
    dag_args: Mapping[str, Any] | None = None,
    **said: Unpack[Said],
) -> DAG:
    """Make the DAG that releases the service described in a file; one run is one release.

    :param file: a rollout of ours or a Flagger ``Canary``; relative to the calling file.
    :param dag_id: the rollout's name by default.
    :param ignore: paths of the file's fields that need not be executed, for example
        ``["spec.analysis.webhooks"]``; every other field that cannot be executed is refused.
    :param own_tasks: your own tasks before traffic and between steps.
    :param on_event: who is told when a release has ended, by outcome, for example
        ``{"rolled_back": [SlackNotifier(...)]}``; any Airflow notifier.
    :param dag_args: further arguments of `DAG`: ``default_args``, ``tags``, ``access_control`` ...
    :param said: what the file cannot say (see `Said`): router, connections, workload, provider ...
    :raises SpecError: naming the file, the field, what was found and what is allowed.
    :raises ValueError: `dag_args` would break the way back.
    """
    spec = load(_beside_caller(file), said, ignore)
    arguments = _dag_arguments(dict(dag_args or {}))
    target = target_name(spec)
    with DAG(
        dag_id=dag_id or spec.name,
        schedule=None,
        max_active_runs=1,
        allowed_run_types={"manual"},  # type: ignore[arg-type]
        doc_md=arguments.pop("doc_md", None) or dag_doc(spec),
        tags={"rollout", *arguments.pop("tags", ())},
        **arguments,
    ) as dag:
        build_tasks(spec, _from_params(target), own_tasks or OwnTasks(), on_event=on_event)
    # Last: Airflow copies the params a DAG has into each task it gets, which took half of the time
    # of a file. A run merges the DAG's into its tasks' in any case.
    dag.params.update(release_params(spec))
    return dag


def rollout_task_group(
    file: str | Path,
    *,
    version: str,
    target: str,
    group_id: str | None = None,
    ignore: Sequence[str] = (),
    own_tasks: OwnTasks | None = None,
    on_event: OnEvent | None = None,
    interval: str = "",
    skip_analysis: str = "",
    **said: Unpack[Said],
) -> TaskGroup:
    """Make the same tasks inside the DAG that is open; what follows hangs on `released` only.

    :param file: as for `rollout_dag`.
    :param version: the new version's name (templated)
    :param target: where it serves, a URL or an image (templated)
    :param group_id: the rollout's name by default.
    :param ignore: as for `rollout_dag`.
    :param own_tasks: as for `rollout_dag`.
    :param on_event: as for `rollout_dag`.
    :param interval: overrides the file's interval, for example ``5s`` (templated)
    :param skip_analysis: why nobody judges this release (a hotfix), every gate passes at once;
        empty: it is judged (templated)
    :param said: as for `rollout_dag`.
    :raises SpecError: as for `rollout_dag`.
    :raises ValueError: the enclosing DAG or group would break the way back.
    """
    spec = load(_beside_caller(file), said, ignore)
    _check_surroundings()
    values = ReleaseValues(
        version=version,
        target=target,
        interval=interval,
        skip_analysis=skip_analysis,
    )
    group = RolloutTaskGroup(group_id or spec.name)
    with group:
        build_tasks(
            spec, values, own_tasks or OwnTasks(), group=str(group.group_id), on_event=on_event
        )
    return group


def _from_params(target: str) -> ReleaseValues:
    return ReleaseValues(
        version="{{ params.version }}",
        target=f"{{{{ params.{target} }}}}",
        interval="{{ params.interval or '' }}",
        dispersion="{{ params.dispersion or '' }}",
        # Without a reason the word itself, which is refused as one.
        skip_analysis="{{ params.reason or 'true' if params.skip_analysis else '' }}",
    )


def _beside_caller(file: str | Path) -> Path:
    """Return a path relative to the DAG file that called: DAG files know no working directory."""
    path = Path(file)
    if path.is_absolute():
        return path
    caller = sys._getframe(2).f_code.co_filename  # noqa: SLF001 - the documented way to a caller
    return Path(caller).parent / path


def _dag_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    for name, reason in _OWNED.items():
        if name in arguments:
            raise ValueError(f"dag_args may not set {name}: {reason}")
    return arguments


def _check_surroundings() -> None:
    dag = DagContext.get_current()
    if dag is None:
        raise ValueError("rollout_task_group needs an open DAG: call it inside `with DAG(...)`")
    for name in ("dagrun_timeout", "fail_fast"):
        if getattr(dag, name, None):
            raise ValueError(f"DAG {dag.dag_id} sets {name}: {_OWNED[name]}")
    group = TaskGroupContext.get_current(dag)
    while group is not None:
        if isinstance(group, MappedTaskGroup):
            raise ValueError(  # noqa: TRY004 - the place is wrong, not a type
                f"group {group.group_id} is mapped: gates of a mapped group all get the same "
                "arguments; call rollout_task_group once for each rollout"
            )
        group = group.parent_group

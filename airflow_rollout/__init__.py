"""Progressive delivery with automated rollback for Apache Airflow.

Importing this package imports no Airflow: public names are resolved when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_rollout.dag_factory import OwnTasks, rollout_dag, rollout_task_group

__all__ = ["OwnTasks", "__version__", "rollout_dag", "rollout_task_group"]

__version__ = "0.1.0"

_HOMES = {
    "OwnTasks": "airflow_rollout.dag_factory",
    "rollout_dag": "airflow_rollout.dag_factory",
    "rollout_task_group": "airflow_rollout.dag_factory",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)

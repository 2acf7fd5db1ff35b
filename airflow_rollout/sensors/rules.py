"""What a sensor of a release may never do, wherever the setting comes from."""

from __future__ import annotations

from airflow.sdk import BaseSensorOperator

__all__ = ["refuse_quiet_failure"]

_QUIET = ("soft_fail", "never_fail", "silent_fail")


def refuse_quiet_failure(sensor: BaseSensorOperator) -> None:
    """Refuse what would skip the rollback, override what would delay it.

    :raises ValueError: a failed gate would be skipped or ignored.
    """
    for name in _QUIET:
        if getattr(sensor, name, False):
            raise ValueError(
                f"{sensor.task_id}: {name}=True would skip the rollback of a bad release; "
                "take it out of the call or of default_args"
            )
    sensor.retries = 0
    sensor.depends_on_past = False
    sensor.wait_for_downstream = False
    # It counts as the trigger's timeout, where it would undercut the gate's own deadline.
    sensor.execution_timeout = None

"""A task group whose downstream waits for the promoted release, not for its rollback."""

from __future__ import annotations

from collections.abc import Generator

import attrs
from airflow.sdk import BaseOperator, TaskGroup

__all__ = ["RELEASED", "RolloutTaskGroup"]

RELEASED = "released"


@attrs.define(repr=False)
class RolloutTaskGroup(TaskGroup):
    """The tasks of one rollout inside another DAG.

    `group >> deploy_docs` hangs on `released` alone: on a promoted release `rollback` is skipped,
    and waiting for it as well would skip everything behind the group.
    """

    def get_leaves(self) -> Generator[BaseOperator, None, None]:
        """Return the leaf that only a promoted release reaches."""
        wanted = self.child_id(RELEASED)  # type: ignore[no-untyped-call]
        leaves = [task for task in self if task.task_id == wanted]
        if not leaves:
            yield from super().get_leaves()
        yield from leaves

"""What befalls releases whose Airflow keeps its records in a PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from alone import promote_killed_after
from postgres_lab import Stage
from shared import pair

__all__ = ["ACTS"]

# A database that fails over to its replica is away for about as long.
_AWAY_SECONDS = 5.0

_PATIENCE_SECONDS = 120.0


def database_restarted(stage: Stage) -> dict[str, Any]:
    """The database is away for some seconds in mid-gate; one canary turns bad meanwhile."""
    with pair(stage.scene) as both, stage.supervised() as ended_with_it:
        stage.database.stop()
        both.turn_bad()
        bad_at = time.time()
        time.sleep(_AWAY_SECONDS)
        stage.database.start()
        both.bad.wait_sealed(seconds=_PATIENCE_SECONDS)
        sealed_after = time.time() - bad_at
        ended = both.ended()
    return {**ended, "ended_with_it": ended_with_it, "sealed_after": sealed_after}


def triggerer_killed(stage: Stage) -> dict[str, Any]:
    """The triggerer is killed in mid-gate and started again; one canary turns bad meanwhile."""
    with pair(stage.scene) as both:
        stage.lab.airflow.kill("triggerer")
        both.turn_bad()
        stage.lab.airflow.start("triggerer")
        return both.ended()


def promote_killed(stage: Stage) -> dict[str, Any]:
    """The worker's task is killed in `promote` just after its write."""
    return promote_killed_after(stage.scene("promote-killed"))


ACTS: dict[str, Callable[[Stage], dict[str, Any]]] = {
    "database-restarted": database_restarted,
    "triggerer-killed-on-postgres": triggerer_killed,
    "promote-killed-on-postgres": promote_killed,
}

"""What befalls releases whose Airflow keeps its records in a PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from postgres_lab import PostgresStage
from shared import pair

__all__ = ["ACTS"]

# A database that fails over to its replica is away for about as long.
_AWAY_SECONDS = 5.0

_PATIENCE_SECONDS = 120.0


def database_restarted(stage: PostgresStage) -> dict[str, Any]:
    """The database is away for some seconds in mid-gate; one canary turns bad meanwhile."""
    with pair(stage) as both, stage.supervised() as ended_with_it:
        stage.database.stop()
        both.turn_bad()
        bad_at = time.time()
        time.sleep(_AWAY_SECONDS)
        stage.database.start()
        both.bad.wait_sealed(seconds=_PATIENCE_SECONDS)
        sealed_after = time.time() - bad_at
        ended = both.ended()
    return {**ended, "ended_with_it": ended_with_it, "sealed_after": sealed_after}


ACTS: dict[str, Callable[[PostgresStage], dict[str, Any]]] = {
    "database-restarted": database_restarted,
}

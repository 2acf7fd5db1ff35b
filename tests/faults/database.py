"""What befalls releases whose Airflow keeps its records in a PostgreSQL."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

from postgres_lab import PostgresStage
from shared import pair, second_triggerer

__all__ = ["ACTS"]

# A database that fails over to its replica is away for about as long.
_AWAY_SECONDS = 5.0

_PATIENCE_SECONDS = 120.0
_A_WRITE_SECONDS = 0.2


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


def triggerer_stopped(stage: PostgresStage) -> dict[str, Any]:
    """A triggerer sleeps past its threshold, another takes over, then it wakes up again.

    Here, since SQLite gives a later trigger the number of one that has ended: the sleeper's last
    word of the one would be taken for the other's.
    """
    with pair(stage) as both, second_triggerer(stage.lab):
        after = both.good.next_version()
        stop_between_writes(stage)
        try:
            both.turn_bad()
            ended = both.ended()
            # The release after it is in its gate when the sleeper wakes.
            after_run = both.bad.given_good(after)
        finally:
            stage.lab.airflow.child("triggerer").send_signal(signal.SIGCONT, whole_session=True)
        return {**ended, "after": both.bad.over(after_run), "after_version": after}


def stop_between_writes(stage: PostgresStage) -> None:
    """Stop the triggerer while none of its transactions is open.

    Asleep with the lock of a row, it would hold up its successor: another fault than this one.
    """
    triggerer = stage.lab.airflow.child("triggerer")
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        triggerer.send_signal(signal.SIGSTOP, whole_session=True)
        if not stage.database.is_held_by(stage.lab.airflow.pids("triggerer")):
            return
        triggerer.send_signal(signal.SIGCONT, whole_session=True)
        assert time.monotonic() < end, "the triggerer is always in a transaction"
        time.sleep(_A_WRITE_SECONDS)


ACTS: dict[str, Callable[[PostgresStage], dict[str, Any]]] = {
    "database-restarted": database_restarted,
    "triggerer-stopped": triggerer_stopped,
}

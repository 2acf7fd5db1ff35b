"""Release one version after the other on a lab and keep what the clients saw of it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.watch import read_record
from airflow_rollout.demo.answers import Answer, AnswerTail
from airflow_rollout.demo.lab import Lab
from airflow_rollout.demo.processes import LabError, wait_until
from airflow_rollout.errors import RolloutError
from airflow_rollout.record import ReleaseRecord
from airflow_rollout.release import Outcome
from benchmarks.releases.cases import GOOD, SERVICE, TOLD, Case
from benchmarks.releases.measured import Played, is_as_expected

__all__ = ["DAGS", "Stage"]

DAGS = Path(__file__).parents[2] / "dags"

# Between two releases: the slowest answers of the one before come in and are its own.
_SETTLE_SECONDS = 1.5
# Requests before the first release: connections are open and the router's counters are there.
_WARM_SECONDS = 5.0
_FIRST_ANSWERS_SECONDS = 20.0
_SAFE_SECONDS = 60.0
_LOG_LINES = 40


class Stage:
    """The service, its stable version and its users.

    :param patience_seconds: how long a release may take before it is given up and put back.
    """

    def __init__(self, lab: Lab, *, rate: float, patience_seconds: float) -> None:
        self._lab = lab
        self._rate = rate
        self._patience_seconds = patience_seconds
        self._tail: AnswerTail = lab.answer_tail(SERVICE)
        self._stable = "v1"
        self._numbers: dict[str, int] = {}
        self.answers: list[Answer] = []
        self.loaded_since = 0.0

    def open(self) -> None:
        """Release the first version and let its users come."""
        for rollout in (SERVICE, TOLD.rollout):
            self._lab.airflow.wait_for_dag(rollout)
        url = self._lab.start_version(SERVICE, self._stable)
        run = self._lab.release(SERVICE, self._stable, url, interval=GOOD.interval)
        run, record = self._lab.wait_release(run, timeout_seconds=self._patience_seconds)
        if record is None or record.outcome is not Outcome.PROMOTED:
            reason = record.reason if record else f"its run ended as {run.state}"
            raise LabError(f"the first version was not promoted: {reason}")
        self.loaded_since = time.time()
        self._lab.start_load(SERVICE, rate=self._rate)
        wait_until(
            self._is_answered, what="answer to a user", timeout_seconds=_FIRST_ANSWERS_SECONDS
        )
        time.sleep(_WARM_SECONDS)

    def play(self, case: Case) -> Played:
        """Release the next version of this kind, see it end, and end the version that lost."""
        number = self._numbers[case.name] = self._numbers.get(case.name, 0) + 1
        version = f"{case.name}-{number:02d}"
        faults = {**case.faults, **({"seed": number} if case.is_random else {})}
        url = self._lab.start_version(SERVICE, version, **faults)
        played = Played(case=case, version=version, since=time.time())
        try:
            run = self._lab.release(case.rollout, version, url, interval=case.interval)
        except RolloutError as error:
            played, run = replace(played, trouble=f"not started: {error}"), None
        if run is not None:
            played = self._seen_to_end(played, run)
        if run is not None and not is_as_expected(played):
            played = replace(played, logs=self._logs(run))
        time.sleep(_SETTLE_SECONDS)
        self.collect()
        self._end_loser(played)
        return played

    def collect(self) -> None:
        """Take in what the clients have seen since the last time."""
        self.answers += self._tail.read_new()

    def _seen_to_end(self, played: Played, run: DagRun) -> Played:
        trouble = ""
        try:
            run, record = self._lab.wait_release(run, timeout_seconds=self._patience_seconds)
        except TimeoutError as error:
            trouble = str(error)
            run, record = self._give_up(run)
        return replace(played, run=run, record=record, trouble=trouble)

    def _give_up(self, run: DagRun) -> tuple[DagRun, ReleaseRecord | None]:
        """Have a release that does not end put back, so that the next one can begin."""
        api = self._lab.airflow.api
        run = api.set_run_state(run.dag_id, run.run_id, "failed", note="given up by the benchmark")
        wait_until(
            lambda: self._lab.live_weight(SERVICE) == 0,
            what=f"way back of {run.run_id}",
            timeout_seconds=_SAFE_SECONDS,
        )
        return run, read_record(api, run.dag_id, run.run_id)

    def _logs(self, run: DagRun) -> dict[str, str]:
        """Return how the logs of the failed tasks end: the lab and its logs are gone afterwards."""
        api = self._lab.airflow.api
        logs = {}
        for task in api.task_instances(run.dag_id, run.run_id):
            if task.state == "failed":
                with contextlib.suppress(RolloutError):
                    text = api.task_log(
                        run.dag_id, run.run_id, task.task_id, try_number=task.try_number
                    )
                    logs[task.task_id] = "\n".join(text.splitlines()[-_LOG_LINES:])
        return logs

    def _end_loser(self, played: Played) -> None:
        promoted = played.record is not None and played.record.outcome is Outcome.PROMOTED
        loser = played.version
        if promoted:
            loser, self._stable = self._stable, played.version
        self._lab.stop_version(SERVICE, loser)
        if promoted and played.case is not GOOD:
            # Compared with a bad stable version every later figure would flatter.
            raise LabError(f"the bad version {played.version} was promoted; measuring ends here")

    def _is_answered(self) -> bool:
        self.collect()
        return any(answer.version == self._stable for answer in self.answers)

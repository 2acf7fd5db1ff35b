"""Release one version on the lab, as CI would, and show it until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import quote

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.cli.release import start_release
from airflow_rollout.cli.watch import ReleaseWatch
from airflow_rollout.demo.airflow import AirflowLab
from airflow_rollout.demo.answers import Answer, AnswerTail
from airflow_rollout.demo.example import DemoVersion, Story
from airflow_rollout.demo.live_view import ReleaseNow
from airflow_rollout.demo.poller import ReleasePoller, Seen
from airflow_rollout.demo.processes import LabError
from airflow_rollout.demo.recent import RecentAnswers
from airflow_rollout.demo.result import ReleaseResult, result_of
from airflow_rollout.demo.screen import Screen, Update
from airflow_rollout.errors import RolloutError
from airflow_rollout.release import Outcome

__all__ = ["Offer", "ReleaseLab", "Releaser"]

# A release of the demo takes less than a minute on two free cores, and took more than three where
# a dozen others shared them. One that hangs must not keep a newcomer, or CI, for much longer.
_RELEASE_SECONDS = 300.0
_FRAME_SECONDS = 0.25
# As in `hooks.links`, which would load Airflow with whatever settings this user has for it.
_PAGE_PREFIX = "/rollout/record"


class ReleaseLab(Protocol):
    """Where versions are released, under the load of users."""

    @property
    def airflow(self) -> AirflowLab:
        """Return the Airflow."""
        ...

    def check_running(self) -> None:
        """Raise `LabError` if a part of the lab has died."""
        ...

    def answer_tail(self, service: str) -> AnswerTail:
        """Return a reader of what the service's users were answered."""
        ...

    def live_weight(self, service: str) -> int | None:
        """Return the canary's percent now; `OSError` when it cannot be asked."""
        ...


Offer = Callable[[DemoVersion, str], dict[str, Any]]
"""Make a version ready to be released beside a stable one, and return the release's conf."""


class Releaser:
    """Release versions one after the other and know what users saw meanwhile.

    :param stable: the version that serves before the first release, empty where none does.
    :param seconds: how long a release may take.
    """

    def __init__(
        self,
        lab: ReleaseLab,
        screen: Screen,
        story: Story,
        offer: Offer,
        *,
        stable: str = "",
        seconds: float = _RELEASE_SECONDS,
    ) -> None:
        self._lab = lab
        self._screen = screen
        self._story = story
        self._offer = offer
        self._stable = stable
        self._seconds = seconds
        self._tail: AnswerTail = lab.answer_tail(story.rollout)
        self._recent = RecentAnswers()
        self._answers: list[Answer] = []
        self._weight: int | None = None

    def release(self, version: DemoVersion) -> ReleaseResult:
        """Release a version and return what came of it.

        :raises LabError: the release did not end in time.
        """
        conf = self._offer(version, self._stable)
        since = time.time()
        # The Airflow is as new as the demo, so the shortest id is free; with it the address of
        # the release's page fits into one line.
        run = start_release(
            self._lab.airflow.api, self._story.rollout, conf, run_id=f"release-{version.name}"
        )  # fmt: skip
        poller = ReleasePoller(ReleaseWatch(self._lab.airflow.api, run.dag_id, run.run_id))
        poller.start()
        try:
            with self._screen.watching() as update:
                seen = self._watch(version, poller, update)
        except TimeoutError:
            raise LabError(self._hanging(version, run)) from None
        finally:
            poller.stop()
        result = self._result(version, seen, since)
        if result.outcome is Outcome.PROMOTED:
            self._stable = version.name
        return result

    def _watch(self, version: DemoVersion, poller: ReleasePoller, update: Update) -> Seen:
        began = time.monotonic()
        while True:
            self._lab.check_running()
            seen = poller.seen()
            update(self._now(version, seen, time.monotonic() - began))
            if seen.has_ended:
                return seen
            if time.monotonic() - began > self._seconds:
                raise TimeoutError
            time.sleep(_FRAME_SECONDS)

    def _now(self, version: DemoVersion, seen: Seen, seconds: float) -> ReleaseNow:
        fresh = self._tail.read_new()
        self._answers.extend(fresh)
        self._recent.add(fresh)
        arms = self._recent.arms(*filter(None, (self._stable, version.name)), now=time.time())
        return ReleaseNow(
            version=version,
            seconds=seconds,
            weight=self._live_weight(),
            stable=arms[0] if self._stable else None,
            canary=arms[-1],
            gates=tuple(seen.record.gates) if seen.record else (),
            lines=seen.lines,
        )

    def _live_weight(self) -> int | None:
        # Without an answer the last one stands: that the router is in trouble the gate says.
        with suppress(OSError):
            self._weight = self._lab.live_weight(self._story.rollout)
        return self._weight

    def _result(self, version: DemoVersion, seen: Seen, since: float) -> ReleaseResult:
        run = seen.run
        if run is None:
            raise LabError(f"the run of {version.name} ended without a word")
        place = "/".join(quote(name, safe="") for name in (run.dag_id, run.run_id))
        return result_of(
            version,
            run,
            seen.record,
            self._answers,
            since=since,
            url=f"{self._lab.airflow.url}{_PAGE_PREFIX}/{place}",
            rules=self._story.rules,
        )

    def _hanging(self, version: DemoVersion, run: DagRun) -> str:
        text = f"{version.name} has not ended after {self._seconds:g} s"
        try:
            states = self._lab.airflow.api.task_states(run.dag_id, run.run_id)
        except RolloutError as error:
            return f"{text}; Airflow does not say why: {error}"
        begun = [
            f"{task} is {state}"
            for task, state in states.items()
            if state and state not in {"success", "failed", "skipped", "upstream_failed"}
        ]
        return f"{text}; {', '.join(begun) or 'no task runs'}"

"""Preflight, then open the release at weight 0."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from airflow_rollout.analysis.budget import is_compared
from airflow_rollout.analysis.checks import unit_of
from airflow_rollout.analysis.parameters import Mode
from airflow_rollout.errors import (
    PermanentAdapterError,
    ReleaseBusy,
    RolloutError,
    SpecError,
    TransientAdapterError,
)
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.moves import Move, open_release
from airflow_rollout.hooks.preflight import Finding, look
from airflow_rollout.hooks.systems import Systems, open_systems
from airflow_rollout.hooks.watched import who_watches
from airflow_rollout.hooks.way_back import go_back
from airflow_rollout.late import record
from airflow_rollout.operators.base import ReleaseOperator, owner_of, run_async
from airflow_rollout.operators.causes import task_states
from airflow_rollout.plan import make_plan
from airflow_rollout.release import Arm, Token, describe
from airflow_rollout.spec.durations import parse_duration
from airflow_rollout.spec.model import OnBusy, RolloutSpec
from airflow_rollout.traffic.base import Feature

__all__ = ["PrepareReleaseOperator"]

# How far preflight's reads look back: far enough for the slowest scrape in use.
_LOOKBACK_SECONDS = 120.0

# What says whether to skip the analysis, and not why.
_NO_REASONS = frozenset({"true", "false", "yes", "no", "none"})


class PrepareReleaseOperator(ReleaseOperator):
    """Check that everything answers, lower to weight 0 and open the release.

    While another release of the service is open it waits, or refuses (`on_busy`). A cleared run
    comes through here again and gets a new epoch, with which no task of the earlier attempt can
    write.

    :param spec: how the service is released.
    :param version: the new version's name (templated)
    :param target: where it serves: a URL or an image, as the workload wants it (templated)
    :param interval: overrides the spec's interval, for example ``5s``; empty: not (templated)
    :param dispersion: overrides the spec's dispersion; empty: not (templated)
    :param skip_analysis: why nobody judges this release (a hotfix), every gate passes at once;
        empty: it is judged (templated)
    :param group: tells the rollouts of one DAG apart.
    :param way_back_task_ids: tasks that put traffic back; once one of them has begun in this run,
        nothing may be opened in it any more.
    """

    template_fields: Sequence[str] = (
        "version", "target", "interval", "dispersion", "skip_analysis",
    )  # fmt: skip

    def __init__(
        self,
        *,
        spec: RolloutSpec,
        version: str,
        target: str,
        interval: str = "",
        dispersion: str = "",
        skip_analysis: str = "",
        group: str = "",
        way_back_task_ids: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hold(spec)
        self.way_back_task_ids = tuple(way_back_task_ids)
        self.version = version
        self.target = target
        self.interval = interval
        self.dispersion = dispersion
        self.skip_analysis = skip_analysis
        self.group = group

    def execute(self, context: Context) -> None:
        """Open the release; what is wrong ends the run before any traffic moves."""
        self._begin(context)

    def _begin(self, context: Context) -> str:
        """Open the release and return its epoch; waits or raises where it cannot."""
        try:
            interval, dispersion = self._overrides()
            unjudged = self._unjudged()
            spec = self.spec.overridden(interval_seconds=interval, dispersion=dispersion)
            attempt, move, found, advice = run_async(self._open(context, spec, not unjudged))
            self._end_if_over(context)
        except ReleaseBusy as error:
            self._wait_for_turn(context, error)
        except (PermanentAdapterError, SpecError) as error:
            self.tell(context, f"refused: {error}")
            raise AirflowFailException(str(error)) from error
        except RolloutError as error:
            self.tell(context, f"not opened: {error}")
            raise
        attempt = replace(
            attempt,
            stable=move.split.stable if move.split else None,
            interval_seconds=interval,
            dispersion=dispersion,
            unjudged=unjudged,
        )
        self.push(context, record.Key.ATTEMPT, attempt)
        self.push(context, record.Key.OUTLINE, _outline(spec, attempt, found))
        self.tell(
            context, f"release {move.reason}: {describe(move.split)}", epoch=attempt.token.epoch
        )
        if unjudged:
            self.tell(context, f"analysis is skipped: {unjudged}", epoch=attempt.token.epoch)
        for text in advice:
            self.tell(context, text, epoch=attempt.token.epoch)
        for one in found:
            if not one.ok and attempt.stable is not None:
                text = f"metric {one.metric}: {one.text}"
                self.tell(context, text, epoch=attempt.token.epoch)
        return attempt.token.epoch

    def _end_if_over(self, context: Context) -> None:
        """Seal what was just opened if this run has gone back before.

        A later task that is marked in the UI lets the way back run while this one still waits or
        works. It found nothing of this run's then, and it runs only once. Asked after the open:
        a way back that begins later finds what is open.

        :raises PermanentAdapterError: it was sealed.
        """
        try:
            states = task_states(context)
        except Exception:
            # In doubt nothing stays open; the next try opens it again.
            self._seal(context, "Airflow does not say whether this run goes back already")
            raise
        begun = [task for task in self.way_back_task_ids if states.get(task)]
        if begun:
            reason = f"{begun[0]} of this run has begun before the release was opened"
            self._seal(context, reason)
            raise PermanentAdapterError(f"{reason}; clear the run to try again", system="airflow")

    def _seal(self, context: Context, reason: str) -> None:
        owner = owner_of(context, self.group)

        async def seal() -> None:
            async with open_systems(self.spec, airflow_connections()) as systems:
                await go_back(systems, owner=owner, reason=reason)

        run_async(seal())

    def resume(
        self,
        context: Context,
        event: Any = None,  # noqa: ARG002 - Airflow's signature
        *,
        busy: str = "",
        since: float = 0.0,
    ) -> None:
        """Ask the fence again when it is this release's turn.

        :param busy: for whom it waited.
        :param since: from when on, in epoch seconds.
        """
        waited = time.time() - since
        epoch = self._begin(context)
        # The line that it began to wait with is gone: this is another process.
        if busy:
            self.tell(context, f"had waited {waited:.0f} s for its turn: {busy}", epoch=epoch)

    def _wait_for_turn(self, context: Context, busy: ReleaseBusy) -> NoReturn:
        """Wait in the triggerer until the other release has ended, or refuse at once."""
        if self.spec.on_busy is OnBusy.REFUSE:
            self.tell(context, f"refused: {busy.reason}")
            raise AirflowFailException(str(busy)) from busy
        # Only a release that has to wait pays for this import.
        from airflow_rollout.triggers.turn import TurnTrigger

        self.tell(context, f"waits for its turn: {busy.reason}")
        owner = owner_of(context, self.group)
        trigger = TurnTrigger(spec=self.spec.to_builtins(), owner=owner)
        waits = {"busy": busy.reason, "since": time.time()}
        self.defer(trigger=trigger, method_name="resume", kwargs=waits)

    def _overrides(self) -> tuple[float | None, float | None]:
        for name in self.template_fields:
            if "{{" in str(getattr(self, name)):
                raise SpecError("was not rendered", path=name, found=getattr(self, name))
        for name in ("version", "target"):
            if not isinstance(getattr(self, name), str):
                # `render_template_as_native_obj` makes the number 1.1 of the version 1.10.
                raise SpecError(
                    "is no text", path=name, found=getattr(self, name),
                    allowed="a DAG without render_template_as_native_obj",
                )  # fmt: skip
            if not getattr(self, name).strip():
                raise SpecError("is empty", path=name, allowed="the value this release brings")
        interval = parse_duration(self.interval, path="interval") if self.interval else None
        return interval, _number(self.dispersion, "dispersion")

    def _unjudged(self) -> str:
        """Return why nobody judges this release, empty if it is judged."""
        reason = " ".join(str(self.skip_analysis or "").split())
        if reason.lower() in _NO_REASONS:
            raise SpecError("is no reason", path="skip_analysis", found=reason, allowed="why")
        return reason

    async def _open(
        self, context: Context, spec: RolloutSpec, is_judged: bool
    ) -> tuple[record.Attempt, Move, list[Finding], list[str]]:
        """Return what was opened, how, what the metrics say, and what a person should know."""
        now = time.time()
        owner = owner_of(context, self.group)
        token = Token(
            epoch=uuid.uuid4().hex,
            owner=owner,
            digest=self.spec.digest(),
            # Goes on counting when the run is cleared.
            attempt=context["ti"].try_number,
        )
        canary = Arm(version=str(self.version), target=str(self.target))
        async with open_systems(spec, airflow_connections()) as systems:
            found, advice = await _preflight(systems, spec, is_judged=is_judged)
            try:
                move = await open_release(
                    systems, service=spec.traffic.service, token=token, canary=canary
                )
            except ReleaseBusy as busy:
                raise await _with_watcher(systems, busy) from busy
        attempt = record.Attempt(token=token, canary=canary, stable=None, opened_at=now)
        return attempt, move, found, advice


async def _with_watcher(systems: Systems, busy: ReleaseBusy) -> ReleaseBusy:
    """Add whether somebody still watches the other release: if not, a person has to end it."""
    found = await systems.read_split()
    watched = (await who_watches(systems, found)).text if found is not None else ""
    reason = f"{busy.reason} ({watched})" if watched else busy.reason
    return ReleaseBusy(reason, found=busy.found, wanted=busy.wanted)


async def _preflight(
    systems: Systems, spec: RolloutSpec, *, is_judged: bool
) -> tuple[list[Finding], list[str]]:
    """Raise the first thing that would stop the release later anyway.

    Return what the metrics say, and what a person should know of router and workload. A metric
    that answers and has nothing of the stable version yet is no fault: it may be little traffic.
    But a wrong name looks the same, and a step without numbers never passes. Where nobody judges
    nothing is asked: a hotfix must not wait for a metric system that is down too.
    """
    if Feature.WEIGHTS not in systems.router.features:
        raise PermanentAdapterError("cannot split by weight", system=spec.traffic.router)
    advice = await systems.preflight([step.weight for step in make_plan(spec).steps])
    findings = []
    for metric in spec.judge.metrics if is_judged else ():
        (one,) = await look(systems, [metric], seconds=_LOOKBACK_SECONDS, pause_seconds=None)
        if one.transient is not None:
            kind = TransientAdapterError if one.transient else PermanentAdapterError
            raise kind(f"metric {one.metric} {one.text}", system=spec.source.provider)
        findings.append(one)
    return findings, advice


def _outline(spec: RolloutSpec, attempt: record.Attempt, found: Sequence[Finding]) -> Any:
    # A DAG file that is only parsed does without.
    from airflow_rollout.seen import Outline, OutlinedMetric

    asked = {one.metric: one.asked for one in found}
    judge = spec.judge
    return Outline(
        epoch=attempt.token.epoch,
        service=spec.name,
        namespace=spec.namespace,
        steps=make_plan(spec).steps,
        metrics=tuple(
            OutlinedMetric(
                name=metric.name,
                question=metric.question.value,
                minimum=metric.threshold.minimum if metric.threshold else None,
                maximum=metric.threshold.maximum if metric.threshold else None,
                compared=is_compared(metric, judge),
                observed_only=metric.mode is Mode.OBSERVE,
                unit=unit_of(metric, judge),
                asked=asked.get(metric.name, ()),
            )
            for metric in judge.metrics
        ),
        min_requests=judge.min_requests,
        provider=spec.source.provider,
        observes=judge.mode is Mode.OBSERVE,
    )


def _number(text: str, path: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise SpecError("is not a number", path=path, found=text, allowed="1 or more") from error
    if not value >= 1:
        raise SpecError("is too small", path=path, found=text, allowed="1 or more")
    return value

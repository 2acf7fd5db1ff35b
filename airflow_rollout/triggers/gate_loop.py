"""The loop of a gate: measure, probe and watch side by side, judge, and act on the verdict.

The three askers run as tasks of their own, so that a source that never answers holds up neither
the probes nor the deadline. They feed the judge and ring a bell; the loop asks the judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from airflow_rollout.analysis.judge import Judge, StepContext
from airflow_rollout.analysis.parameters import Metric, Mode
from airflow_rollout.analysis.readings import ReadFailure
from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.plan import PlannedStep
from airflow_rollout.record import Checkpoint, GatePiece, StepStart
from airflow_rollout.seen import Answer, SeriesPiece
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.effect_watch import EffectWatch
from airflow_rollout.triggers.endings import finished, passed, stopped_by
from airflow_rollout.triggers.own_delay import LATE_SECONDS, with_own_delay
from airflow_rollout.triggers.pace import CROWD, asked_together, next_moment, read_window
from airflow_rollout.triggers.rounds import Next, Rounds
from airflow_rollout.triggers.series import Series
from airflow_rollout.triggers.stable_watch import StableWatch
from airflow_rollout.triggers.traffic_watch import (
    LEASE_SECONDS,
    LONGEST_LEASE_SECONDS,
    LONGEST_WATCH_SECONDS,
    WATCH_SECONDS,
    TrafficWatch,
    Unconfirmed,
)

__all__ = ["GateLoop", "Notebook", "context_of"]

# The gate's state goes to Airflow at most this often; a restarted gate repeats no interval, since
# counters are cumulative, it only has fewer of them.
CHECKPOINT_SECONDS = 5.0

# The bell rings when something was fed; without it the judge is asked this often, for the clock. A
# gate of a slow source, of which a triggerer may hold a thousand, can do with a tenth of its pace.
_TICK_SECONDS = 0.5
_LONGEST_TICK_SECONDS = 2.0
_TICKS_AN_ANSWER = 10
_LONGEST_CROWD_TICK_SECONDS = 5.0

# A loop that ticks every five seconds at least and did not for this long: its process was stopped.
_SUSPENDED_SECONDS = 10.0
_LOOK_AROUND_SECONDS = 5.0

# Two failed probes in a row stop a release: often enough that a crash is known within seconds.
_PROBE_SECONDS = 1.0

# A gate may start long after its first check is due (moved to another triggerer, or a short
# interval): it waits this long for a first answer, so that the check does not look at old numbers.
_FIRST_ANSWER_SECONDS = 3.0

# The saver looks this often whether something is due.
_SAVE_SECONDS = 1.0

# Saving never delays a verdict for longer than this.
_SAVE_TIMEOUT_SECONDS = 10.0


class Notebook(Protocol):
    """Where a gate writes what it knows."""

    async def save_gate(self, piece: GatePiece) -> None:
        """Keep what the gate says now."""
        ...

    async def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep the judge's state."""
        ...

    async def save_series(self, number: int, piece: SeriesPiece) -> None:
        """Keep a part of what was seen."""
        ...

    def say(self, text: str) -> None:
        """Write a line to the task's log."""
        ...


def context_of(step: PlannedStep, start: StepStart) -> StepContext:
    """Return the judge's view of a step."""
    return StepContext(
        step_id=step.id,
        weight=step.weight,
        written_at=start.written_at,
        hold_seconds=step.hold_seconds,
        deadline_seconds=step.deadline_seconds,
        release_started_at=start.release_started_at,
    )


@dataclass(kw_only=True)
class _Saved:
    checkpoint_at: float = float("-inf")
    piece_at: float = float("-inf")


class GateLoop:
    """Judge one step until it passes or the release has to stop.

    :param watch: None for a gate that guards no traffic: it only judges.
    :param state: the judge's state to go on from, None to begin.
    :param live_seconds: how often the piece for readers is saved while the gate holds.
    """

    def __init__(
        self,
        *,
        systems: Systems,
        spec: RolloutSpec,
        step: PlannedStep,
        start: StepStart,
        state: dict[str, Any] | None,
        watch: TrafficWatch | None,
        notebook: Notebook,
        clock: Clock,
        live_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self._systems = systems
        self._spec = spec
        self._step = step
        self._start = start
        self._watch = watch
        self._notebook = notebook
        self._clock = clock
        self._live_seconds = live_seconds
        self._judge = Judge(spec.judge, context_of(step, start), state)
        self._stable = StableWatch(systems, start.attempt.stable, clock)
        self._effect = EffectWatch(spec, start, self._judge)
        self._rounds = Rounds(
            owner=f"{start.attempt.token.epoch} {step.id}", clock=clock, say=notebook.say
        )
        self._bell = asyncio.Event()
        pace = spec.source.every_seconds / _TICKS_AN_ANSWER
        self._tick_seconds = max(_TICK_SECONDS, min(pace, _LONGEST_TICK_SECONDS))
        self._fault = ""
        self._fed = False
        self._latest: Judgement | None = None
        self._saved = _Saved()
        self._series = Series.of(spec, start, clock.now())
        self._asked_together = asked_together(spec)
        self._answers: dict[str, Answer] = {}
        self._answered = {metric.name: start.written_at for metric in spec.judge.metrics}

    async def run(self) -> GatePiece:
        """Return the gate's last word; traffic is safe by then, or the piece says why not."""
        if self._start.unjudged:
            return await self._end(passed(self._start.unjudged, at=self._clock.now()))
        with CROWD.joined():
            askers = [asyncio.create_task(asker) for asker in self._askers()]
            try:
                return await self._end(await self._judge_until_end())
            finally:
                for asker in askers:
                    asker.cancel()
                await asyncio.gather(*askers, return_exceptions=True)

    def _askers(self) -> list[Coroutine[Any, Any, None]]:
        repeat = self._rounds.repeat
        probe_seconds = min(_PROBE_SECONDS, self._spec.source.every_seconds)
        askers = [
            repeat(self._save, min(_SAVE_SECONDS, self._live_seconds)),
            self._measure_all(),
            repeat(self._probe, probe_seconds),
        ]
        if self._watch is not None:
            askers += [
                repeat(self._stable.probe, _PROBE_SECONDS),
                repeat(self._look, WATCH_SECONDS, longest_seconds=LONGEST_WATCH_SECONDS),
                repeat(self._watch.renew, LEASE_SECONDS, longest_seconds=LONGEST_LEASE_SECONDS),
            ]
        return askers

    async def _measure_all(self) -> None:
        """Ask for every metric at once, and from then on for each at its own moments."""
        first = partial(self._measure, self._spec.judge.metrics, self._clock.now())
        await self._rounds.attempt(first, "measure")
        groups = self._asked_together.items()
        await asyncio.gather(*(self._measure_at(place, metrics) for place, metrics in groups))

    async def _measure_at(self, place: float, metrics: Sequence[Metric]) -> None:
        every = self._spec.source.every_seconds
        after = self._clock.now()
        while True:
            moment = next_moment(after, every_seconds=every, place=place)
            await asyncio.sleep(moment - self._clock.now())
            # Where the moment was missed by far (a process that was stopped), nobody shares it.
            late = self._clock.now() - moment
            end = moment if late < every else moment + late
            await self._rounds.attempt(partial(self._measure, metrics, end), "measure")
            # A timer may fire a hair early: the same moment is not the next one.
            after = max(self._clock.now(), moment + every / 2)

    async def _measure(self, metrics: Sequence[Metric], end: float) -> None:
        """Feed the judge with what the source knows up to `end`."""
        answered = (self._answered[metric.name] for metric in metrics)
        since = min(answered, default=self._start.written_at)
        window = read_window(self._start.attempt.opened_at, since, end)
        for measured in await self._systems.measure(metrics, window):
            self._judge.feed(measured.metric, measured.reading)
            self._answers[measured.metric] = measured.answer()
            if not isinstance(measured.reading, ReadFailure):
                self._answered[measured.metric] = end
        self._effect.look()
        self._fed = True
        self._bell.set()

    async def _probe(self) -> Next:
        arm = self._start.attempt.canary
        probe, late = await with_own_delay(self._systems.probe(arm, self._clock.now()))
        if not probe.ok and not probe.fatal and late > LATE_SECONDS:
            self._notebook.say(f"a probe does not count: this process was {late:.1f} s late")
            return Next.LATER
        self._judge.feed_probe(probe)
        if probe.ok:
            return Next.STEADY
        self._bell.set()
        return Next.SOON

    async def _look(self) -> None:
        if self._watch is None:
            return
        try:
            self._fault = await self._watch.look()
            if self._fault:
                self._bell.set()
        except Unconfirmed as doubt:
            self._notebook.say(f"the split is not confirmed: {doubt}")

    async def _judge_until_end(self) -> Judgement:
        patience = self._clock.now() + _FIRST_ANSWER_SECONDS
        last = self._clock.now()
        while True:
            slept = self._clock.now() - last
            if slept > _SUSPENDED_SECONDS:
                await self._wake_up(slept)
                patience = self._clock.now() + _FIRST_ANSWER_SECONDS
            last = self._clock.now()
            if self._fed or self._fault or self._clock.now() >= patience:
                judgement = self._assess()
                self._series.note(judgement)
                if judgement.ends and judgement.verdict is Verdict.PASS:
                    judgement = await self._confirmed(judgement)
                if judgement.ends:
                    return judgement
                self._latest = judgement
            self._bell.clear()
            try:
                await asyncio.wait_for(self._bell.wait(), self._pause())
            except TimeoutError:
                continue

    def _pause(self) -> float:
        return CROWD.stretched(self._tick_seconds, longest_seconds=_LONGEST_CROWD_TICK_SECONDS)

    async def _wake_up(self, slept: float) -> None:
        """Let others go first after this process was stopped: another one may judge by now.

        Airflow cancels a trigger that was given away a second or two after its process goes on.
        """
        self._notebook.say(f"was stopped for {slept:.0f} s; looks around before it judges")
        self._fed = False
        await asyncio.sleep(_LOOK_AROUND_SECONDS)

    def _assess(self) -> Judgement:
        judgement = self._judge.assess(self._clock.now())
        if self._fault:
            return stopped_by(f"split: {self._fault}", judgement)
        if not judgement.ends and (fault := self._effect_fault()):
            return stopped_by(f"split: {fault}", judgement)
        if self._stable.fault and not judgement.ends:
            return replace(judgement, reason=f"{judgement.reason}; {self._stable.fault}")
        return judgement

    def _effect_fault(self) -> str:
        """Return why requests do not go where this step put them; who guards none has no say."""
        return self._effect.fault(self._clock.now()) if self._watch else ""

    async def _confirmed(self, judgement: Judgement) -> Judgement:
        """Let a PASS through only if this gate has measured and the split is its own."""
        if not self._fed and self._spec.judge.mode is Mode.ACT:
            return self._wait_or_stop("the metric source has not answered this gate", judgement)
        if self._watch is None:
            return judgement
        if self._stable.fault and self._spec.judge.mode is Mode.ACT:
            return self._wait_or_stop(self._stable.fault, judgement)
        try:
            fault = await self._watch.confirm()
        except Unconfirmed as doubt:
            return self._wait_or_stop(f"the split could not be confirmed: {doubt}", judgement)
        if fault := fault or self._effect_fault():
            return stopped_by(f"split: {fault}", judgement)
        if self._effect.doubt:
            return self._wait_or_stop(self._effect.doubt, judgement)
        return replace(judgement, reason=f"{judgement.reason}; {self._effect.words}")

    def _wait_or_stop(self, doubt: str, judgement: Judgement) -> Judgement:
        """Hold a PASS back while something is in doubt; at the deadline doubt ends the release."""
        if self._clock.now() > self._start.written_at + self._step.deadline_seconds:
            return stopped_by(doubt, judgement)
        reason = f"INCONCLUSIVE would pass, but {doubt}"
        return replace(judgement, verdict=Verdict.INCONCLUSIVE, ends=False, reason=reason)

    async def _save(self) -> None:
        judgement, now = self._latest, self._clock.now()
        if judgement is None or not self._fed:
            return
        if now - self._saved.checkpoint_at >= CHECKPOINT_SECONDS:
            self._saved.checkpoint_at = now
            await self._guarded(self._notebook.save_checkpoint(self._checkpoint()))
        if now - self._saved.piece_at >= self._live_seconds:
            self._saved.piece_at = now
            self._notebook.say(judgement.reason)
            await self._save_piece(self._piece(judgement))

    async def _end(self, judgement: Judgement) -> GatePiece:
        self._notebook.say(judgement.reason)
        self._latest = None  # the saver must not overwrite the last word
        # Made once: what is answered while it is saved is no part of the verdict.
        piece = self._piece(judgement)
        if judgement.verdict is Verdict.PASS or self._watch is None:
            await self._save_end(piece)
            return piece
        stopping = asyncio.create_task(self._watch.stop(judgement.reason))
        saving = asyncio.create_task(self._save_end(piece))
        stop = await finished(stopping)
        await asyncio.shield(saving)
        piece = replace(piece, stop=stop)
        await self._save_piece(piece)
        return piece

    async def _save_end(self, piece: GatePiece) -> None:
        await self._guarded(self._notebook.save_checkpoint(self._checkpoint()))
        await self._save_piece(piece)

    async def _save_piece(self, piece: GatePiece) -> None:
        """Save what the gate says; what it saw only while Airflow takes that at once."""
        if await self._guarded(self._notebook.save_gate(piece)):
            for number, part in self._series.unsaved():
                await self._guarded(self._notebook.save_series(number, part))

    async def _guarded(self, saving: Awaitable[None]) -> bool:
        """Save and say whether it worked, but let no trouble of Airflow's hold up or end a gate.

        A save that takes too long is left running, not cancelled: half a question to Airflow
        would leave its answer for the next one.
        """
        task = asyncio.ensure_future(saving)
        done, _ = await asyncio.wait({task}, timeout=_SAVE_TIMEOUT_SECONDS)
        if not done:
            self._notebook.say(f"Airflow took no record within {_SAVE_TIMEOUT_SECONDS:.0f} s")
        elif task.exception() is not None:
            self._notebook.say(f"could not save: {task.exception()!r}")
        return bool(done) and task.exception() is None

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            epoch=self._start.attempt.token.epoch,
            step_id=self._step.id,
            at=self._clock.now(),
            state=self._judge.state(),
        )

    def _piece(self, judgement: Judgement) -> GatePiece:
        return GatePiece(
            epoch=self._start.attempt.token.epoch,
            step_id=self._step.id,
            weight=self._step.weight,
            written_at=self._start.written_at,
            hold_seconds=self._step.hold_seconds,
            judgement=judgement,
            bad_since=self._series.bad_since,
            answers=tuple(self._answers.values()),
        )

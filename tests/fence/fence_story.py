"""What happens to one service: releases, retries, clears, people, a second Airflow, bad luck.

Every actor runs the product's own moves; here stands only who starts which of them, and when.
A schedule is a string of bytes. The first says how much of a good day comes before it; of the
others each picks the next event among those that are possible, 0 the most ordinary one, so that a
failing schedule shrinks to the few events that matter.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fence_model import LANDING_SECONDS, Actor, At, Flight, Network, Park, Violation
from fence_rules import PLAN, STEPS, Referee

from airflow_rollout.errors import (
    PermanentAdapterError,
    ReleaseBusy,
    RolloutError,
    TransientAdapterError,
)
from airflow_rollout.hooks.moves import (
    Move,
    make_stable,
    open_release,
    persist,
    raise_weight,
    stay,
)
from airflow_rollout.hooks.way_back import go_back
from airflow_rollout.record import Attempt
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.traffic_watch import TrafficWatch, Unconfirmed

__all__ = ["Story", "play"]

_STABLE = Arm(version="v1", target="http://127.0.0.1:1")
_ELSEWHERE = Arm(version="v2", target="http://127.0.0.1:9")

# The releases of the story: owner -> what it brings. The last one comes from another Airflow.
_RELEASES = {
    "shop/first": Arm(version="v2", target="http://127.0.0.1:2"),
    "shop/second": Arm(version="v3", target="http://127.0.0.1:3"),
    "elsewhere/run": Arm(version="v4", target="http://127.0.0.1:4"),
}

_MOST_ATTEMPTS = 3
_MOST_ACTORS = 40

# Bytes from here on are bad luck or somebody's doing, those below are the ordinary course.
_ORDINARY = 210

# How many ordinary events may come before the first choice, so that the last steps of a release
# are disturbed as well.
_LONGEST_PRELUDE = 50

_LONGEST_REST = 5000

Event = Callable[[], None]


class _Clock(Clock):
    def __init__(self, network: Network) -> None:
        self._network = network

    def now(self) -> float:
        return self._network.now


@dataclass
class Story:
    """One service under one schedule."""

    network: Network
    referee: Referee = field(init=False)
    runs: list[Actor] = field(default_factory=list)
    begun: list[tuple[str, Token, Arm, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.referee = Referee(self.network)
        self.timer = self.network.timer()
        self.release("shop/first")

    # --- what Airflow does ---

    def release(self, owner: str) -> None:
        """Start a release, or clear its run: an attempt with a new epoch."""
        attempts = sum(run.owner == owner for run in self.runs)
        epoch = f"{owner}#{attempts + 1}"
        token = Token(epoch=epoch, owner=owner, digest="d", attempt=attempts + 1)
        run = Actor(name=f"run {epoch}", what="run", owner=owner, epoch=epoch)
        self.runs.append(run)
        self.network.start(run, self._run(token, _RELEASES[owner]))

    async def _run(self, token: Token, canary: Arm) -> str:
        try:
            await self._forward(token, canary)
        except ReleaseBusy:
            outcome = "busy"
        except (RolloutError, _Failed):
            outcome = "rolled back"
        else:
            outcome = "promoted"
        if outcome != "promoted":
            await self._surely("back", token, canary)  # rollback
        await self._surely("back", token, canary)  # ensure_safe
        return outcome

    async def _forward(self, token: Token, canary: Arm) -> None:
        await self._task("open", token, canary)
        for step in STEPS:
            await self._task("raise", token, canary, step)
            if not await self._task("gate", token, canary, step):
                raise _Failed
        await self._task("stable", token, canary)

    async def _task(self, what: str, token: Token, canary: Arm, step: str = "") -> Any:
        if not self._is_current(token):
            raise _Failed
        actor = self.begin(what, token, canary, step)
        await Park(At.JOIN, actor=actor)
        if actor.error is not None:
            raise actor.error
        return actor.result

    async def _surely(self, what: str, token: Token, canary: Arm) -> None:
        """Airflow starts these again until they have ended by themselves."""
        while self._is_current(token):
            actor = self.begin(what, token, canary)
            await Park(At.JOIN, actor=actor)
            if actor.error is None:
                return

    def _is_current(self, token: Token) -> bool:
        """After a clear Airflow starts no further task of the earlier attempt."""
        return [run for run in self.runs if run.owner == token.owner][-1].epoch == token.epoch

    def begin(self, what: str, token: Token, canary: Arm, step: str = "") -> Actor:
        """Start a task; the same one may be at work already."""
        number = len(self.network.actors)
        name = f"{what}{number} {step or ''} {token.epoch}"
        actor = Actor(
            name=name, what=what, owner=token.owner, epoch=token.epoch, attempt=token.attempt,
            step=step,
        )  # fmt: skip
        self.begun.append((what, token, canary, step))
        works: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
            "open": self._open, "raise": self._raise, "gate": self._gate,
            "stable": self._stable, "back": self._back,
        }  # fmt: skip
        return self.network.start(actor, works[what](actor, token, canary))

    # --- what its tasks do: the product's own moves ---

    async def _open(self, actor: Actor, token: Token, canary: Arm) -> None:
        await open_release(
            self.network.systems(actor), service="shop", token=token, canary=canary
        )  # fmt: skip

    async def _raise(self, actor: Actor, token: Token, canary: Arm) -> None:
        previous, weight = PLAN[actor.step]
        await raise_weight(
            self.network.systems(actor), token=token, canary=canary, weight=weight,
            previous_weight=previous, step=actor.step, timer=self.timer,
        )  # fmt: skip
        if self.network.conditional and self.referee.reached.get(token.epoch) is None:
            raise Violation(f"{actor.name} said that it raised, and nothing rose")

    async def _gate(self, actor: Actor, token: Token, canary: Arm) -> bool:
        attempt = Attempt(token=token, canary=canary, stable=_STABLE, opened_at=0.0)
        watch = TrafficWatch(
            self.network.systems(actor), attempt, weight=PLAN[actor.step][1],
            written_at=self.network.now, clock=_Clock(self.network), say=lambda text: None,
            later_steps=frozenset(STEPS[STEPS.index(actor.step) + 1 :]), timer=self.timer,
        )  # fmt: skip
        await self.timer.pause(10.0)
        reason = "" if await Park(At.VERDICT) else "worse than stable"
        if not reason:
            try:
                reason = await watch.look()
            except Unconfirmed as doubt:
                reason = str(doubt)
        if reason:
            await watch.stop(reason)
        return not reason

    async def _stable(self, actor: Actor, token: Token, canary: Arm) -> None:
        systems = self.network.systems(actor)
        if not await Park(At.VERDICT):
            await stay(systems, token=token, canary=canary, reason="stuck")
            raise PermanentAdapterError("stable does not get ready", system="workload")
        await make_stable(systems, token=token, canary=canary, timer=self.timer)

    async def _back(self, actor: Actor, token: Token, canary: Arm) -> Move:
        systems = self.network.systems(actor)

        async def once() -> Move:
            # A person means the whole release, a task of the run the failure before it.
            return await go_back(
                systems, owner=token.owner, reason="stopped", stuck_stays=bool(token.epoch),
                timer=self.timer,
            )  # fmt: skip

        return await persist(
            once, seconds=300.0, on_error=lambda text: None, timer=self.timer
        )  # fmt: skip

    # --- what may happen next ---

    def ordinary(self) -> list[Event]:
        """Return the events of a good day, the most ordinary first."""
        network = self.network
        events: list[Event] = [
            partial(network.land, flight) for flight in network.flights if flight.copies == 1
        ]
        events += [partial(network.go_on, it) for it in network.actors if network.ready(it)]
        moment = network.next_moment()
        if moment is not None and network.may_pass(moment):
            events.append(partial(network.tick, moment))
        return events

    def disturbances(self, kind: int) -> list[Event]:
        """Return what may come between, of one kind; empty where nothing of it is possible."""
        kinds = (
            self._failures, self._sleep, self._verdicts, self._people, self._deaths,
            self._new_attempts, self._network_faults, self._sleep, self._repeats, self._hands,
            self._network_faults, self._verdicts,
        )  # fmt: skip
        return list(kinds[kind % len(kinds)]())

    def _verdicts(self) -> Iterator[Event]:
        for actor in self._at(At.VERDICT):
            yield partial(self.network.drive, actor, False)

    def _sleep(self) -> Iterator[Event]:
        for actor in self.network.actors:
            if not actor.done and actor.what != "run":
                yield partial(self._freeze, actor)

    def _deaths(self) -> Iterator[Event]:
        for actor in self.network.actors:
            spared = not self.network.conditional and self._is_late(actor)
            if not actor.done and actor.what != "run" and not spared:
                yield partial(self.network.kill, actor)

    def _failures(self) -> Iterator[Event]:
        for actor in self._at(At.READ):
            error = TransientAdapterError("timed out", system="router")
            yield partial(self.network.drive, actor, error)

    def _network_faults(self) -> Iterator[Event]:
        for flight in self.network.flights:
            yield partial(self.network.lose, flight)
            if flight.answer is None:
                yield partial(self.network.silence, flight)
            if flight.copies == 1:
                yield partial(self._double, flight)

    def _new_attempts(self) -> Iterator[Event]:
        if len(self.network.actors) < _MOST_ACTORS:
            for owner in _RELEASES:
                if sum(run.owner == owner for run in self.runs) < _MOST_ATTEMPTS:
                    yield partial(self.release, owner)

    def _people(self) -> Iterator[Event]:
        if len(self.network.actors) < _MOST_ACTORS:
            for owner in dict.fromkeys(run.owner for run in self.runs):
                token = Token(epoch="", owner=owner, digest="d")
                yield partial(self._again, ("back", token, _RELEASES[owner], ""))

    def _repeats(self) -> Iterator[Event]:
        """A retry beside the first try, or a gate that two triggerers run."""
        if len(self.network.actors) < _MOST_ACTORS:
            for task in reversed(self.begun[-4:]):
                if task[0] != "open":
                    yield partial(self._again, task)

    def _hands(self) -> Iterator[Event]:
        split = self.network.split
        if split is not None:
            for weight in (0, 10, 30, 50, 100):
                yield partial(self._edit, replace(split, weight=weight))
            yield partial(self._edit, None)
            yield partial(self._edit, replace(split, canary=_ELSEWHERE))

    def _at(self, place: At) -> list[Actor]:
        return [actor for actor in self.network.actors if actor.park.at is place]

    def _again(self, task: tuple[str, Token, Arm, str]) -> None:
        self.begin(*task)

    def _edit(self, split: TrafficSplit | None) -> None:
        self.network.trace.append(("hand", split))
        self.network.split = split
        self.referee.edited = True

    def _freeze(self, actor: Actor) -> None:
        actor.frozen = not actor.frozen
        self.network.trace.append(("freeze" if actor.frozen else "thaw", actor.name))

    def _double(self, flight: Flight) -> None:
        flight.copies = 2
        self.network.land(flight)

    def _is_late(self, actor: Actor) -> bool:
        """Without conditional writes: asleep before its write and killed behind it is too much."""
        return actor.late or any(
            flight.actor is actor and self.network.now - flight.read_at > LANDING_SECONDS
            for flight in self.network.flights
        )

    # --- playing ---

    def play(self, schedule: bytes) -> None:
        """Follow a schedule, then let everything come to rest and check what holds there."""
        try:
            choices = iter(schedule)
            for _ in range(next(choices, 0) % _LONGEST_PRELUDE):
                self._next_ordinary(0)
            for choice in choices:
                if choice < _ORDINARY:
                    self._next_ordinary(choice)
                else:
                    self._disturb(choice, next(choices, 0))
            self._come_to_rest()
            self.referee.at_rest()
        except Violation as violation:
            raise Violation(f"{violation}\n{self.told()}") from None
        finally:
            for actor in self.network.actors:
                if actor.work is not None:
                    actor.work.close()

    def _next_ordinary(self, choice: int) -> None:
        events = self.ordinary()
        if events:
            events[choice % len(events)]()

    def _disturb(self, kind: int, choice: int) -> None:
        events = self.disturbances(kind)
        if events:
            events[choice % len(events)]()

    def _come_to_rest(self) -> None:
        """Let all go on in turn; who sleeps wakes when everybody else has ended."""
        for turn in range(_LONGEST_REST):
            events = self.ordinary()
            if events:
                events[turn % len(events)]()
                continue
            sleepers = [actor for actor in self.network.actors if actor.frozen and not actor.done]
            if sleepers:
                self._freeze(sleepers[0])
            elif self.network.flights:
                self.network.land(self.network.flights[0])
            else:
                break
        else:
            raise Violation("it never comes to rest")
        for actor in self.network.actors:
            if not actor.done:
                raise Violation(f"{actor.name} {actor.park.at} for ever")

    def told(self) -> str:
        """Return what happened, a line an event."""
        return "\n".join(" ".join(_word(it) for it in line) for line in self.network.trace)


class _Failed(Exception):
    """A task of a run did not succeed."""


def _word(value: object) -> str:
    if isinstance(value, TrafficSplit):
        return f"[{value.token.epoch} {value.state} {value.weight} % {value.step}]"
    if isinstance(value, Move):
        return f"({value.reason})"
    return str(value)


def play(schedule: bytes, *, conditional: bool) -> Story:
    """Play one schedule on a service that has released before."""
    before = TrafficSplit(
        service="shop", stable=_STABLE, canary=None, weight=0, state=ReleaseState.RELEASED,
        token=Token(epoch="before", owner="shop/before", digest="d"),
    )  # fmt: skip
    story = Story(Network(before, conditional=conditional))
    story.play(schedule)
    return story

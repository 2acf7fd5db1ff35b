"""A router and its network in memory, and actors that are driven by hand.

A write is three events: read, send, land. Between any two of them the scheduler may do anything
else: let others go on, let time pass, kill the sender. What was sent may land late, twice, after
its sender's death, or never. No event loop, no real time: an actor is a coroutine that parks.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow_rollout.errors import RolloutError, TransientAdapterError
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.release import Arm, ReleaseState, TrafficSplit
from airflow_rollout.spec.model import TrafficRef
from airflow_rollout.traffic.base import Feature, WriteConflict
from airflow_rollout.wire import FileContent, Request, Response

__all__ = ["LANDING_SECONDS", "Actor", "At", "Flight", "Network", "Park", "Violation", "is_rising"]

# Without conditional writes something has to be known of the network: what is sent lands within
# this time or never.
LANDING_SECONDS = 2.0

# An actor that still goes on after this many events never ends.
_LONGEST_LIFE = 2000


class Violation(AssertionError):
    """A promise was broken; says which, and what happened until then."""


class At(StrEnum):
    """Where an actor stands."""

    READ = "reads"
    SEND = "sends"
    ANSWER = "waits for the answer"
    PAUSE = "pauses"
    JOIN = "waits for a task"
    VERDICT = "judges"
    DONE = "is done"


@dataclass(slots=True)
class Park:
    """What a coroutine waits for; the scheduler sends the value."""

    at: At
    until: float = 0.0
    flight: Flight | None = None
    actor: Actor | None = None

    def __await__(self) -> Generator[Park, Any, Any]:
        return (yield self)


@dataclass(slots=True, eq=False)
class Actor:
    """One task, trigger or person at work.

    :param what: open, raise, gate, stable, back or run.
    """

    name: str
    what: str
    owner: str
    epoch: str
    attempt: int = 0
    step: str = ""
    work: Coroutine[Any, Any, Any] | None = None
    park: Park = field(default_factory=lambda: Park(At.DONE))
    frozen: bool = False
    read_at: float = 0.0
    late: bool = False
    lives: int = 0
    result: Any = None
    error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.park.at is At.DONE


@dataclass(slots=True, eq=False)
class Flight:
    """A write that was sent: lands while `copies` are left."""

    actor: Actor
    split: TrafficSplit
    expected: TrafficSplit | None
    sent_at: float
    read_at: float
    copies: int = 1
    landed: bool = False
    answer: TrafficSplit | Exception | None = None


def is_rising(split: TrafficSplit) -> bool:
    """Say whether a write brings traffic to a canary."""
    return split.weight > 0 or split.state is ReleaseState.RELEASED


OnLanding = Callable[[Actor, TrafficSplit | None, TrafficSplit], None]


class Network:
    """The record, what is on its way to it, the time and the actors."""

    def __init__(self, split: TrafficSplit | None, *, conditional: bool) -> None:
        self.split = split
        self.conditional = conditional
        self.now = 0.0
        self.actors: list[Actor] = []
        self.flights: list[Flight] = []
        self.trace: list[tuple[Any, ...]] = []
        self.on_landing: OnLanding = lambda actor, before, after: None
        self.on_removal: Callable[[Actor, Arm], None] = lambda actor, arm: None
        weights = {Feature.WEIGHTS}
        self.features = frozenset(weights | {Feature.CONDITIONAL_WRITE} if conditional else weights)

    # --- actors ---

    def start(self, actor: Actor, work: Coroutine[Any, Any, Any]) -> Actor:
        """Begin a coroutine and run it to its first park."""
        actor.work = work
        self.actors.append(actor)
        self.trace.append(("start", actor.name))
        self.drive(actor)
        return actor

    def drive(self, actor: Actor, value: Any = None) -> None:
        """Give an actor what it waits for (an exception is raised in it)."""
        assert actor.work is not None
        actor.lives += 1
        if actor.lives > _LONGEST_LIFE:
            raise Violation(f"{actor.name} never ends")
        try:
            if isinstance(value, Exception):
                actor.park = actor.work.throw(value)
            else:
                actor.park = actor.work.send(value)
        except StopIteration as end:
            actor.result = end.value
        except RolloutError as error:
            actor.error = error
        else:
            return
        actor.park = Park(At.DONE)
        self.trace.append(("end", actor.name, actor.result, actor.error))

    def kill(self, actor: Actor) -> None:
        """End an actor where it stands; what it has sent goes on."""
        assert actor.work is not None
        actor.work.close()
        actor.park = Park(At.DONE)
        actor.error = TransientAdapterError("killed", system="worker")
        self.trace.append(("kill", actor.name))

    def ready(self, actor: Actor) -> bool:
        """Say whether an actor can go on by itself."""
        park = actor.park
        if actor.frozen or park.at is At.DONE:
            return False
        if park.at is At.ANSWER:
            return park.flight is not None and park.flight.answer is not None
        if park.at is At.JOIN:
            return park.actor is not None and park.actor.done
        return park.at is not At.PAUSE or park.until <= self.now

    def go_on(self, actor: Actor) -> None:
        """Let a ready actor take its next step."""
        park = actor.park
        self.trace.append(("go", actor.name, park.at))
        if park.at is At.READ:
            actor.read_at = self.now
            self.drive(actor, self.split)
        elif park.at is At.SEND and park.flight is not None:
            park.flight.sent_at = self.now
            park.flight.read_at = actor.read_at
            self.flights.append(park.flight)
            self.drive(actor)
        elif park.at is At.ANSWER and park.flight is not None:
            self._note_late(park.flight)
            self.drive(actor, park.flight.answer)
        elif park.at is At.VERDICT:
            self.drive(actor, True)
        else:
            self.drive(actor)

    # --- the network ---

    def land(self, flight: Flight) -> None:
        """Let a write arrive; with conditional writes it compares before it sets."""
        flight.copies -= 1
        if not flight.copies:
            self.flights.remove(flight)
        before = self.split
        if self.conditional and before != flight.expected:
            self.trace.append(("conflict", flight.actor.name))
            answer: TrafficSplit | Exception = WriteConflict(before)
        else:
            self.trace.append(("land", flight.actor.name, flight.split))
            self._note_late(flight)
            self.split = flight.split
            answer = flight.split
            self.on_landing(flight.actor, before, flight.split)
        flight.landed = True
        if flight.answer is None:
            flight.answer = answer

    def _note_late(self, flight: Flight) -> None:
        """Remember who was asleep between its read and the end of a write that rises."""
        if is_rising(flight.split) and self.now - flight.read_at > LANDING_SECONDS:
            flight.actor.late = True

    def lose(self, flight: Flight) -> None:
        """Let a write never arrive."""
        self.flights.remove(flight)
        self.trace.append(("lost", flight.actor.name))
        if flight.answer is None:
            flight.answer = TransientAdapterError("timed out", system="router")

    def silence(self, flight: Flight) -> None:
        """Let the answer be lost; the write itself goes on."""
        self.trace.append(("answer lost", flight.actor.name))
        flight.answer = TransientAdapterError("timed out", system="router")

    # --- time ---

    def next_moment(self) -> float | None:
        """Return when the next pause ends, None if nobody pauses."""
        moments = [
            actor.park.until
            for actor in self.actors
            if actor.park.at is At.PAUSE and actor.park.until > self.now and not actor.frozen
        ]
        return min(moments, default=None)

    def may_pass(self, moment: float) -> bool:
        """Say whether the network allows the time to go on to `moment`.

        With conditional writes anything may be late. Without, what was sent has landed by then, and
        only a write that rises may sleep between its read and its sending.
        """
        if self.conditional:
            return True
        if any(moment > flight.sent_at + LANDING_SECONDS for flight in self.flights):
            return False
        return not any(
            actor.park.at is At.SEND
            and actor.park.flight is not None
            and not is_rising(actor.park.flight.split)
            and moment > actor.read_at + LANDING_SECONDS
            for actor in self.actors
        )

    def tick(self, moment: float) -> None:
        """Let time pass."""
        self.now = moment
        self.trace.append(("time", moment))

    # --- what the product sees ---

    def systems(self, actor: Actor) -> Systems:
        """Return the product's view of the router, for one actor."""
        return Systems(
            router=_Router(self, actor),
            workload=_Workload(self, actor),  # type: ignore[arg-type]
            provider=None,  # type: ignore[arg-type]
            router_send=_no_send,
            workload_send=_no_send,
            provider_send=_no_send,
            traffic=TrafficRef(router="model", service="shop", conn_id="model"),
            namespace="prod",
        )

    def timer(self) -> _Timer:
        """Return the model's time as the product takes it."""
        return _Timer(self)


async def _no_send(request: Request) -> Response:
    return FileContent(content=None)


class _Timer:
    def __init__(self, network: Network) -> None:
        self._network = network

    def now(self) -> float:
        return self._network.now

    async def pause(self, seconds: float) -> None:
        await Park(At.PAUSE, until=self._network.now + seconds)


class _Router:
    def __init__(self, network: Network, actor: Actor) -> None:
        self.features = network.features
        self._actor = actor

    async def read(self, send: object) -> TrafficSplit | None:
        return await Park(At.READ)  # type: ignore[no-any-return]

    async def write(
        self, split: TrafficSplit, expected: TrafficSplit | None, send: object
    ) -> TrafficSplit:
        flight = Flight(actor=self._actor, split=split, expected=expected, sent_at=0.0, read_at=0.0)
        await Park(At.SEND, flight=flight)
        return await Park(At.ANSWER, flight=flight)  # type: ignore[no-any-return]

    async def live(self, send: object) -> int | None:
        return None


class _Workload:
    def __init__(self, network: Network, actor: Actor) -> None:
        self._network = network
        self._actor = actor

    async def remove(self, canary: Arm, send: object, *, released: bool) -> None:
        self._network.trace.append(("remove", self._actor.name, canary.version))
        self._network.on_removal(self._actor, canary)

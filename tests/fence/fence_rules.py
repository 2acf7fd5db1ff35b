"""The promises of the fence, said once more and apart from the code that keeps them."""

from __future__ import annotations

from dataclasses import replace

from fence_model import Actor, Network, Violation, is_rising

from airflow_rollout.release import Arm, ReleaseState, TrafficSplit

__all__ = ["PLAN", "STEPS", "Referee"]

STEPS = ("step_01", "step_02", "step_full")
PLAN = {"step_01": (0, 10), "step_02": (10, 50), "step_full": (50, 100)}
"""step -> the weight before it and its own"""

OPEN, SEALED, RELEASED = ReleaseState.OPEN, ReleaseState.SEALED, ReleaseState.RELEASED


class Referee:
    """Watch every write that lands and say which promise it breaks.

    Keeps its own book of what has happened; the product's decisions are not asked. Where writes
    are not conditional, only what holds when everything has come to rest is promised.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.aborted: set[str] = set()
        self.released: set[str] = set()
        self.tied: set[str] = set()
        self.stuck: set[str] = set()
        self.brought: dict[str, Arm | None] = {}
        self.reached: dict[str, int] = {}
        self.edited = False
        network.on_landing = self.landed
        network.on_removal = self.removed

    def landed(self, actor: Actor, before: TrafficSplit | None, after: TrafficSplit) -> None:
        """Check one write of the product's and enter it into the book."""
        if self.network.conditional:
            self._check(actor, before, after)
        epoch = after.token.epoch
        if after.state is SEALED:
            self.aborted.add(epoch)
        elif after.state is RELEASED:
            self.released.add(epoch)
            if epoch in self.aborted:
                self.tied.add(epoch)
        if actor.what == "open":
            self.brought.setdefault(epoch, after.canary)
        if actor.what == "stable" and after.state is OPEN:
            self.stuck.add(epoch)
        if actor.what == "raise" and is_rising(after):
            self.reached[epoch] = STEPS.index(actor.step)
        self.edited = False

    def removed(self, actor: Actor, canary: Arm) -> None:
        """Check that the canary of a release that is open or was promoted is not removed."""
        split = self.network.split
        if self.network.conditional and split is not None and split.token.epoch == actor.epoch:
            self._demand(split.state is SEALED, actor, "removed a canary in use")

    def _check(self, actor: Actor, before: TrafficSplit | None, after: TrafficSplit) -> None:
        demand = self._demand
        by_owner = actor.what == "back"
        demand(after.token.owner == actor.owner, actor, "wrote for another release")
        demand(by_owner or after.token.epoch == actor.epoch, actor, "wrote for another attempt")
        demand(after.weight == 0 or after.state is OPEN, actor, "gave weight to what is not open")
        if after.token.epoch in self.aborted:
            demand(after.state is SEALED, actor, "opened what was aborted")
        if before is None or before.token.epoch != after.token.epoch:
            self._check_opening(actor, before, after)
        elif before.state is SEALED:
            demand(after.state is SEALED, actor, "opened what was sealed")
        elif before.state is RELEASED:
            demand(False, actor, "changed a promoted release")
        else:
            self._check_going_on(actor, before, after)

    def _check_opening(
        self, actor: Actor, before: TrafficSplit | None, after: TrafficSplit
    ) -> None:
        demand = self._demand
        demand(actor.what == "open", actor, "changed another release's split")
        demand((after.state, after.weight) == (OPEN, 0), actor, "opened with traffic")
        if before is None:
            return
        own = before.token.owner == actor.owner
        demand(own or before.state is not OPEN, actor, "opened while another release was open")
        later = own and before.state is OPEN and before.token.attempt > actor.attempt
        demand(not later, actor, "opened over a later attempt")
        demand(after.stable == before.stable, actor, "changed the stable version by opening")

    def _check_going_on(self, actor: Actor, before: TrafficSplit, after: TrafficSplit) -> None:
        demand = self._demand
        if after.state is SEALED:
            demand(after.stable == before.stable, actor, "changed the stable version by sealing")
            if actor.what == "gate":
                late = self.reached.get(actor.epoch, 0) > STEPS.index(actor.step)
                demand(not late, actor, "stopped a later step than its own")
            return
        own = before.canary == self.brought[after.token.epoch]
        demand(own, actor, "moved traffic to a canary that is not its own")
        if after.state is RELEASED:
            first = before.stable is None and actor.what == "raise"
            full = actor.what == "stable" and before.weight == 100
            demand(first or full, actor, "promoted what did not carry all traffic")
            demand(after.stable == before.canary, actor, "promoted something else")
        elif actor.what == "stable":
            demand(before.weight == 100, actor, "left traffic on what did not carry all of it")
            same = replace(before, step=after.step, reason=after.reason)
            demand(after == same, actor, "moved traffic by leaving it")
        else:
            demand(actor.what == "raise", actor, "changed an open split")
            previous, own = PLAN[actor.step]
            demand(after.weight == own, actor, "wrote a weight that is not its own")
            demand(
                before.weight in (previous, own),
                actor,
                "rose from what the step before did not leave",
            )
            arms = (before.stable, before.canary)
            demand((after.stable, after.canary) == arms, actor, "changed the arms by raising")

    def at_rest(self) -> None:
        """Check what holds once every actor has ended and nothing is on its way."""
        split = self.network.split
        for actor in self.network.actors:
            if actor.what == "run" and actor.result == "promoted":
                self._check_promoted(actor)
        if split is None or self.edited:
            return
        name = split.token.epoch
        if name in self.stuck - self.aborted and (split.state, split.weight) == (OPEN, 100):
            return
        if split.state is OPEN and not self._unnoticed(split):
            raise Violation(f"{name} rests open at {split.weight} %")
        if split.weight:
            raise Violation(f"{name} rests {split.state} at {split.weight} %")
        sealed = {
            actor.result.split.token.epoch
            for actor in self.network.actors
            if actor.what == "back" and actor.result is not None
            if _is_sealed(actor.result.split, actor.owner)
        }
        if name in sealed and split.state is RELEASED:
            raise Violation(f"{name} was put back and rests released")

    def _unnoticed(self, split: TrafficSplit) -> bool:
        """Say whether nobody of its run knows that this release is open, and so nothing rises.

        Its prepare died with the write on its way, or slept while a later attempt came and went.
        Without traffic that is safe. The next release is told that this one is still open.
        """
        if split.weight or split.token.epoch in self.reached:
            return False
        opening = [actor for actor in self.network.actors if actor.what == "open"]
        died = any(it.epoch == split.token.epoch and it.error is not None for it in opening)
        return died or any(
            it.owner == split.token.owner and it.attempt > split.token.attempt for it in opening
        )

    def _check_promoted(self, run: Actor) -> None:
        self._demand(run.epoch in self.released, run, "said promoted, and nothing was")
        if run.epoch in self.tied or any(actor.late for actor in self.network.actors):
            return
        split = self.network.split
        if split is not None and split.token.epoch == run.epoch:
            self._demand(split.state is RELEASED, run, "said promoted, and was taken back")

    def _demand(self, holds: bool, actor: Actor, broken: str) -> None:
        if not holds:
            raise Violation(f"{actor.name} {broken}")


def _is_sealed(split: TrafficSplit | None, owner: str) -> bool:
    return split is not None and split.token.owner == owner and split.state is SEALED

"""The fence: from what was found, what is wanted and who asks, to write, done or refuse.

Pure decisions. The record lives at the router, beside the weight, and is written in one request
with it; nothing here trusts Airflow's database. Three rules carry everything:

* raising needs the same epoch, the same arms, state `open` and the weight the last step left;
* an abort needs its own epoch and seals it, and a sealed epoch never opens again;
* on another release's split an abort changes nothing, nor does a gate on a later step's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = [
    "Action",
    "Arm",
    "Decision",
    "Outcome",
    "ReleaseState",
    "Token",
    "TrafficSplit",
    "decide_abort",
    "decide_open",
    "decide_promotion",
    "decide_raise",
    "decide_seal",
    "decide_stay",
    "describe",
    "is_expected",
    "is_stuck",
]

# The step of a split whose promotion got stuck; the step of all others is one of the plan's.
_STUCK_STEP = "promotion"


class ReleaseState(StrEnum):
    """`open`: may rise. `sealed`: never again. `released`: the canary has become stable."""

    OPEN = "open"
    SEALED = "sealed"
    RELEASED = "released"


class Outcome(StrEnum):
    """How a release ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    FAILED_TO_ROLL_BACK = "failed_to_roll_back"


class Action(StrEnum):
    """What the caller of a decision does."""

    WRITE = "write"
    DONE = "done"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One version and where it serves (`target`: a URL, an image, an object name)."""

    version: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who asks: one attempt of one release.

    :param epoch: unique to one attempt; minted by `prepare`.
    :param owner: the release across its attempts, for example ``dag_id/run_id``.
    :param digest: `RolloutSpec.digest()` of the spec the attempt runs with.
    :param attempt: grows with every attempt of one owner; 0 where nobody counts.
    """

    epoch: str
    owner: str
    digest: str
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSplit:
    """The record at the router: arms, weight (percent on the canary) and who may change it.

    :param step: the step that wrote the weight, for example ``step_02``; empty before the first.
        A weight changed by hand leaves it as it is, which tells the two apart.
    """

    service: str
    stable: Arm | None
    canary: Arm | None
    weight: int
    state: ReleaseState
    token: Token
    reason: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`split` is what to write for WRITE, what is already there for DONE, None for REFUSE.

    `busy` marks a REFUSE that lasts only as long as another release is open.
    """

    action: Action
    reason: str
    split: TrafficSplit | None = None
    busy: bool = False


def decide_open(found: TrafficSplit | None, *, service: str, token: Token, canary: Arm) -> Decision:
    """Open a release at weight 0, or refuse while another one is open.

    The same owner may open again (a cleared run, a retried task): it gets its new epoch and the
    old one can never raise again, since its token no longer matches. Only an earlier attempt may
    not: its task was asleep, and nobody would go on with what it opens.
    """
    if found is None:
        split = TrafficSplit(
            service=service, stable=None, canary=canary, weight=0,
            state=ReleaseState.OPEN, token=token,
        )  # fmt: skip
        return Decision(action=Action.WRITE, reason="first release of this service", split=split)
    if found.token.epoch == token.epoch:
        return _again(found)
    if found.state is ReleaseState.OPEN and found.token.owner != token.owner:
        reason = (
            f"release {found.token.owner} is still open; if nothing runs it any more, run "
            "`airflow-rollout rollback`"
        )
        return Decision(action=Action.REFUSE, reason=reason, busy=True)
    if found.state is ReleaseState.OPEN and found.token.attempt > token.attempt:
        return _refuse(
            f"attempt {found.token.attempt} of {token.owner} is open, this is an older one"
        )
    split = replace(
        found, canary=canary, weight=0, state=ReleaseState.OPEN, token=token, reason="", step=""
    )
    return Decision(action=Action.WRITE, reason=f"opened for {canary.version}", split=split)


def decide_raise(
    found: TrafficSplit | None,
    *,
    token: Token,
    canary: Arm,
    weight: int,
    previous_weight: int,
    step: str = "",
) -> Decision:
    """Raise the canary to `weight` if the split is exactly what the previous step left.

    `step` is written beside the weight: it tells a gate that comes too late from its own step. A
    service without a stable version has nothing to compare with and nobody to fall back on: its
    first version becomes stable with the first raise.
    """
    if found is None:
        return _refuse("the router has no record of this release")
    fault = _foreign(found, token, canary)
    if fault:
        return _refuse(fault)
    if found.state is ReleaseState.RELEASED:
        return Decision(action=Action.DONE, reason="already released", split=found)
    if found.state is ReleaseState.SEALED:
        return _refuse(f"this attempt was stopped ({found.reason}); clear the run to try again")
    if found.stable is None:
        return Decision(
            action=Action.WRITE, reason="first version of this service", split=_released(found)
        )
    if (found.weight, found.step) == (weight, step):
        return Decision(action=Action.DONE, reason="already there", split=found)
    if found.weight not in (weight, previous_weight):
        return _refuse(
            f"the weight is {found.weight} %, the previous step left {previous_weight} %; "
            "clear the run to try again"
        )
    split = replace(found, weight=weight, step=step)
    return Decision(action=Action.WRITE, reason=f"raise to {weight} %", split=split)


def decide_promotion(found: TrafficSplit | None, *, token: Token, canary: Arm) -> Decision:
    """Make the canary the stable version, once it has carried all traffic."""
    if found is None:
        return _refuse("the router has no record of this release")
    fault = _foreign(found, token, canary)
    if fault:
        return _refuse(fault)
    if found.state is ReleaseState.RELEASED:
        return Decision(action=Action.DONE, reason="already released", split=found)
    if found.state is ReleaseState.SEALED:
        return _refuse(f"this attempt was stopped ({found.reason}); clear the run to try again")
    if found.weight != 100:
        return _refuse(f"the canary carries {found.weight} %, not all traffic")
    return Decision(
        action=Action.WRITE, reason=f"{canary.version} is stable", split=_released(found)
    )


def decide_stay(found: TrafficSplit | None, *, token: Token, canary: Arm, reason: str) -> Decision:
    """Leave all traffic on a canary that was judged there, since stable cannot take over.

    What is left of stable may not be able to carry it. The release stays open: its promotion may go
    on, and a person may put the traffic back.
    """
    decision = decide_promotion(found, token=token, canary=canary)
    if found is None or decision.action is not Action.WRITE:
        return decision
    if is_stuck(found):
        return Decision(action=Action.DONE, reason=found.reason, split=found)
    split = replace(found, step=_STUCK_STEP, reason=reason)
    return Decision(action=Action.WRITE, reason=reason, split=split)


def is_stuck(split: TrafficSplit | None) -> bool:
    """Say whether a release stands at a promotion that got stuck."""
    return (
        split is not None and split.state is ReleaseState.OPEN and split.step == _STUCK_STEP
    )  # fmt: skip


def decide_abort(
    found: TrafficSplit | None,
    *,
    epoch: str,
    owner: str,
    reason: str,
    later_steps: Collection[str] = (),
    stuck_stays: bool = False,
) -> Decision:
    """Put all traffic back and seal the epoch; on another release's split change nothing.

    `epoch` may be empty when the caller (the teardown, a person) only knows the owner: then the
    owner's current attempt is meant.

    `later_steps` are those behind the step of a gate that asks. The release got there because
    another gate of this step passed it, so this one was asleep and its verdict is out of date. A
    rollback, the teardown and a person mean the whole attempt and give none.

    `stuck_stays` is for tasks that follow any failure: they leave a promotion that got stuck where
    it is. Whoever means that very release does not.
    """
    if found is None:
        return Decision(action=Action.DONE, reason="the router has no record of this release")
    same = found.token.epoch == epoch if epoch else found.token.owner == owner
    if not same:
        return Decision(
            action=Action.DONE,
            reason=f"the split belongs to {found.token.owner}, not to {owner}",
            split=found,
        )
    if found.state is ReleaseState.RELEASED:
        return Decision(action=Action.DONE, reason="already released", split=found)
    if found.state is ReleaseState.SEALED and found.weight == 0:
        return Decision(action=Action.DONE, reason="already sealed at 0 %", split=found)
    # A promotion is behind all steps; the last step's gate may still take its word back there.
    moved_on = found.step in later_steps or (later_steps and is_stuck(found))
    if found.state is ReleaseState.OPEN and moved_on:
        reason = f"the release has moved on to {found.step}"
        return Decision(action=Action.DONE, reason=reason, split=found)
    if stuck_stays and is_stuck(found):
        return Decision(action=Action.DONE, reason=found.reason, split=found)
    return Decision(action=Action.WRITE, reason=reason, split=_sealed(found, reason))


def decide_seal(found: TrafficSplit | None, *, before: TrafficSplit, reason: str) -> Decision:
    """Seal `before` again, if a write of its own epoch landed on it that must not stand.

    For routers that write whatever they find: there even a promotion may land on a seal. `before`
    holds the arms as they were.
    """
    if found is None:
        return Decision(action=Action.DONE, reason="the router has no record of this release")
    if found.token.epoch != before.token.epoch:
        reason = f"the split belongs to {found.token.owner}"
        return Decision(action=Action.DONE, reason=reason, split=found)
    if found.state is ReleaseState.SEALED and found.weight == 0:
        return Decision(action=Action.DONE, reason="sealed at 0 %", split=found)
    return Decision(action=Action.WRITE, reason=reason, split=_sealed(before, reason))


def is_expected(found: TrafficSplit | None, *, token: Token, canary: Arm, weight: int) -> str:
    """Return what is wrong with a split a gate looks at, empty when it is the gate's own."""
    if found is None:
        return "the router's record is gone"
    fault = _foreign(found, token, canary)
    if fault:
        return fault
    if found.state is ReleaseState.RELEASED:
        return "" if found.stable == canary else "the release has already ended"
    if found.state is ReleaseState.SEALED:
        return f"this attempt was stopped: {found.reason}"
    if found.weight != weight:
        text = f"the weight is {found.weight} %, this step put it at {weight} %"
        return f"{text} ({found.reason})" if found.reason else text
    return ""


def describe(split: TrafficSplit | None) -> str:
    """Say a split in one line for a person."""
    if split is None:
        return "no record"
    stable = split.stable.version if split.stable else "none"
    canary = split.canary.version if split.canary else "none"
    text = f"{split.weight} % on {canary}, stable {stable}, {split.state} by {split.token.owner}"
    return f"{text} ({split.reason})" if split.reason else text


def _foreign(found: TrafficSplit, token: Token, canary: Arm) -> str:
    if found.token.epoch != token.epoch:
        if found.token.owner == token.owner:
            return "this is an earlier attempt of the run; clear the run to try again"
        return f"the split belongs to {found.token.owner}"
    if found.token.digest != token.digest:
        return "spec changed in mid-release; clear the run to try again with the new one"
    arm = found.stable if found.state is ReleaseState.RELEASED else found.canary
    if arm != canary:
        return f"the canary at the router is {arm}, this release brought {canary}"
    return ""


def _again(found: TrafficSplit) -> Decision:
    if found.state is ReleaseState.OPEN:
        return Decision(action=Action.DONE, reason="opened before", split=found)
    return _refuse(f"this attempt is {found.state}; a new one needs a new epoch")


def _released(found: TrafficSplit) -> TrafficSplit:
    return replace(
        found, stable=found.canary, canary=None, weight=0, state=ReleaseState.RELEASED, reason=""
    )


def _sealed(found: TrafficSplit, reason: str) -> TrafficSplit:
    return replace(found, weight=0, state=ReleaseState.SEALED, reason=found.reason or reason)


def _refuse(reason: str) -> Decision:
    return Decision(action=Action.REFUSE, reason=reason)

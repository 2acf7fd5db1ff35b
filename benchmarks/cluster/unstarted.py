"""Versions that never start: how long after the cluster knew it their release was over.

They are the scenes of the tests, one at a time. The cluster knows when it writes its first warning;
its time stamps are whole seconds, so a figure is up to a second too long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_rollout.release import Outcome
from airflow_rollout.workloads.pod_faults import SCHEDULE_SECONDS
from benchmarks.report import Figure, Of, Wanted

__all__ = ["UNSTARTED", "Unstarted", "faults", "figures"]

_GROUP = "never started"
_KNOWN_SECONDS = 15.0

# The tests' name of each scene, and what it is called here.
UNSTARTED = {
    "absent": "the registry has no such image",
    "crash": "crashes at its start",
    "quota": "the namespace's quota is full",
    "admission": "an admission policy refuses its pods",
    "unschedulable": f"no node has room ({SCHEDULE_SECONDS:g} s of it are its schedule_timeout)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstarted:
    """A release of a version that never started.

    :param name: its scene.
    :param warned_at: when the cluster first said that something is wrong.
    :param given_up_at: when the release's wait for the canary ended.
    :param over_at: when the run had ended, the canary removed.
    :param gates: gates that have judged it; none may.
    """

    name: str
    outcome: Outcome | None
    reason: str
    warned_at: float
    given_up_at: float
    over_at: float
    gates: int

    def line(self) -> str:
        """Return what a watcher of the benchmark reads."""
        return (
            f"{self.name:<14} {str(self.outcome).replace('_', ' '):<12}, the cluster's first "
            f"warning -> given up {self.given_up_at - self.warned_at:.1f} s, "
            f"-> run over {self.over_at - self.warned_at:.1f} s"
        )


def figures(found: Sequence[Unstarted]) -> list[Figure]:
    """Return two figures of each kind: until it was given up, and until all of it was over."""
    rows: list[Figure] = []
    for name, title in UNSTARTED.items():
        mine = [one for one in found if one.name == name]
        if not mine:
            continue
        given_up = tuple(one.given_up_at - one.warned_at for one in mine)
        over = tuple(one.over_at - one.warned_at for one in mine)
        rows += [
            Figure(group=_GROUP, name=f"{title}: warning -> given up", unit="s", values=given_up),
            Figure(group=_GROUP, name="the same: warning -> canary gone, run over", unit="s",
                   values=over, wanted=Wanted(at_most=_KNOWN_SECONDS, of=Of.HIGHEST)),
        ]  # fmt: skip
    return rows


def faults(found: Sequence[Unstarted]) -> list[str]:
    """Return a sentence for each that was not rolled back, or had traffic."""
    wrong = [one for one in found if one.outcome is not Outcome.ROLLED_BACK or one.gates]
    return [f"{one.name}: {one.outcome}, {one.gates} gates: {one.reason}" for one in wrong]

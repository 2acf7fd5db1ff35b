"""What keeps pods from serving, in the words of the cluster. Pure.

Each fault is final or not: a final one will not mend itself, so nobody waits for a deadline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_rollout.cluster import RawObject, condition

__all__ = ["SCHEDULE_SECONDS", "Fault", "is_rolled_out", "ready_text", "workload_fault"]

# `ErrImagePull` is only where `_ABSENT` tells why: a registry may fail once, and what stays so ends
# here anyway, ten seconds later.
_FINAL_WAITS = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
    }
)
_CRASHES = "CrashLoopBackOff"

# The registry itself has answered that it has no such image: in the words of containerd (NotFound
# alone may be a snapshot of its own), and in those of the registry, which CRI-O and Docker repeat.
_ABSENT = re.compile(
    r"code = NotFound .*failed to resolve (reference|image)|manifest unknown", re.DOTALL
)

# One restart may be an accident (a node, a lost connection at the start).
_RESTARTS = 2

# A pod on its way out may still hold the room. A cluster whose nodes are added on demand takes
# minutes: who has one says so.
SCHEDULE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong.

    :param crashed: pod and container whose last words tell more, empty where there are none.
    :param waits_for_node: whether no node has taken the pod yet.
    """

    text: str
    is_final: bool
    crashed: tuple[str, str] | None = None
    waits_for_node: bool = False


def workload_fault(
    found: RawObject,
    pods: Iterable[RawObject],
    at: float,
    *,
    schedule_seconds: float = SCHEDULE_SECONDS,
) -> Fault | None:
    """Return what is wrong with a Deployment and its pods: what a pod says, before "too late".

    :param at: now, in epoch seconds.
    :param schedule_seconds: how long a pod may wait for a node.
    """
    failure = condition(found, "ReplicaFailure")
    if failure.get("status") == "True":
        return Fault(text=f"pods cannot be made: {failure.get('message')}", is_final=True)
    fault = _worst(pods, at, schedule_seconds)
    if fault is not None and fault.is_final:
        return fault
    progress = condition(found, "Progressing")
    # A Deployment that waits for a node may be late by its own clock, and goes on all the same.
    waits = fault is not None and fault.waits_for_node
    if progress.get("reason") == "ProgressDeadlineExceeded" and not waits:
        why = f" ({fault.text})" if fault else ""
        text = f"{ready_text(found)}: {progress.get('message')}{why}"
        return Fault(text=text, is_final=True)
    return fault


def is_rolled_out(found: RawObject) -> bool:
    """Say whether all pods are of the newest template and available."""
    status, wanted = found.get("status") or {}, found["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
        return False
    counts = [status.get(f"{name}eplicas", 0) for name in ("r", "updatedR", "availableR")]
    return counts == [wanted] * 3


def ready_text(found: RawObject) -> str:
    """Return how many pods are ready, in words."""
    ready = (found.get("status") or {}).get("readyReplicas", 0)
    return f"{ready} of {found['spec'].get('replicas', 1)} pods ready"


def _worst(pods: Iterable[RawObject], at: float, schedule_seconds: float) -> Fault | None:
    """Return the worst fault of some pods: a final one before one that may pass."""
    found = [fault for pod in pods for fault in _faults(pod, at, schedule_seconds)]
    return next((fault for fault in found if fault.is_final), found[0] if found else None)


def _faults(pod: RawObject, at: float, schedule_seconds: float) -> Iterable[Fault]:
    name = pod["metadata"]["name"]
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        since = _seconds(scheduled.get("lastTransitionTime"), at)
        text = f"pod {name} cannot be scheduled: {scheduled.get('message')}"
        is_final = since > schedule_seconds
        if is_final:
            text += f" (for more than {schedule_seconds:g} s, `schedule_timeout`)"
        yield Fault(text=text, is_final=is_final, waits_for_node=True)
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for one in status.get(kind) or []:
            fault = _container_fault(name, one)
            if fault is not None:
                yield fault


def _container_fault(pod: str, one: dict[str, Any]) -> Fault | None:
    waiting = (one.get("state") or {}).get("waiting") or {}
    ended = (one.get("lastState") or {}).get("terminated") or {}
    place = f"container {one['name']} of pod {pod}"
    restarts = one.get("restartCount", 0)
    if waiting.get("reason") == _CRASHES or restarts >= _RESTARTS or _out_of_memory(ended):
        how = f"{ended.get('reason')}, exit code {ended.get('exitCode')}"
        text = f"{place} crashes ({how}, {restarts} restarts)"
        return Fault(text=text, is_final=True, crashed=(pod, one["name"]))
    message = waiting.get("message") or ""
    is_final = waiting.get("reason") in _FINAL_WAITS or _is_absent(waiting.get("reason"), message)
    if is_final or message:
        return Fault(text=f"{place}: {_words(waiting)}", is_final=is_final)
    return None


def _is_absent(reason: str | None, message: str) -> bool:
    return reason == "ErrImagePull" and _ABSENT.search(message) is not None


def _out_of_memory(ended: dict[str, Any]) -> bool:
    return ended.get("reason") == "OOMKilled"


def _words(waiting: dict[str, Any]) -> str:
    return f"{waiting.get('reason')}: {waiting.get('message')}"


def _seconds(since: Any, at: float) -> float:
    try:
        return at - datetime.fromisoformat(str(since)).timestamp()
    except ValueError:
        return 0.0

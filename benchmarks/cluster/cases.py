"""What is released on the node, and what others needed for it.

The others' figures are of one node of the same kind (2 cores, Kubernetes 1.36, Traefik 3.7,
Prometheus every second, 100 requests a second, weight 10, at least 99.5 % good, P99 <= 500 ms):
from the first request the canary answers to the last one, and failed requests from there on.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_rollout.release import Outcome
from benchmarks.releases.cases import Case

__all__ = ["ABORTED", "CASES", "GOOD", "SILENT", "STABLES", "NodeCase", "Peer"]

# What is stable at first, and what is released well; then the other way round.
STABLES = ("v1", "v2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One tool at one setting; medians, or the lowest where they went back and forth."""

    name: str
    seconds: float
    failed_requests: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCase:
    """One kind of version on the node.

    :param image: which of the tests' versions it is; the good ones take turns as stable.
    :param rollout: the DAG that releases it.
    """

    case: Case
    image: str
    rollout: str = "bad"
    peers: tuple[Peer, ...] = ()


def _bad(name: str, title: str) -> Case:
    return Case(name=name, title=title, outcome=Outcome.ROLLED_BACK)


_SOME = "5 % of requests answer 500"
_ALL = "all requests answer 500"
_LOOP = "crashes after 40 requests, again and again"

_BAD = (
    NodeCase(
        case=_bad("some-errors", _SOME),
        image="someerrors",
        peers=(
            Peer(name="Flagger 1m/5", seconds=358.6, failed_requests=180),
            Peer(name="Flagger 10s/1, its floor", seconds=19.7, failed_requests=13),
            Peer(name="Argo Rollouts 1m/3", seconds=240.0, failed_requests=304),
            Peer(name="Argo Rollouts 1s/0, its floor", seconds=2.5, failed_requests=1),
        ),
    ),
    NodeCase(
        case=_bad("all-errors", _ALL),
        image="broken",
        peers=(
            Peer(name="Flagger 10s/1, its floor", seconds=19.8, failed_requests=201),
            Peer(name="Argo Rollouts 10s/0", seconds=9.6, failed_requests=97),
            Peer(name="Argo Rollouts 1s/0, its floor", seconds=1.01, failed_requests=11),
        ),
    ),
    NodeCase(
        case=_bad("crash-loop", _LOOP),
        image="crashloop",
        peers=(
            Peer(name="Flagger 10s/1, one of six never", seconds=29.6, failed_requests=160),
            Peer(name="Argo Rollouts 10s/0", seconds=7.5, failed_requests=17),
        ),
    ),
    NodeCase(
        case=_bad("slow-scrape", f"{_SOME}, Prometheus every 15 s"),
        image="someerrors",
        rollout="slow-scrape",
    ),
)

# Five steps of ten seconds.
GOOD = NodeCase(
    case=Case(name="good", title="a good version", outcome=Outcome.PROMOTED),
    image=STABLES[1],
    rollout="good",
    peers=(
        Peer(name="Flagger", seconds=82.6, failed_requests=9),
        Peer(name="Argo Rollouts", seconds=51.5, failed_requests=0),
    ),
)
# A good version whose gate a person marks failed.
ABORTED = NodeCase(
    case=Case(name="aborted", title="a person marks the gate failed", outcome=Outcome.ABORTED),
    image="v3",
)
# A good version whose metric system accepts and never answers from its first judgement on.
SILENT = NodeCase(
    case=_bad("silent", "Prometheus accepts and never answers"), image="v3", rollout="short"
)

CASES = (*_BAD, ABORTED, SILENT, GOOD)

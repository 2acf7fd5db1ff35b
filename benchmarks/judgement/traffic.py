"""Half an hour of requests, second by second, drawn from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from airflow_rollout.analysis.dispersion import BLOCK_SECONDS, measure_dispersion
from airflow_rollout.analysis.evidence import UNKNOWN_DISPERSION

__all__ = [
    "BUCKETS",
    "SECONDS",
    "Counts",
    "Draw",
    "Traffic",
    "error_traffic",
    "latency_traffic",
    "pod_traffic",
    "skewed_traffic",
]

SECONDS = 1800
# Those of most client libraries.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PODS, _CANARY_PODS = 20, 2
_LOG_MEDIAN, _LOG_SPREAD = np.log(0.1), 0.6

Draw = np.random.Generator
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Counts a second of both arms; bad ones with a column for each boundary.

    `phi` is what half an hour of history before the release would have measured, 1 where errors are
    independent by construction.
    """

    canary: Counts
    canary_bad: Counts
    stable: Counts
    stable_bad: Counts
    boundaries: tuple[float, ...] = ()
    phi: float = 1.0

    def summed(self, every: int) -> tuple[Counts, Counts, Counts, Counts]:
        """Return the counts of intervals of `every` seconds."""
        return tuple(  # type: ignore[return-value]
            part.reshape(SECONDS // every, every, -1).sum(axis=1)
            for part in (self.canary, self.canary_bad, self.stable, self.stable_bad)
        )


def error_traffic(
    draw: Draw,
    *,
    rate: float | NDArray[np.float64],
    share: float | NDArray[np.float64] = 0.1,
    stable: float | NDArray[np.float64],
    canary: float | NDArray[np.float64],
    cluster: float = 0.0,
) -> Traffic:
    """Draw Poisson requests with independent errors, or errors in clusters.

    :param share: of the canary, constant or a value a second.
    :param cluster: mean size of a cluster; its errors land in one arm together. 0: none.
    """
    requests = draw.poisson(np.broadcast_to(rate, SECONDS))
    arm = draw.binomial(requests, share)
    if cluster:
        return _clustered(draw, arm, requests - arm, stable, canary, cluster)
    return Traffic(
        canary=arm,
        canary_bad=draw.binomial(arm, canary),
        stable=requests - arm,
        stable_bad=draw.binomial(requests - arm, stable),
    )


def _clustered(
    draw: Draw, arm: Counts, rest: Counts, stable: object, canary: object, cluster: float
) -> Traffic:
    history, canary_bad, stable_bad = (
        _in_clusters(draw, requests, rate, cluster)
        for requests, rate in ((rest, stable), (arm, canary), (rest, stable))
    )
    return Traffic(
        canary=arm,
        canary_bad=canary_bad,
        stable=rest,
        stable_bad=stable_bad,
        phi=_measured_phi(rest[:, None], history[:, None]),
    )


def _in_clusters(draw: Draw, requests: Counts, rate: object, cluster: float) -> Counts:
    events = draw.poisson(requests * np.asarray(rate) / cluster)
    found = np.zeros_like(requests)
    np.add.at(
        found, np.repeat(np.arange(SECONDS), events), draw.geometric(1 / cluster, events.sum())
    )
    return np.minimum(found, requests)


def skewed_traffic(draw: Draw, *, incident: float, skew: int) -> Traffic:
    """Draw a minute of an incident that both arms share, read at different times.

    :param incident: share of all requests that fail in that minute; 0.5 % do before and after.
    :param skew: seconds by which the canary's counters are read behind stable's.
    """
    rate = np.full(SECONDS + skew, 0.005)
    begins = int(draw.integers(120, SECONDS - 120))
    rate[begins : begins + 60] = incident
    requests = draw.poisson(100, SECONDS + skew)
    arm = draw.binomial(requests, 0.1)
    rest = requests - arm
    canary_bad, stable_bad = draw.binomial(arm, rate), draw.binomial(rest, rate)
    return Traffic(
        canary=arm[skew:],
        canary_bad=canary_bad[skew:],
        stable=rest[:SECONDS],
        stable_bad=stable_bad[:SECONDS],
    )


def pod_traffic(
    draw: Draw,
    *,
    rate: float,
    stable: float,
    canary: float,
    cluster: tuple[float, int] | None = None,
    shocks: bool = False,
    spread: float = 0.0,
) -> Traffic:
    """Draw 20 pods, 2 of them the canary's, and half an hour of history to measure phi on.

    :param cluster: mean size of a cluster and over how many seconds it is spread, in one pod.
    :param shocks: once in 20 minutes a pod fails 5 % for 20 s.
    :param spread: standard deviation of the pods' own rates, relative.
    """
    own = np.exp(draw.normal(0.0, spread, _PODS) - spread**2 / 2) if spread else np.ones(_PODS)
    history = _pods(draw, rate, np.full(_PODS, stable) * own, cluster, shocks)
    rates = np.where(np.arange(_PODS) < _CANARY_PODS, canary, stable) * own
    requests, bad = _pods(draw, rate, np.minimum(rates, 1.0), cluster, shocks)
    return Traffic(
        canary=requests[:, :_CANARY_PODS].sum(axis=1),
        canary_bad=bad[:, :_CANARY_PODS].sum(axis=1),
        stable=requests[:, _CANARY_PODS:].sum(axis=1),
        stable_bad=bad[:, _CANARY_PODS:].sum(axis=1),
        phi=_measured_phi(*history),
    )


def _measured_phi(requests: Counts, bad: Counts) -> float:
    """Return what half an hour of history says, a column a pod; of one alone, over time."""
    size = int(BLOCK_SECONDS)
    blocks = [part.reshape(SECONDS // size, size, -1).sum(axis=1) for part in (requests, bad)]
    pods = [
        [(int(n), int(x)) for n, x in zip(*block, strict=True)]
        for block in zip(*blocks, strict=True)
    ]
    found = measure_dispersion(pods)
    return UNKNOWN_DISPERSION if found is None else found.phi


def _pods(
    draw: Draw,
    rate: float,
    rates: NDArray[np.float64],
    cluster: tuple[float, int] | None,
    shocks: bool,
) -> tuple[Counts, Counts]:
    requests = draw.poisson(rate / _PODS, (SECONDS, _PODS))
    chance = np.broadcast_to(rates, (SECONDS, _PODS)).copy()
    if shocks:
        for start, pod in np.argwhere(draw.random((SECONDS, _PODS)) < 1 / 1200):
            chance[start : start + 20, pod] = np.maximum(chance[start : start + 20, pod], 0.05)
    if cluster is None:
        return requests, draw.binomial(requests, chance)
    mean, seconds = cluster
    events = draw.poisson(requests * chance / mean)
    sizes = draw.geometric(1 / mean, events.sum())
    # Where each error of a cluster falls: its pod, and its second within the cluster's time.
    second, pod = (
        np.repeat(np.repeat(where, events[events > 0]), sizes) for where in np.nonzero(events)
    )
    second = np.minimum(second + draw.integers(0, seconds, second.size), SECONDS - 1)
    bad = np.zeros((SECONDS, _PODS), dtype=np.int64)
    np.add.at(bad, (second, pod), 1)
    return requests, np.minimum(bad, requests)


def latency_traffic(
    draw: Draw,
    *,
    rate: float = 100.0,
    factor: float = 1.0,
    slow: float = 0.0,
    noise: float = 0.0,
    slowdown: Sequence[int] = (),
) -> Traffic:
    """Draw lognormal latencies into buckets: a median of 100 ms, 1 % above 404 ms.

    :param factor: by how much every request of the canary takes longer.
    :param slow: which share of the canary's requests takes 2 s longer.
    :param noise: standard deviation of a slow wave both arms share (logarithmic).
    :param slowdown: first and last second of a shared slowdown by 2.
    """
    shift = _wave(draw, noise)
    if slowdown:
        shift[slowdown[0] : slowdown[1]] += np.log(2.0)
    requests = draw.poisson(rate, SECONDS)
    arm = draw.binomial(requests, 0.1)
    canary = (1 - slow) * _below(shift + np.log(factor)) + slow * _below(
        shift + np.log(factor), later=2.0
    )
    return Traffic(
        canary=arm,
        canary_bad=_slower(draw, arm, canary),
        stable=requests - arm,
        stable_bad=_slower(draw, requests - arm, _below(shift)),
        boundaries=BUCKETS,
    )


def _wave(draw: Draw, noise: float) -> NDArray[np.float64]:
    """Return an AR(1) process with a memory of 50 s."""
    wave = np.zeros(SECONDS)
    if noise:
        memory = 0.98
        steps = draw.normal(0.0, noise * np.sqrt(1 - memory**2), SECONDS)
        value = draw.normal(0.0, noise)
        for second in range(SECONDS):
            value = memory * value + steps[second]
            wave[second] = value
    return wave


def _below(shift: NDArray[np.float64], later: float = 0.0) -> NDArray[np.float64]:
    """Return the chance a second to be answered within each boundary."""
    edges = np.array(BUCKETS) - later
    safe = np.log(np.maximum(edges, 1e-12))
    found = special.ndtr((safe[None, :] - _LOG_MEDIAN - shift[:, None]) / _LOG_SPREAD)
    return np.asarray(np.where(edges > 0, found, 0.0))


def _slower(draw: Draw, requests: Counts, below: NDArray[np.float64]) -> Counts:
    cells = np.diff(below, axis=1, prepend=0.0, append=1.0)
    found = draw.multinomial(requests, np.clip(cells, 0.0, 1.0))
    return np.asarray(found[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:])

"""Which releases are drawn, and what the method's own simulation found for them.

`expected` are medians in seconds of the gates at 5 and 15 s; `means` those of the uncorrected test
at 1, 5 and 15 s. `most` is the share of healthy releases that may be stopped, beyond two standard
errors, and `most_of` that of single detectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmarks.judgement.gates import THREE_AGREE
from benchmarks.judgement.traffic import (
    SECONDS,
    Draw,
    Traffic,
    error_traffic,
    latency_traffic,
    pod_traffic,
    skewed_traffic,
)

__all__ = ["ERRORS", "HEALTHY", "LATENCY", "PODS", "SKEWED", "TABLES", "Case"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of release; `finest` is the shortest interval, in seconds, at which it is judged."""

    name: str
    draw: Callable[[Draw], Traffic]
    finest: int = 1
    healthy: bool = False
    expected: tuple[float, float] | None = None
    means: tuple[float, float, float] | None = None
    most: float = 0.01
    most_of: Mapping[str, float] = field(default_factory=dict)


def _bad(rate: float, stable: float, canary: float) -> Callable[[Draw], Traffic]:
    return lambda draw: error_traffic(draw, rate=rate, stable=stable, canary=canary)


def _case(
    rate: float,
    stable: float,
    canary: float,
    expected: tuple[float, float],
    means: tuple[float, float, float] | None = None,
) -> Case:
    name = f"{rate:g} rps {100 * stable:g} -> {100 * canary:g} %"
    return Case(name=name, draw=_bad(rate, stable, canary), expected=expected, means=means)


# Published medians of 2,000 releases each, 10 % canary.
ERRORS = (
    _case(100, 0.001, 0.01, (70, 90), (59.6, 62.2, 69.2)),
    _case(100, 0.001, 0.02, (30, 45)),
    _case(100, 0.001, 0.05, (15, 45), (7.8, 9.7, 16.1)),
    _case(100, 0.001, 0.20, (10, 30)),
    _case(100, 0.001, 1.0, (10, 30), (1.0, 5.0, 15.0)),
    _case(100, 0.005, 0.01, (670, 705), (356.9, 362.0, 380.0)),
    _case(100, 0.005, 0.02, (80, 90), (59.1, 62.5, 70.2)),
    _case(100, 0.005, 0.05, (20, 45), (12.6, 14.9, 20.6)),
    _case(100, 0.005, 0.20, (10, 30), (2.4, 5.1, 15.0)),
    _case(100, 0.005, 1.0, (10, 30)),
    _case(1, 0.005, 0.05, (1290, 1260)),
    _case(1, 0.005, 0.20, (220, 225)),
    _case(1, 0.005, 1.0, (45, 60)),
    _case(10, 0.005, 0.05, (130, 150)),
    _case(10, 0.005, 0.20, (25, 45)),
    _case(10, 0.005, 1.0, (15, 30)),
    _case(1000, 0.001, 0.005, (30, 45), (19.4, 22.7, 28.4)),
    _case(1000, 0.001, 0.01, (15, 45)),
    _case(1000, 0.001, 0.05, (10, 30)),
)


def _both(rate: float, errors: object, **more: object) -> Callable[[Draw], Traffic]:
    """Both arms the same: whatever stops this release is wrong."""
    return lambda draw: error_traffic(
        draw,
        rate=rate,
        stable=errors,
        canary=errors,
        **more,  # type: ignore[arg-type]
    )


def _incident(seconds: int) -> object:
    rate = np.full(SECONDS, 0.001)
    rate[600 : 600 + seconds] = 0.05
    return rate


def _blips(draw: Draw) -> Traffic:
    """Draw little traffic with short shared faults: a canary's request may fall into one alone."""
    rate = np.full(SECONDS, 0.005)
    for second in np.flatnonzero(draw.random(SECONDS) < 1 / 60):
        rate[second : second + 3] = 0.5
    return error_traffic(draw, rate=3, stable=rate, canary=rate)


_TIME = np.arange(SECONDS)
_WAVE = 0.003 + 0.0027 * np.sin(2 * np.pi * _TIME / 600)
_BURSTS = np.where(_TIME % 60 < 10, 400.0, 40.0)
_STEPS = np.repeat([0.05, 0.1, 0.2, 0.3, 0.4, 0.5], SECONDS // 6)
_RAMP = np.linspace(0.001, 0.016, SECONDS)

HEALTHY = tuple(
    Case(name=name, draw=draw, healthy=True)
    for name, draw in (
        ("100 rps at 0.1 %", _both(100, 0.001)),
        ("100 rps at 0.5 %", _both(100, 0.005)),
        ("100 rps at 0.8 %", _both(100, 0.008)),
        ("100 rps at 2 %", _both(100, 0.02)),
        ("1 rps at 0.5 %", _both(1, 0.005)),
        ("shared incident 5 %, 2 min", _both(100, _incident(120))),
        ("shared incident 5 %, 5 min", _both(100, _incident(300))),
        ("shared wave 0.03 to 0.57 %", _both(100, _WAVE)),
        ("traffic bursts x10 at 0.5 %", _both(_BURSTS, 0.005)),  # type: ignore[arg-type]
        ("3 rps, shared blips of 3 s", _blips),
        ("weights 5 to 50 %, shared ramp", _both(100, _RAMP, share=_STEPS)),
        ("error clusters of 3, one arm each", _both(100, 0.005, cluster=3.0)),
        ("error clusters of 10, one arm each", _both(100, 0.005, cluster=10.0)),
    )
)


def _pods(canary: float = 0.005, **more: object) -> Callable[[Draw], Traffic]:
    return lambda draw: pod_traffic(
        draw,
        rate=100,
        stable=0.005,
        canary=canary,
        **more,  # type: ignore[arg-type]
    )


_THREES, _TENS = (3.0, 3), (10.0, 5)
PODS = (
    Case(name="20 pods, independent errors", draw=_pods(), healthy=True),
    Case(name="clusters of 3 in 3 s", draw=_pods(cluster=_THREES), healthy=True),
    Case(name="clusters of 10 in 5 s", draw=_pods(cluster=_TENS), healthy=True),
    Case(name="pod shocks 5 % for 20 s", draw=_pods(shocks=True), healthy=True),
    # Two pods that are worse are worse: only more canary pods or a larger tolerance help.
    Case(name="pods differ by 30 %", draw=_pods(spread=0.3), healthy=True, most=0.016),
    Case(name="clusters of 3, 0.5 -> 2 %", draw=_pods(0.02, cluster=_THREES), expected=(360, 375)),
    Case(name="clusters of 3, 0.5 -> 5 %", draw=_pods(0.05, cluster=_THREES), expected=(60, 75)),
    Case(name="clusters of 3, 0.5 -> 20 %", draw=_pods(0.2, cluster=_THREES), expected=(15, 45)),
    Case(name="clusters of 3, 0.5 -> 100 %", draw=_pods(1.0, cluster=_THREES), expected=(10, 30)),
    Case(name="clusters of 10, 0.5 -> 2 %", draw=_pods(0.02, cluster=_TENS), expected=(1280, 1335)),
    Case(name="clusters of 10, 0.5 -> 5 %", draw=_pods(0.05, cluster=_TENS), expected=(215, 225)),
    Case(name="clusters of 10, 0.5 -> 20 %", draw=_pods(0.2, cluster=_TENS), expected=(35, 45)),
    Case(name="clusters of 10, 0.5 -> 100 %", draw=_pods(1.0, cluster=_TENS), expected=(15, 30)),
    Case(name="pod shocks, 0.5 -> 2 %", draw=_pods(0.02, shocks=True), expected=(120, 135)),
    Case(name="pod shocks, 0.5 -> 5 %", draw=_pods(0.05, shocks=True), expected=(25, 45)),
    Case(name="pod shocks, 0.5 -> 20 %", draw=_pods(0.2, shocks=True), expected=(15, 30)),
    Case(name="pod shocks, 0.5 -> 100 %", draw=_pods(1.0, shocks=True), expected=(10, 30)),
)


def _skewed(incident: float, seconds: int, most: float = 0.01) -> Case:
    return Case(
        name=f"{100 * incident:g} % fail for a minute, canary read {seconds} s later",
        draw=lambda draw: skewed_traffic(draw, incident=incident, skew=seconds),
        # A source with news every 5 s reads its targets within 5 s.
        finest=5 if seconds < 5 else 15,
        healthy=True,
        most=most,
        most_of={THREE_AGREE.name: 0.0005},
    )


# Both arms suffer the same; only that the canary's counters are read later makes them differ. What
# was published for total outages lies above the budget: such an incident is not every release's.
SKEWED = (
    _skewed(0.05, 4),
    _skewed(0.5, 4),
    _skewed(1.0, 4, 0.011),
    _skewed(0.05, 7),
    _skewed(0.5, 7),
    _skewed(1.0, 7, 0.011),
    _skewed(0.05, 14),
    _skewed(0.5, 14, 0.015),
    _skewed(1.0, 14, 0.023),
)


def _latency(
    name: str, *, healthy: bool = False, expected: tuple[float, float] | None = None, **more: object
) -> Case:
    return Case(
        name=name,
        draw=lambda draw: latency_traffic(draw, **more),  # type: ignore[arg-type]
        # Eleven boundaries every second would take hours.
        finest=5,
        healthy=healthy,
        expected=expected,
    )


LATENCY = (
    _latency("latency, no change", healthy=True),
    _latency("latency, shared noise", healthy=True, noise=0.1),
    _latency("latency, shared slowdown x2, 5 min", healthy=True, slowdown=(600, 900)),
    # A tenth slower is within the tolerance: it is not to be stopped.
    _latency("canary x1.1", expected=(SECONDS, SECONDS), factor=1.1),
    _latency("canary x1.2", expected=(95, 120), factor=1.2),
    _latency("canary x1.5", expected=(20, 45), factor=1.5),
    _latency("canary x2", expected=(15, 45), factor=2.0),
    _latency("1 % take 2 s more", expected=(60, 75), slow=0.01),
    _latency("5 % take 2 s more", expected=(20, 45), slow=0.05),
)

TABLES = {
    "errors of the canary": ERRORS,
    "healthy releases": HEALTHY,
    "pods whose errors are not independent": PODS,
    "arms that are not read at once": SKEWED,
    "latency": LATENCY,
}

"""The judge's parameters, with every default in one place and the reason beside it.

A spec is translated into these values once; nothing else decides how a release is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ASK_SECONDS",
    "DEFAULT_MIN_REQUESTS",
    "ArgoLimits",
    "Comparison",
    "JudgeParams",
    "Margin",
    "Metric",
    "Mode",
    "OnError",
    "OnInconclusive",
    "Policies",
    "Promote",
    "Promotion",
    "Question",
    "Semantics",
    "Threshold",
    "Unit",
    "usual_min_intervals",
]


# On fewer requests the sizes of both arms are luck; ten times more would hold up small services.
DEFAULT_MIN_REQUESTS = 100

# How long a gate waits for a person's answer: over a night, and not over a holiday.
ASK_SECONDS = 86_400.0


# From this resolution on an incident that both arms share may fill a whole interval of one of them.
_SLOW_SECONDS = 30.0


class Mode(StrEnum):
    """`act` stops a bad release; `observe` judges and records and never acts."""

    ACT = "act"
    OBSERVE = "observe"


class Semantics(StrEnum):
    """Whose rules the checks at each interval follow."""

    ARGO = "argo"
    FLAGGER = "flagger"
    NATIVE = "native"


class Promote(StrEnum):
    """When a good step ends: as soon as that is shown, or when its hold is over."""

    ON_EVIDENCE = "on_evidence"
    ON_TIME = "on_time"


class Unit(StrEnum):
    """What a comparison deals out at random: single requests, or the pods that answer them."""

    PODS = "pods"
    REQUESTS = "requests"


class OnInconclusive(StrEnum):
    """What becomes of a step that keeps its limits and is not shown to be no worse than stable.

    `weigh` lets it pass unless something speaks against the canary; then it holds, for as long as
    it may without its deadline stopping a release that nothing has stopped.
    """

    ASK = "ask"
    HOLD = "hold"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    WEIGH = "weigh"


class OnError(StrEnum):
    """What becomes of a step whose metrics cannot be read; nothing unknown lets it pass."""

    ASK = "ask"
    HOLD = "hold"
    ROLLBACK = "rollback"


class Question(StrEnum):
    """What a metric asks; the adapter of the metric system turns it into a query."""

    ERRORS = "errors"
    LATENCY = "latency"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Limits on the checked value, in the unit in which it is shown.

    Equality passes. Errors are checked as success rate in percent under Flagger semantics and as
    a share 0..1 under native ones; latency is checked in milliseconds (Flagger) or seconds.
    """

    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgoLimits:
    """What Argo Rollouts tolerates of one metric; one more ends it.

    :param failure_limit: failed measurements in the whole release; -1: any number.
    :param consecutive_error_limit: measurements in a row that could not be made.
    :param consecutive_success_limit: successes in a row that end the measuring well; 0: none do.
    :param count: measurements after which the metric is done; 0: it is measured to the end.
    """

    failure_limit: int = 0
    inconclusive_limit: int = 0
    consecutive_error_limit: int = 4
    consecutive_success_limit: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One question of the gate.

    :param name: the user's name for it, unique in the spec.
    :param quantile: for latency, for example 0.99.
    :param threshold: the counted check at each interval (Flagger) or at the end of hold (native).
    :param failure: under Argo semantics the limits beyond which a measurement failed; one that
        lies within them and not within `threshold` is inconclusive. None: what misses the
        threshold failed.
    :param argo: what is tolerated under Argo semantics.
    :param guardrail: largest share of bad requests the sequential one-arm test accepts (0..1);
        for latency the share slower than `boundary_seconds`. None: no guardrail.
    :param boundary_seconds: for a latency guardrail, the limit X of "P99 <= X".
    :param compare: whether the canary is compared with the stable arm.
    :param weight: part of the false-alarm budget; the weights of the acting metrics sum to 1.
    :param window_seconds: how far back a check looks.
    :param query: the metric system's own query, for `Question.VALUE` or an overriding query.
    """

    name: str
    question: Question
    quantile: float | None = None
    threshold: Threshold | None = None
    failure: Threshold | None = None
    argo: ArgoLimits = ArgoLimits()
    guardrail: float | None = None
    boundary_seconds: float | None = None
    compare: bool = True
    weight: float = 0.5
    window_seconds: float = 60.0
    mode: Mode = Mode.ACT
    query: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Parameters of the sequential comparison; formulas A, D, E, F of the published method.

    :param tolerance: odds ratio that is not regarded as a regression.
    :param absolute: share of requests, 0..1, by which the canary may be worse on top of that; above
        0 shares are compared and not odds, which takes half as long again.
    :param min_intervals: capped intervals that must agree before the limit can be reached.
    :param restart_share: share of the budget kept for regressions that start late.
    :param planned_intervals: over how many intervals that share is spread.
    :param dispersion: phi >= 1; None means no history was given, which counts as 4.
    :param unit: pods need a source that names them, about ten of them, and equal traffic for each.
    :param exact_limit: terms above which the closed form replaces the exact one.
    """

    enabled: bool = True
    tolerance: float = 1.25
    absolute: float = 0.0
    min_intervals: int = 2
    restart_share: float = 0.2
    planned_intervals: int = 360
    dispersion: float | None = None
    unit: Unit = Unit.REQUESTS
    exact_limit: int = 500


def usual_min_intervals(every_seconds: float) -> int:
    """Return how many intervals have to agree if nobody says it.

    Slow sources read their targets far apart, and a shared incident shows in one arm first.
    """
    return 2 if every_seconds < _SLOW_SECONDS else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What still counts as not worse: canary share < multiplier x stable share + absolute."""

    multiplier: float
    absolute: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """When a step may end before its hold is over.

    :param beta: chance of promoting early a canary that is at the margin, a metric.
    :param min_duration_seconds: a step is judged at least that long, or its hold if that is
        shorter: some faults need a minute of load to show.
    :param errors: margin of error rates; wider than the comparison's tolerance, or a canary could
        be too good to stop and too bad to promote for ever.
    :param latency: margin of the share slower than each bucket's boundary.
    """

    when: Promote = Promote.ON_TIME
    beta: float = 0.05
    min_duration_seconds: float = 60.0
    errors: Margin = Margin(multiplier=1.25, absolute=0.005)
    latency: Margin = Margin(multiplier=1.5, absolute=0.005)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What becomes of a step that shows nothing either way, or that cannot be measured.

    :param consecutive_error_limit: failed readings in a row; more of them are for `on_error`.
    """

    on_inconclusive: OnInconclusive = OnInconclusive.WEIGH
    on_error: OnError = OnError.HOLD
    consecutive_error_limit: int = 4

    @property
    def needs_proof(self) -> bool:
        """Say whether a step passes only once it is shown to be no worse than stable."""
        return self.on_inconclusive not in (OnInconclusive.PROMOTE, OnInconclusive.WEIGH)

    @property
    def ask_seconds(self) -> float:
        """Return how long a gate may wait for a person beyond its deadline."""
        asks = self.on_inconclusive is OnInconclusive.ASK or self.on_error is OnError.ASK
        return ASK_SECONDS if asks else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeParams:
    """Everything the judge needs to know about a release.

    :param interval_seconds: time between two counted checks.
    :param failure_limit: failed checks that end the release (the check that reaches it fails it);
        under Argo semantics each metric has limits of its own instead.
    :param alpha: chance of rolling back a healthy release, over all steps, looks and metrics.
    :param min_requests: canary requests a step needs before it can pass (native); to pass before
        its hold is over it needs as many of stable.
    :param warmup_seconds: time after the first write that is counted but not compared.
    :param policies: of native rules; the other tools' rules have their own.
    """

    semantics: Semantics
    metrics: tuple[Metric, ...]
    interval_seconds: float
    failure_limit: int
    alpha: float = 0.01
    min_requests: int = 0
    warmup_seconds: float = 0.0
    comparison: Comparison = Comparison()
    promotion: Promotion = Promotion()
    policies: Policies = Policies()
    mode: Mode = Mode.ACT

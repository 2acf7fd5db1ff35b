"""What the demo releases: the example DAG, what is wrong with each version, how it should end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.demo.processes import LabError
from airflow_rollout.release import Outcome
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import RolloutSpec

__all__ = [
    "FIRST_VERSION",
    "ROLLOUT",
    "VERSIONS",
    "DemoVersion",
    "FileRules",
    "Story",
    "file_rules",
    "find_dags",
]

ROLLOUT = "payment-service"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoVersion:
    """One version that the demo releases.

    :param fault: what is wrong with it, in words.
    :param words: what it is, where that is not its fault.
    :param interval: the interval in the release's conf, None for the file's own.
    :param rollout: whose version it is.
    """

    name: str
    fault: str
    expected: Outcome
    error_rate: float = 0.0
    latency_ms: float = 0.0
    exit_after_seconds: float | None = None
    interval: str | None = None
    words: str = ""
    rollout: str = ROLLOUT

    @property
    def title(self) -> str:
        """Return the rollout, the version and what it is."""
        return f"{self.rollout} {self.name}: {self.words or self.fault}"


FIRST_VERSION = DemoVersion(
    name="v1",
    fault="nothing",
    words="the first version ever, it becomes the stable one",
    expected=Outcome.PROMOTED,
    interval="5s",
)

VERSIONS = (
    DemoVersion(
        name="v2",
        fault="5 % of requests answer 500",
        expected=Outcome.ROLLED_BACK,
        error_rate=0.05,
    ),
    DemoVersion(
        name="v3",
        fault="every request 600 ms slower",
        expected=Outcome.ROLLED_BACK,
        latency_ms=600.0,
    ),
    DemoVersion(
        name="v4",
        fault="exits 5 s after its first request",
        expected=Outcome.ROLLED_BACK,
        exit_after_seconds=5.0,
    ),
    # A person at a laptop does not wait the file's six minutes to see a good version promoted.
    DemoVersion(
        name="v5",
        fault="nothing",
        words="a good version",
        expected=Outcome.PROMOTED,
        interval="5s",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRules:
    """What the demo reads from the example's file.

    :param slow_ms: from when on the file calls a request slow.
    :param has_other_reading: whether other tools read the same file, by interval x threshold.
    """

    failure_limit: int
    interval_seconds: float
    slow_ms: float | None
    has_other_reading: bool = True

    @property
    def interval_alone_seconds(self) -> float | None:
        """Return what a bad version costs when the file is read by interval x threshold alone.

        Flagger looks once an interval and rolls back at the look after the one that exhausts the
        threshold, so (N + 1) x I from the first write. None where nobody reads it so.
        """
        if not self.has_other_reading:
            return None
        return (self.failure_limit + 1) * self.interval_seconds

    @property
    def computation(self) -> str:
        """Return how `interval_alone_seconds` is computed."""
        return (
            f"({self.failure_limit} + 1) x {self.interval_seconds:g} s = "
            f"{(self.failure_limit + 1) * self.interval_seconds:g} s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What one demo tells.

    :param rollout: the rollout's name, and the service's.
    :param versions: what is released, in this order.
    """

    rollout: str
    versions: tuple[DemoVersion, ...]
    rules: FileRules


def find_dags() -> Path:
    """Return the folder of the example DAGs: the clone's own, or its copy in an installed wheel."""
    folders = (Path(__file__).parents[2] / "dags", Path(__file__).with_name("dags"))
    for folder in folders:
        if _spec_file(folder).is_file():
            return folder
    raise LabError(
        f"the example {ROLLOUT}.yaml is in none of {', '.join(str(folder) for folder in folders)}"
    )


def file_rules(dags: Path) -> FileRules:
    """Read the example's file; its DAG says what the file cannot, which makes no difference here.

    :raises SpecError: somebody has changed the file and broken it.
    """
    return rules_of(load_spec(_spec_file(dags), bindings=Bindings().filled()))


def rules_of(spec: RolloutSpec) -> FileRules:
    """Return the rules of a spec."""
    limits = [
        metric.threshold.maximum
        for metric in spec.judge.metrics
        if metric.question is Question.LATENCY and metric.threshold is not None
    ]
    return FileRules(
        failure_limit=spec.judge.failure_limit,
        interval_seconds=spec.judge.interval_seconds,
        slow_ms=min((limit for limit in limits if limit is not None), default=None),
    )


def _spec_file(dags: Path) -> Path:
    return dags / "specs" / f"{ROLLOUT}.yaml"

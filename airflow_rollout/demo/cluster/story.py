"""What the demo on a cluster releases: versions that are images of Python, and their rollout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_rollout.demo.example import DemoVersion, FileRules, Story
from airflow_rollout.release import Outcome

__all__ = [
    "DEFAULT_IMAGES",
    "LOAD_CONN_ID",
    "ROLLOUT",
    "ROUTER_CONN_ID",
    "STABLE",
    "STORY",
    "ImageVersion",
    "behaviours",
    "image_of",
    "write_dags",
]

ROLLOUT = "checkout"
ROUTER_CONN_ID = "cluster"
LOAD_CONN_ID = "load"

# Public, small, and of every architecture that a laptop's cluster has.
DEFAULT_IMAGES = "python:{version}-alpine"

# A moment in which a connection had to be tried again is within the last five seconds at three
# checks. It must not end a good release, so it takes one more.
_INTERVAL_SECONDS = 2
_FAILURE_LIMIT = 4
# At 20 % of the requests the canary has about a hundred in five seconds: these limits let a few of
# them be lost or late. Bad versions are far beyond both.
_SLOW_SECONDS = 0.5
_ERROR_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageVersion:
    """One version of the service: an image, and what is wrong with what runs in it.

    :param python: minor version of Python, by which a pod knows which version it is.
    """

    shown: DemoVersion
    python: str
    exit_after_requests: int = 0


def _version(name: str, fault: str, expected: Outcome, **more: Any) -> DemoVersion:
    return DemoVersion(name=name, fault=fault, expected=expected, rollout=ROLLOUT, **more)


STABLE = ImageVersion(
    shown=_version("v1", "nothing", Outcome.PROMOTED, words="the version that runs"),
    python="3.11",
)

_RELEASED = (
    ImageVersion(
        shown=_version("v2", "20 % of requests answer 500", Outcome.ROLLED_BACK, error_rate=0.2),
        python="3.12",
    ),
    ImageVersion(
        shown=_version("v3", "every request 600 ms slower", Outcome.ROLLED_BACK, latency_ms=600.0),
        python="3.13",
    ),
    ImageVersion(
        shown=_version("v4", "exits after 40 requests, each pod", Outcome.ROLLED_BACK),
        python="3.10",
        exit_after_requests=40,
    ),
    ImageVersion(
        shown=_version("v5", "nothing", Outcome.PROMOTED, words="a good version"), python="3.14"
    ),
)

STORY = Story(
    rollout=ROLLOUT,
    versions=tuple(version.shown for version in _RELEASED),
    rules=FileRules(
        failure_limit=_FAILURE_LIMIT,
        interval_seconds=_INTERVAL_SECONDS,
        slow_ms=1000.0 * _SLOW_SECONDS,
        has_other_reading=False,
    ),
)

_VERSIONS = {version.shown.name: version for version in (STABLE, *_RELEASED)}

# The answers of the last seconds are one number each, which is held against its limit at every
# check: nobody counts them where pods are moved behind one Service. Four pods: 20 % is one of five.
_SPEC = f"""\
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {{name: {ROLLOUT}, namespace: NAMESPACE}}
spec:
  workload: {{kind: deployment}}
  traffic: {{router: replicas, service: {ROLLOUT}, conn_id: {ROUTER_CONN_ID}}}
  canary:
    steps: [{{weight: 20, hold: 10s}}, {{weight: 50, hold: 10s}}]
    verify: 10s
  # An image may have to be fetched first.
  ready_timeout: 5m
  analysis:
    source: {{provider: web, conn_id: {LOAD_CONN_ID}, every: 1s}}
    semantics: flagger
    interval: {_INTERVAL_SECONDS}s
    failure_limit: {_FAILURE_LIMIT}
    metrics:
    - name: error_share
      max: {_ERROR_SHARE}
      query: "/arms/{{{{ arm }}}} $.error_share"
    - name: p90_seconds
      max: {_SLOW_SECONDS}
      query: "/arms/{{{{ arm }}}} $.p90_seconds"
"""

_DAG = f"""\
from airflow_rollout import rollout_dag

rollout_dag("{ROLLOUT}.yaml")
"""


def image_of(name: str, images: str) -> str:
    """Return the image of a version.

    :param images: the images' name with `{version}` in it.
    """
    return images.replace("{version}", _VERSIONS[name].python)


def behaviours() -> dict[str, dict[str, Any]]:
    """Return what the service's script reads: minor version of Python -> what is wrong with it."""
    return {
        version.python: {
            "version": version.shown.name,
            "error_rate": version.shown.error_rate,
            "latency_seconds": version.shown.latency_ms / 1000.0,
            "exit_after_requests": version.exit_after_requests,
        }
        for version in _VERSIONS.values()
    }


def write_dags(folder: Path, namespace: str) -> Path:
    """Write the rollout and its DAG into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{ROLLOUT}.yaml").write_text(_SPEC.replace("NAMESPACE", namespace))
    (folder / f"{ROLLOUT}.py").write_text(_DAG)
    return folder

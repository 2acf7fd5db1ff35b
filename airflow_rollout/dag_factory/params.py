"""What one release may say: its version, where it serves, and how it is hurried."""

from __future__ import annotations

from airflow.sdk import Param

from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.workloads.registry import TARGETS

__all__ = ["at_most", "release_params", "target_name"]

# Python's `$` also matches before a line end at the very end; in a browser this adds nothing.
_END = r"$(?!\n)"

# Names become file contents, labels and lines a person reads: no spaces, no markup, no braces.
_VERSION = r"^[A-Za-z0-9][A-Za-z0-9._~+:@/-]{0,127}" + _END


def target_name(spec: RolloutSpec) -> str:
    """Return the parameter that says where the canary comes from: ``url``, ``image`` ..."""
    return TARGETS[spec.workload.kind].name


def release_params(spec: RolloutSpec) -> dict[str, Param]:
    """Return the parameters of a release, as JSON schemas that Airflow's API enforces.

    A value that must be given has the default None, which its own schema refuses, instead of no
    default: Airflow 3.3's triggerer dies of a parameter without one when it starts a task's
    trigger, and takes every other gate with it.
    """
    target = TARGETS[spec.workload.kind]
    longest = int(spec.judge.interval_seconds)
    return {
        "version": Param(
            default=None,
            type="string",
            pattern=_VERSION,
            title="Version",
            description="Name of the new version, for example a tag or a commit",
        ),
        target.name: Param(
            default=None,
            type="string",
            pattern=target.pattern.removesuffix("$") + _END,
            title=target.title,
            description=target.description,
        ),
        "interval": Param(
            default=None,
            type=["null", "string"],
            pattern=f"^{at_most(longest)}s{_END}",
            title="Interval",
            description=f"Time between two checks in this release, 1s to {longest}s",
        ),
        "dispersion": Param(
            default=None,
            type=["null", "number"],
            minimum=1,
            maximum=1000,
            title="Dispersion",
            description="How far errors come in clusters: 1 means independent requests",
        ),
        **_hotfix_params(),
    }


def _hotfix_params() -> dict[str, Param]:
    return {
        "skip_analysis": Param(
            default=False,
            type="boolean",
            title="Skip analysis",
            description="For a hotfix: nobody judges this release, every gate passes at once",
        ),
        "reason": Param(
            default=None,
            type=["null", "string"],
            minLength=1,
            maxLength=500,
            title="Reason",
            description="Why the analysis is skipped; stands in the release's record",
        ),
    }


def at_most(largest: int) -> str:
    """Return a pattern for the whole numbers 1 to `largest`, without leading zeros.

    JSON schema can bound a number but not the number inside a text like ``5s``.
    """
    digits = str(largest)
    branches = [f"[1-9][0-9]{{0,{len(digits) - 2}}}"] if len(digits) > 1 else []
    for index, digit in enumerate(digits):
        lowest = 1 if index == 0 else 0
        if int(digit) - 1 >= lowest:
            rest = len(digits) - index - 1
            tail = f"[0-9]{{{rest}}}" if rest else ""
            branches.append(f"{digits[:index]}[{lowest}-{int(digit) - 1}]{tail}")
    return f"(?:{'|'.join([*branches, digits])})"

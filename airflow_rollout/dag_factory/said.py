"""What a call of the factory or the `[rollout]` section says that a document cannot say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, TypeVar

from airflow.sdk.configuration import conf

from airflow_rollout.analysis.parameters import Mode, Promote
from airflow_rollout.errors import SpecError
from airflow_rollout.hooks.adapters import make_adapters
from airflow_rollout.metrics.registry import PROVIDERS
from airflow_rollout.spec.bindings import Bindings, Known
from airflow_rollout.spec.dialects import why_unsupported
from airflow_rollout.spec.durations import parse_duration
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.spec.model import OnBusy, Options, RolloutSpec
from airflow_rollout.traffic.registry import ROUTERS
from airflow_rollout.workloads.registry import WORKLOADS

__all__ = ["Said", "load", "setting"]

SECTION = "rollout"

T = TypeVar("T", Mode, OnBusy, Promote)


class Said(TypedDict, total=False):
    """Keyword arguments of `rollout_dag` and `rollout_task_group` about the release itself.

    Options are mappings of text to text, durations are written as in a spec (``"1s"``).
    """

    workload: str
    workload_options: Mapping[str, str]
    router: str
    router_conn_id: str
    router_service: str
    router_options: Mapping[str, str]
    provider: str
    provider_conn_id: str
    provider_options: Mapping[str, str]
    every: str | float
    dispersion: float
    warmup: str | float
    comparison: bool
    promote: str
    mode: str
    metric_modes: Mapping[str, str]
    on_busy: str


def setting(name: str, fallback: str = "") -> str:
    """Return a value of the `[rollout]` section, `fallback` when it is not set."""
    value = conf.get(SECTION, name, fallback=fallback)
    return value if value else fallback


def load(file: str | Path, said: Said, ignore: Sequence[str]) -> RolloutSpec:
    """Load a rollout; what the call does not say comes from the `[rollout]` section.

    :raises SpecError: with the place, whatever is wrong.
    """
    known = Known(providers=PROVIDERS, routers=ROUTERS, workloads=WORKLOADS)
    spec = load_spec(file, bindings=_bindings(said), ignore=ignore, known=known)
    _refuse_unsupported(spec)
    make_adapters(spec)
    return spec


def _refuse_unsupported(spec: RolloutSpec) -> None:
    """Refuse what would silently not happen: a skipped confirm-promotion is not harmless."""
    if not spec.unsupported:
        return
    first, *others = spec.unsupported
    raise SpecError(
        f"cannot be executed: {why_unsupported(spec, first)}"
        + (f" (nor can {', '.join(others)})" if others else ""),
        file=spec.file,
        path=first,
        allowed=f"to take it out, or to agree that it is not executed: ignore={[first, *others]}",
    )


def _bindings(said: Said) -> Bindings:
    unknown = sorted(set(said) - set(Said.__annotations__))
    if unknown:
        raise TypeError(
            f"unknown argument {', '.join(unknown)}; allowed: {', '.join(Said.__annotations__)}"
        )
    return Bindings(
        workload=said.get("workload") or setting("workload") or None,
        workload_options=_options(said.get("workload_options")),
        router=said.get("router") or setting("router") or None,
        router_conn_id=said.get("router_conn_id") or setting("router_conn_id") or None,
        router_service=said.get("router_service"),
        router_options=_options(said.get("router_options")),
        provider=said.get("provider") or setting("provider") or None,
        provider_conn_id=said.get("provider_conn_id") or setting("provider_conn_id") or None,
        provider_options=_options(said.get("provider_options")),
        every_seconds=_seconds(said.get("every") or setting("every") or None, "every"),
        dispersion=said.get("dispersion"),
        warmup_seconds=_seconds(said.get("warmup"), "warmup"),
        comparison=said.get("comparison"),
        promote=_member(Promote, said.get("promote"), "promote"),
        mode=_member(Mode, said.get("mode"), "mode"),
        metric_modes=tuple(
            (name, Mode(_member(Mode, mode, f"metric_modes[{name}]") or Mode.ACT))
            for name, mode in (said.get("metric_modes") or {}).items()
        ),
        on_busy=_member(OnBusy, said.get("on_busy"), "on_busy"),
    )


def _options(options: Mapping[str, str] | None) -> Options:
    return tuple(sorted((str(name), str(value)) for name, value in (options or {}).items()))


def _seconds(value: str | float | None, name: str) -> float | None:
    if value is None:
        return None
    return float(value) if isinstance(value, int | float) else parse_duration(value, path=name)


def _member(kind: type[T], value: str | None, name: str) -> T | None:
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError as error:
        allowed = " or ".join(member.value for member in kind)
        raise SpecError("is not a choice", path=name, found=value, allowed=allowed) from error

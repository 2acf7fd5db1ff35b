"""What a foreign file cannot say: router, connections, workload kind, how to judge.

The document wins: a binding fills in what the document leaves out, so a site's defaults can never
change what a file says. A Flagger file says none of this, so there every binding takes effect.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from airflow_rollout.analysis.parameters import Mode, Promote
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.durations import LONGEST_SECONDS
from airflow_rollout.spec.model import LARGEST_DISPERSION, OnBusy, Options

__all__ = ["SHORTEST_EVERY_SECONDS", "UNBOUND", "Bindings", "Known"]

# Stands where a binding is missing and a tool only wants to read the rest of the file.
UNBOUND = "(not said)"

# Asking a metric system more often than this costs more than the seconds it could save.
SHORTEST_EVERY_SECONDS = 0.1

# binding -> its name as an argument of rollout_dag and in the [rollout] section.
_NEEDED = {
    "router": "router",
    "router_conn_id": "router_conn_id",
    "workload": "workload",
    "provider": "provider",
    "provider_conn_id": "provider_conn_id",
    "every_seconds": "every",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What the call or the site says about a document.

    :param router_service: the service's name at the router; the document's own by default.
    :param every_seconds: resolution of the comparison: how often the metric source is asked.
    :param comparison: False switches the comparison off; threshold rules stay.
    :param promote: whether a step may end before its hold is over, once the canary is surely no
        worse than stable.
    :param metric_modes: mode of single metrics by name; beats `mode`.
    """

    workload: str | None = None
    workload_options: Options = ()
    router: str | None = None
    router_conn_id: str | None = None
    router_service: str | None = None
    router_options: Options = ()
    provider: str | None = None
    provider_conn_id: str | None = None
    every_seconds: float | None = None
    provider_options: Options = ()
    dispersion: float | None = None
    warmup_seconds: float | None = None
    comparison: bool | None = None
    promote: Promote | None = None
    mode: Mode | None = None
    metric_modes: tuple[tuple[str, Mode], ...] = ()
    on_busy: OnBusy | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing, under the names a caller writes."""
        _check("every", self.every_seconds, SHORTEST_EVERY_SECONDS, LONGEST_SECONDS)
        _check("dispersion", self.dispersion, 1.0, LARGEST_DISPERSION)
        _check("warmup", self.warmup_seconds, 0.0, LONGEST_SECONDS)

    def missing(self) -> tuple[str, ...]:
        """Return the names of needed bindings that are not given, as a caller writes them."""
        return tuple(name for binding, name in _NEEDED.items() if getattr(self, binding) is None)

    def filled(self, *, but: str = "") -> Bindings:
        """Return bindings with a stand-in for whatever is missing, for tools that only read.

        :param but: the binding (as a caller writes it) that is left as it is.
        """
        missing = [
            binding for binding, name in _NEEDED.items()
            if name != but and getattr(self, binding) is None
        ]  # fmt: skip
        # One second suits every interval; it is never shown as if somebody had said it.
        stand_ins: dict[str, Any] = {
            binding: 1.0 if binding == "every_seconds" else UNBOUND for binding in missing
        }
        return replace(self, **stand_ins)

    def require(self, *, file: str | None) -> None:
        """Raise the `SpecError` that names every missing binding and where it can be given."""
        missing = self.missing()
        if missing:
            raise SpecError(
                f"this document cannot say {', '.join(missing)}",
                file=file,
                allowed="give each as an argument of rollout_dag(...) or in the [rollout] section "
                "of airflow.cfg",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The names the registries hold, as data; None means that the name is not checked.

    The adapters live above `spec`, so whoever loads a document passes their names in.
    """

    providers: Collection[str] | None = None
    routers: Collection[str] | None = None
    workloads: Collection[str] | None = None

    def fault(self, kind: str, name: str) -> str:
        """Return the allowed names when `name` is none of them, empty when it is fine.

        :param kind: ``provider``, ``router`` or ``workload``.
        """
        names = {"provider": self.providers, "router": self.routers, "workload": self.workloads}
        allowed = names[kind]
        if allowed is None or name == UNBOUND or name in allowed:
            return ""
        return ", ".join(sorted(allowed)) or "none is installed"


def _check(name: str, value: object, least: float, most: float) -> None:
    # Written so that NaN is refused as well.
    if value is None:
        return
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if number is None or not least <= number <= most:
        raise SpecError("is out of range", path=name, found=value, allowed=f"{least:g} to {most:g}")

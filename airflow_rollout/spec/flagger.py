"""The dialect of Flagger: a `flagger.app/v1beta1` Canary, with Flagger's meaning.

Weights, counted checks and limits mean what they mean to Flagger: strict comparisons, the first
check one interval after each write, one counter of failed checks for the whole release. Where we
differ on purpose:

* the interval may be as short as 1 s (Flagger raises anything below 10 s to 10 s), since a release
  may hurry the file's interval and the comparison works at the source's own resolution;
* fields Flagger would silently prune or replace by a default (unknown names, unreadable durations)
  are errors;
* after the last weight the canary carries all traffic for one more interval before it is promoted.
"""

from __future__ import annotations

from airflow_rollout.analysis.parameters import (
    DEFAULT_MIN_REQUESTS,
    Comparison,
    JudgeParams,
    Mode,
    Promote,
    Promotion,
    Semantics,
    usual_min_intervals,
)
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.context import Context, Dialect, split_ignored
from airflow_rollout.spec.durations import FLAGGER_DURATION, flagger_seconds
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.flagger_fields import REASONS, check_fields
from airflow_rollout.spec.flagger_metrics import read_metrics, unread_queries
from airflow_rollout.spec.flagger_queries import Variables
from airflow_rollout.spec.flagger_weights import read_weights
from airflow_rollout.spec.model import (
    SHORTEST_INTERVAL_SECONDS,
    MetricSource,
    OnBusy,
    RolloutSpec,
    Step,
    TrafficRef,
    WorkloadRef,
)
from airflow_rollout.spec.names import read_name

__all__ = ["FLAGGER"]

# Flagger's own defaults.
_DEFAULT_INTERVAL_SECONDS = 60.0
_DEFAULT_DEADLINE_SECONDS = 600
_DEFAULT_NAMESPACE = "default"

# Without these fields the document would be another kind of release, so agreeing to ignore them
# cannot be meant: Blue/Green has no weights, and a suspended canary must not move.
_NOT_IGNORABLE = ("spec.analysis.iterations", "spec.suspend")


def _read(document: Field, context: Context) -> RolloutSpec:
    top = document.entries()
    _check_shape(document, top)
    paths = check_fields(document)
    spec = _present(top["spec"])
    analysis = spec["analysis"]
    variables = _variables(top["metadata"], spec)
    paths += unread_queries(analysis, variables)
    ignored, unsupported = split_ignored(paths, context)
    _check_ignored(ignored, context)
    context.bindings.require(file=context.file)
    weights = read_weights(analysis)
    interval = _interval(_present(analysis), context)
    return RolloutSpec(
        name=variables.name,
        namespace=variables.namespace,
        dialect=FLAGGER.name,
        workload=_workload(variables.target, context),
        traffic=_traffic(variables, context),
        source=_source(context),
        steps=tuple(Step(weight=weight, hold_seconds=interval) for weight in weights),
        verify_seconds=interval,
        judge=_judge(analysis, variables, interval, unsupported, context),
        on_busy=context.bindings.on_busy or OnBusy.QUEUE,
        ready_timeout_seconds=float(_deadline(spec)),
        ignored=ignored,
        unsupported=unsupported,
        file=context.file,
    )


FLAGGER = Dialect(name="flagger", read=_read, reasons=REASONS)


def _check_shape(document: Field, top: dict[str, Field]) -> None:
    """Refuse what lacks a required field, before its parts are looked at."""
    for name in ("metadata", "spec"):
        if name not in top or top[name].is_null:
            raise document.missing(name, "a mapping")
    spec = top["spec"].entries()
    if "canaryAnalysis" in spec:
        raise spec["canaryAnalysis"].error(
            "Flagger v1beta1 drops this old field", allowed="its content under spec.analysis"
        )
    for name in ("targetRef", "analysis"):
        if name not in spec or spec[name].is_null:
            raise top["spec"].missing(name, "a mapping; Flagger requires it")


def _check_ignored(ignored: tuple[str, ...], context: Context) -> None:
    for path in ignored:
        if path in _NOT_IGNORABLE:
            raise SpecError(
                f"cannot be ignored: {REASONS[path]}",
                file=context.file,
                path=path,
                allowed="taking it out of the file",
            )


def _variables(metadata: Field, spec: dict[str, Field]) -> Variables:
    name, namespace = _identity(metadata)
    target = _target_name(spec["targetRef"])
    ingress = _present(spec["ingressRef"]).get("name") if "ingressRef" in spec else None
    return Variables(
        name=name,
        namespace=namespace,
        target=target,
        service=_service(spec, target),
        ingress=None if ingress is None else ingress.text(),
    )


def _identity(metadata: Field) -> tuple[str, str]:
    fields = _present(metadata)
    if "name" not in fields:
        raise metadata.missing("name", "a name")
    namespace = fields.get("namespace")
    return read_name(fields["name"]), read_name(namespace) if namespace else _DEFAULT_NAMESPACE


def _workload(target: str, context: Context) -> WorkloadRef:
    bindings = context.bindings
    return WorkloadRef(
        kind=context.check_known("workload", bindings.workload or ""),
        name=target,
        options=bindings.workload_options,
    )


def _traffic(variables: Variables, context: Context) -> TrafficRef:
    bindings = context.bindings
    return TrafficRef(
        router=context.check_known("router", bindings.router or ""),
        service=bindings.router_service or variables.service,
        conn_id=bindings.router_conn_id or "",
        options=bindings.router_options,
    )


def _source(context: Context) -> MetricSource:
    bindings = context.bindings
    return MetricSource(
        provider=context.check_known("provider", bindings.provider or ""),
        conn_id=bindings.provider_conn_id or "",
        every_seconds=bindings.every_seconds or 0.0,
        options=bindings.provider_options,
    )


def _target_name(target: Field) -> str:
    fields = _present(target)
    for name in ("kind", "name"):
        if name not in fields:
            raise target.missing(name, "text; Flagger requires it")
    return read_name(fields["name"])


def _service(spec: dict[str, Field], target: str) -> str:
    """Return the apex name by Flagger's rule: the service's name, else the target's."""
    service = spec.get("service")
    if service is not None:
        fields = _present(service)
        if "port" not in fields:
            raise service.missing("port", "a port number; Flagger requires it")
        if "name" in fields and fields["name"].text():
            return read_name(fields["name"])
    return target


def _deadline(spec: dict[str, Field]) -> int:
    place = spec.get("progressDeadlineSeconds")
    if place is None:
        return _DEFAULT_DEADLINE_SECONDS
    seconds = place.integer()
    if seconds < 1:
        raise place.error("is too short", found=seconds, allowed="at least 1")
    return seconds


def _interval(analysis: dict[str, Field], context: Context) -> float:
    place = analysis.get("interval")
    seconds = _DEFAULT_INTERVAL_SECONDS
    if place is not None and place.text():
        seconds = place.parsed(flagger_seconds, FLAGGER_DURATION)
        if seconds < SHORTEST_INTERVAL_SECONDS:
            raise place.error("is too short", found=place.node.raw, allowed="at least 1s")
    every = context.bindings.every_seconds or 0.0
    if every > seconds:
        raise SpecError(
            "the metric source is asked less often than the checks need an answer",
            file=context.file,
            path="every",
            found=f"{every:g}s",
            allowed=f"at most the interval, {seconds:g}s",
        )
    return seconds


def _judge(
    analysis: Field,
    variables: Variables,
    interval: float,
    unsupported: tuple[str, ...],
    context: Context,
) -> JudgeParams:
    fields = _present(analysis)
    bindings = context.bindings
    comparison = bindings.comparison is not False
    promote = bindings.promote or Promote.ON_TIME
    metrics = read_metrics(analysis, variables, context)
    # A file whose metrics are all refused anyway is refused for that, with the better reason.
    if not metrics and not any(".metrics[" in path for path in unsupported):
        raise fields.get("metrics", analysis).error(
            "no metric is left to judge by, so nothing could stop a bad release",
            allowed="at least one metric that is executed",
        )
    return JudgeParams(
        semantics=Semantics.FLAGGER,
        metrics=metrics,
        interval_seconds=interval,
        # Flagger reads anything below 1 as 1.
        failure_limit=max(1, fields["threshold"].integer()) if "threshold" in fields else 1,
        # Flagger knows no least number of requests; only a promotion ahead of time needs one.
        min_requests=DEFAULT_MIN_REQUESTS if promote is Promote.ON_EVIDENCE else 0,
        warmup_seconds=bindings.warmup_seconds or 0.0,
        comparison=Comparison(
            enabled=comparison,
            min_intervals=usual_min_intervals(bindings.every_seconds or 0.0),
            dispersion=bindings.dispersion,
        ),
        promotion=Promotion(when=promote),
        mode=bindings.mode or Mode.ACT,
    )


def _present(place: Field) -> dict[str, Field]:
    """Return the fields that are not null: to Kubernetes those are absent."""
    return {name: field for name, field in place.entries().items() if not field.is_null}

"""Our own dialect: an `airflow-rollout/v1` Rollout, what people write who have no Flagger file.

```yaml
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {name: checkout, namespace: prod}    # namespace: default
spec:
  workload: {kind: endpoints}                   # further keys are the adapter's own options
  traffic: {router: traefik_file, service: checkout, conn_id: traefik_default}
  canary:
    steps: [{weight: 5, hold: 2m}, {weight: 25, hold: 5m}]
    verify: 5m                                  # at 100 %; default: the last hold
  analysis:
    source: {provider: scrape, conn_id: traefik_metrics, every: 1s}
    args: [{name: team, value: shop}]           # {{ args.team }} in queries
    metrics:
    - {name: http_500_rate, max: 1%}
    - {name: p99_latency, max: 400ms}
  on_busy: queue                                # or refuse
  ready_timeout: 10m
```

What a file leaves out, the call or the site may say (`Bindings`); what it says, stands.
`native_analysis` reads the rest of `analysis`, `native_metrics` the questions.
"""

from __future__ import annotations

from airflow_rollout.spec.context import Context, Dialect, split_ignored
from airflow_rollout.spec.durations import NATIVE_DURATION, native_seconds
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.model import OnBusy, RolloutSpec, Step, TrafficRef, WorkloadRef
from airflow_rollout.spec.names import option_texts, read_name
from airflow_rollout.spec.native_analysis import read_judge, read_source
from airflow_rollout.spec.query_args import known_fields

__all__ = ["NATIVE"]

_DEFAULT_NAMESPACE = "default"
_DEFAULT_READY_TIMEOUT_SECONDS = 600.0
_SHORTEST_HOLD_SECONDS = 1.0
_FULL = 100

_TOP = ("apiVersion", "kind", "metadata", "spec")
_METADATA = ("name", "namespace", "labels", "annotations")
_SPEC = ("workload", "traffic", "canary", "analysis", "on_busy", "ready_timeout")


def _read(document: Field, context: Context) -> RolloutSpec:
    top = document.entries(_TOP)
    for name in ("metadata", "spec"):
        if name not in top:
            raise document.missing(name, "a mapping")
    # Everything written is executed, so an entry of `ignore` can only be a mistake.
    split_ignored((), context)
    spec = top["spec"].entries(_SPEC)
    for name in ("canary", "analysis"):
        if name not in spec:
            raise top["spec"].missing(name, "a mapping")
    name, namespace = _identity(top["metadata"])
    known = known_fields(top["metadata"], name=name, namespace=namespace)
    steps, verify = _steps(spec["canary"])
    analysis = spec["analysis"]
    source = read_source(analysis, context)
    shortest = min([step.hold_seconds for step in steps] + [verify])
    return RolloutSpec(
        name=name,
        namespace=namespace,
        dialect=NATIVE.name,
        workload=_workload(top["spec"], spec.get("workload"), name, context),
        traffic=_traffic(top["spec"], spec.get("traffic"), name, context),
        source=source,
        steps=steps,
        verify_seconds=verify,
        judge=read_judge(analysis, source.every_seconds, shortest, known, context),
        on_busy=_on_busy(spec.get("on_busy"), context),
        ready_timeout_seconds=_ready_timeout(spec.get("ready_timeout")),
        file=context.file,
    )


NATIVE = Dialect(name="native", read=_read)


def _identity(metadata: Field) -> tuple[str, str]:
    fields = metadata.entries(_METADATA)
    if "name" not in fields:
        raise metadata.missing("name", "a name")
    for name in ("labels", "annotations"):
        if name in fields:
            option_texts(fields[name].entries(), ())
    namespace = fields.get("namespace")
    return read_name(fields["name"]), read_name(namespace) if namespace else _DEFAULT_NAMESPACE


def _workload(spec: Field, place: Field | None, name: str, context: Context) -> WorkloadRef:
    fields = place.entries() if place else {}
    kind = context.said(fields.get("kind"), context.bindings.workload)
    if kind is None:
        raise (place or spec).missing("kind" if place else "workload.kind", _or_call("workload"))
    return WorkloadRef(
        kind=context.check_known("workload", kind, fields.get("kind")),
        name=read_name(fields["name"]) if "name" in fields else name,
        options=option_texts(fields, ("kind", "name")) or context.bindings.workload_options,
    )


def _traffic(spec: Field, place: Field | None, name: str, context: Context) -> TrafficRef:
    fields = place.entries() if place else {}
    bindings = context.bindings
    router = context.said(fields.get("router"), bindings.router)
    conn_id = context.said(fields.get("conn_id"), bindings.router_conn_id)
    if router is None:
        raise (place or spec).missing("router" if place else "traffic.router", _or_call("router"))
    if conn_id is None:
        raise (place or spec).missing(
            "conn_id" if place else "traffic.conn_id", _or_call("router_conn_id")
        )
    service = bindings.router_service or name
    return TrafficRef(
        router=context.check_known("router", router, fields.get("router")),
        service=read_name(fields["service"]) if "service" in fields else service,
        conn_id=conn_id,
        options=option_texts(fields, ("router", "conn_id", "service")) or bindings.router_options,
    )


def _or_call(binding: str) -> str:
    return (
        f"a name here, or `{binding}` as an argument of rollout_dag(...) "
        "or in the [rollout] section of airflow.cfg"
    )


def _steps(canary: Field) -> tuple[tuple[Step, ...], float]:
    """Return the steps below 100 and how long the full step is judged."""
    fields = canary.entries(("steps", "verify"))
    if "steps" not in fields:
        raise canary.missing("steps", "a list such as [{weight: 5, hold: 2m}]")
    steps: list[Step] = []
    for item in fields["steps"].items():
        steps.append(_step(item, steps[-1].weight if steps else 0))
    if not steps:
        raise fields["steps"].error("is empty", allowed="at least one step")
    verify = _hold(fields["verify"]) if "verify" in fields else steps[-1].hold_seconds
    if steps[-1].weight == _FULL:
        # All traffic is the full step, which every plan has already: its hold is `verify`.
        if "verify" in fields:
            raise fields["verify"].error(
                "says again what the step with weight 100 says", allowed="one of the two"
            )
        steps.pop()
    return tuple(steps), verify


def _step(item: Field, previous: int) -> Step:
    fields = item.entries(("weight", "hold"))
    for name, allowed in (("weight", "1 to 100"), ("hold", NATIVE_DURATION)):
        if name not in fields:
            raise item.missing(name, allowed)
    place = fields["weight"]
    weight = place.integer("a whole number, 1 to 100 (percent)")
    if not 1 <= weight <= _FULL:
        raise place.error("is no share of traffic", found=weight, allowed="1 to 100 (percent)")
    if weight <= previous:
        raise place.error("does not rise", found=weight, allowed=f"more than {previous}")
    return Step(weight=weight, hold_seconds=_hold(fields["hold"]))


def _hold(place: Field) -> float:
    seconds = place.parsed(native_seconds, NATIVE_DURATION)
    if seconds < _SHORTEST_HOLD_SECONDS:
        raise place.error("is too short", found=place.node.raw, allowed="at least 1s")
    return seconds


def _on_busy(place: Field | None, context: Context) -> OnBusy:
    if place is not None:
        return place.choice(OnBusy)
    return context.bindings.on_busy or OnBusy.QUEUE


def _ready_timeout(place: Field | None) -> float:
    return _hold(place) if place is not None else _DEFAULT_READY_TIMEOUT_SECONDS

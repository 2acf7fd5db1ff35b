"""Flagger's weights: which shares of traffic a Canary passes through before it carries all."""

from __future__ import annotations

from airflow_rollout.spec.fields import Field

__all__ = ["read_weights"]

_STRATEGIES = ("iterations", "stepWeight", "stepWeights")
_FULL = 100


def read_weights(analysis: Field) -> tuple[int, ...]:
    """Return the planned weights below 100, rising; the full step follows them in any plan.

    The CRD demands exactly one of iterations, stepWeight and stepWeights. `maxWeight` starts the
    promotion when it is reached or passed and is no cap (step 20 to 50 is 20, 40, 60); 0 means
    100; with stepWeights it has no effect. Nothing goes beyond 100.
    """
    fields = {name: field for name, field in analysis.entries().items() if not field.is_null}
    given = [name for name in _STRATEGIES if name in fields]
    allowed = "exactly one of iterations, stepWeight, stepWeights"
    if not given:
        raise analysis.error("says no weights", allowed=allowed)
    if len(given) > 1:
        raise fields[given[1]].error(f"stands beside {given[0]}", allowed=allowed)
    place = fields[given[0]]
    if given[0] == "iterations":
        _at_least(place, place.integer(), 1)
        return ()
    if given[0] == "stepWeights":
        return _listed(place)
    return _linear(_at_least(place, place.integer(), 1), _maximum(fields.get("maxWeight")))


def _maximum(place: Field | None) -> int:
    if place is None:
        return _FULL
    weight = _at_least(place, place.integer(), 0)
    return min(weight or _FULL, _FULL)


def _linear(step: int, maximum: int) -> tuple[int, ...]:
    weights: list[int] = []
    weight = 0
    while weight < maximum:
        weight = min(weight + step, _FULL)
        weights.append(weight)
    return _below_full(weights)


def _listed(place: Field) -> tuple[int, ...]:
    weights: list[int] = []
    for item in place.items():
        weight = _at_least(item, item.integer(), 1)
        if weights and weight <= weights[-1]:
            raise item.error("does not rise", found=weight, allowed=f"more than {weights[-1]}")
        weights.append(weight)
    if not weights:
        raise place.error("is empty", allowed="weights such as [5, 20, 50]")
    return _below_full(weights)


def _at_least(place: Field, weight: int, least: int) -> int:
    if weight < least:
        raise place.error("is too small", found=weight, allowed=f"at least {least}")
    return weight


def _below_full(weights: list[int]) -> tuple[int, ...]:
    return tuple(weight for weight in weights if weight < _FULL)

"""When a good step of our own dialect may end, and how surely it has to be good."""

from __future__ import annotations

from dataclasses import replace

from airflow_rollout.analysis.parameters import Comparison, Margin, Promote, Promotion
from airflow_rollout.spec.context import Context
from airflow_rollout.spec.durations import NATIVE_DURATION, native_seconds
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.shares import SHARE, parse_share

__all__ = ["MARGINS", "PROMOTION", "read_promotion"]

PROMOTION = ("promote", "min_duration", "promote_margin", "beta")
MARGINS = ("errors", "latency")
_MARGIN = ("ratio", "absolute")
# Ten times the errors are no margin of anything.
_LARGEST_RATIO = 10.0


def read_promotion(fields: dict[str, Field], comparison: Comparison, context: Context) -> Promotion:
    """Return when a good step may end: our own files say nothing of time, so proof is enough."""
    plain = Promotion()
    # Whoever asks for another tool's counters wants its pace too.
    usual = Promote.ON_TIME if "semantics" in fields else Promote.ON_EVIDENCE
    shortest = fields.get("min_duration")
    margins = fields["promote_margin"].entries(MARGINS) if "promote_margin" in fields else {}
    return Promotion(
        when=fields["promote"].choice(Promote)
        if "promote" in fields
        else context.bindings.promote or usual,
        beta=_beta(fields.get("beta"), plain.beta),
        min_duration_seconds=plain.min_duration_seconds
        if shortest is None
        else shortest.parsed(native_seconds, NATIVE_DURATION),
        errors=_margin(margins.get("errors"), plain.errors, comparison),
        latency=_margin(margins.get("latency"), plain.latency, comparison),
    )


def _beta(place: Field | None, default: float) -> float:
    if place is None:
        return default
    share = place.parsed(parse_share, SHARE)
    if not 0 < share <= 0.5:
        raise place.error("is no chance of error", found=place.node.raw, allowed="up to 50%")
    return share


def _margin(place: Field | None, plain: Margin, comparison: Comparison) -> Margin:
    """Return a margin that is wider than what is tolerated.

    Else a canary could be too good to be stopped and too bad to be promoted, for ever.
    """
    usual = Margin(
        multiplier=max(plain.multiplier, comparison.tolerance),
        absolute=plain.absolute + comparison.absolute,
    )
    if place is None:
        return usual
    given = place.entries(_MARGIN)
    margin = usual
    if "ratio" in given:
        margin = replace(margin, multiplier=given["ratio"].number())
    if "absolute" in given:
        margin = replace(margin, absolute=given["absolute"].parsed(parse_share, SHARE))
    wide = margin.multiplier >= comparison.tolerance and margin.absolute >= comparison.absolute
    is_same = margin == Margin(multiplier=comparison.tolerance, absolute=comparison.absolute)
    if not wide or is_same or margin.multiplier > _LARGEST_RATIO or margin.absolute >= 1:
        raise place.error(
            "is no margin beyond what is tolerated",
            found=f"ratio {margin.multiplier:g}, absolute {100 * margin.absolute:g}%",
            allowed=f"ratio from {comparison.tolerance:g} to {_LARGEST_RATIO:g}, absolute from "
            f"{100 * comparison.absolute:g}%, and one of them more than that",
        )
    return margin

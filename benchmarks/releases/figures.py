"""The figures of many releases: by kind of version, and of the load on the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from airflow_rollout.demo.answers import Answer
from benchmarks.releases.cases import BAD, GOOD, SILENT, TOLD, Case
from benchmarks.releases.measured import Measured
from benchmarks.report import Figure, Of, Wanted

__all__ = ["bad_figures", "good_figures", "load_figures", "told_figures"]

_SAFE_SECONDS = 0.5
_STEP_SECONDS = 3.0

# Two medians of the same thing differ that much on a busy machine; a receiver that held traffic up
# would make it a hundred.
_SAME_RATIO = 2.0

_ALL_BAD = "v2, v3, v4"


def bad_figures(measured: Sequence[Measured], *, alone: float) -> list[Figure]:
    """Return the figures of the bad versions, kind by kind, then of all of them."""
    figures: list[Figure] = []
    for case in BAD:
        mine = [one for one in measured if one.case == case.name]
        if mine:
            figures += _bad_case(case, mine, alone)
    bad = [one for one in measured if one.case in {case.name for case in BAD}]
    if bad:
        figures.append(
            _times(_ALL_BAD, "verdict -> last request on the canary", bad,
                   "verdict_to_safe_seconds", Wanted(at_most=_SAFE_SECONDS, of=Of.P95))
        )  # fmt: skip
    return figures


def _bad_case(case: Case, mine: Sequence[Measured], alone: float) -> list[Figure]:
    exposure = Wanted(at_most=case.exposure_seconds) if case.exposure_seconds else None
    failed = None if case.failed_requests is None else Wanted(at_most=case.failed_requests)
    return [
        _unexpected(case, mine, "not rolled back"),
        _times(case.name, "first bad request -> last one on the canary", mine,
               "exposure_seconds", exposure),
        Figure(group=case.name, name="the same by (N+1) x I alone", unit="s", values=(alone,),
               computed=True),
        Figure(group=case.name, name="failed requests", unit="requests", wanted=failed,
               values=tuple(float(one.failed_requests) for one in mine)),
        Figure(group=case.name, name="slow requests (above 500 ms)", unit="requests",
               values=tuple(float(one.slow_requests) for one in mine)),
        _times(case.name, "first bad request -> verdict", mine, "detection_seconds"),
        _times(case.name, "weight written -> verdict", mine, "write_to_verdict_seconds"),
        _times(case.name, "verdict -> weight 0 written", mine, "verdict_to_written_seconds"),
        _times(case.name, "verdict -> weight 0 seen", mine, "verdict_to_seen_seconds"),
        _times(case.name, "verdict -> last request on the canary", mine,
               "verdict_to_safe_seconds"),
    ]  # fmt: skip


def told_figures(measured: Sequence[Measured]) -> list[Figure]:
    """Return what a receiver that never answers costs: the same version with it and without."""
    told = [one for one in measured if one.case == TOLD.name]
    if not told:
        return []
    seen = "verdict_to_seen_seconds"
    silent = [one for one in measured if one.case == SILENT.name]
    ratio = _ratio(_values(told, seen), _values(silent, seen))
    return [
        _unexpected(TOLD, told, "not rolled back"),
        _times(TOLD.name, "verdict -> weight 0 seen", told, seen),
        _times(TOLD.name, "verdict -> last request on the canary", told,
               "verdict_to_safe_seconds"),
        Figure(group=TOLD.name, name="verdict -> weight 0 seen: with such a receiver / without",
               unit="", values=ratio, expected=1, wanted=Wanted(at_most=_SAME_RATIO)),
    ]  # fmt: skip


def _ratio(values: Sequence[float], of: Sequence[float]) -> tuple[float, ...]:
    if not values or not of or median(of) <= 0:
        return ()
    return (median(values) / median(of),)


def good_figures(measured: Sequence[Measured]) -> list[Figure]:
    """Return the figures of the good versions."""
    mine = [one for one in measured if one.case == GOOD.name]
    if not mine:
        return []
    steps = [step for one in mine for step in one.steps]
    figures = [_unexpected(GOOD, mine, "not promoted")]
    for name, attribute in (
        ("a step beyond its hold", "beyond_seconds"),
        ("of it: end of hold -> verdict", "verdict_seconds"),
        ("of it: verdict -> next write", "move_seconds"),
    ):
        wanted = Wanted(at_most=_STEP_SECONDS) if attribute == "beyond_seconds" else None
        values = tuple(float(getattr(step, attribute)) for step in steps)
        figures.append(Figure(group=GOOD.name, name=name, unit="s", values=values, wanted=wanted))
    a_step = tuple(
        one.beyond_holds_seconds / len(one.steps)
        for one in mine
        if one.beyond_holds_seconds is not None
    )
    return [
        *figures,
        Figure(group=GOOD.name, name="a whole release beyond its holds, by step", unit="s",
               values=a_step, wanted=Wanted(at_most=_STEP_SECONDS), expected=len(mine)),
        _times(GOOD.name, "asked for -> first weight written", mine, "start_seconds"),
        _times(GOOD.name, "promoted -> run ended", mine, "end_seconds"),
        Figure(group=GOOD.name, name="failed requests", unit="requests",
               values=tuple(float(one.failed_requests) for one in mine),
               wanted=Wanted(at_most=0, of=Of.HIGHEST)),
    ]  # fmt: skip


def load_figures(
    measured: Sequence[Measured], answers: Sequence[Answer], *, since: float
) -> list[Figure]:
    """Return how many requests there were, and how many failed outside every release."""
    if not answers:
        return []
    failed = sum(answer.is_failed for answer in answers)
    inside = sum(one.failed_requests for one in measured)
    seconds = max(answer.sent for answer in answers) - since
    return [
        Figure(group="load", name="requests a second", unit="1/s",
               values=(len(answers) / seconds,) if seconds > 0 else ()),
        Figure(group="load", name="requests in all", unit="requests",
               values=(float(len(answers)),)),
        Figure(group="load", name="failed outside of releases", unit="requests",
               values=(float(failed - inside),), wanted=Wanted(at_most=0, of=Of.HIGHEST)),
    ]  # fmt: skip


def _unexpected(case: Case, mine: Sequence[Measured], name: str) -> Figure:
    unexpected = sum(not one.is_as_expected for one in mine)
    return Figure(
        group=case.name,
        name=f"{name}, of {len(mine)}",
        unit="releases",
        values=(float(unexpected),),
        wanted=Wanted(at_most=0, of=Of.HIGHEST),
    )


def _times(
    group: str, name: str, mine: Iterable[Measured], attribute: str, wanted: Wanted | None = None
) -> Figure:
    mine = list(mine)
    return Figure(
        group=group,
        name=name,
        unit="s",
        values=_values(mine, attribute),
        wanted=wanted,
        expected=len(mine),
    )


def _values(mine: Iterable[Measured], attribute: str) -> tuple[float, ...]:
    found = (getattr(one, attribute) for one in mine)
    return tuple(value for value in found if value is not None)

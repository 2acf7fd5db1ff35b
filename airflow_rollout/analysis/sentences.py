"""The words of a verdict: one line that a tired person understands, always with its numbers."""

from __future__ import annotations

from airflow_rollout.analysis.parameters import JudgeParams
from airflow_rollout.analysis.readings import ArmCounts

__all__ = [
    "amount",
    "duration",
    "odds",
    "percent",
    "plural",
    "rate",
    "ratio_between",
    "show_beside",
    "terms",
]


def percent(share: float) -> str:
    """Show a share 0..1: `2.10 %`, `0.042 %`, `0 %`, `100 %`."""
    value = 100.0 * share
    if value in (0.0, 100.0):
        return f"{value:.0f} %"
    return f"{value:.2f} %" if value >= 0.1 else f"{value:.2g} %"


def rate(counts: ArmCounts, bad: float | None = None) -> str:
    """Show a share with its counts: `2.10 % (21/1002)`; `bad` defaults to the first boundary's."""
    if counts.requests == 0:
        return "no requests"
    part = counts.bad[0] if bad is None else bad
    return f"{percent(part / counts.requests)} ({part:.0f}/{counts.requests})"


def terms(params: JudgeParams) -> str:
    """Say on which terms the arms are compared: `dispersion 1, warm-up 0 s`."""
    phi = params.comparison.dispersion
    said = "dispersion measured before the release, or 4" if phi is None else f"dispersion {phi:g}"
    return f"{said}, warm-up {params.warmup_seconds:g} s"


def odds(evidence: float, limit: float) -> str:
    """Show evidence as a bet: what a gambler who started with 1 would hold now."""
    return f"evidence {_bet(evidence)}:1 (limit {limit:.0f}:1)"


def ratio_between(
    low: float | None, high: float | None, estimate: float | None, level: float
) -> str:
    """Show an odds ratio with its interval: `odds 5.3x (99 % anytime interval 2.1x to 13x)`.

    Empty where neither side is bounded.
    """
    name = f"{100.0 * level:.6g} % anytime interval"
    if low is None and high is None:
        return ""
    if high is None:
        return f"odds at least {low:.2g}x ({name})"
    if low is None:
        return f"odds at most {high:.2g}x ({name})"
    shown = "" if estimate is None else f" {estimate:.2g}x"
    return f"odds{shown} ({name} {low:.2g}x to {high:.2g}x)"


def duration(seconds: float) -> str:
    """Show a time: `0.4 s`, `45 s`, `12 min`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def plural(count: int, noun: str) -> str:
    """Show a number with its noun: `1 request`, `340 requests`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def amount(value: float, unit: str) -> str:
    """Show a checked value in its unit."""
    if unit == "share":
        return percent(value)
    text = f"{value:.2f}" if unit == "%" else f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return f"{text} {unit}".rstrip()


def show_beside(value: float, limit: float, unit: str) -> str:
    """Show `value` with enough digits that it does not look equal to a limit it misses.

    99.499 beside a limit of 99.5 must not be printed as 99.50.
    """
    if unit == "ms":
        return f"{value:.0f} {unit}"
    factor, sign = (100.0, "%") if unit == "share" else (1.0, unit)
    shown, edge = value * factor, limit * factor
    for digits in range(2, 9):
        text = f"{shown:.{digits}f}"
        if value == limit or float(text) != edge:
            return f"{text} {sign}".rstrip()
    return f"{shown!r} {sign}".rstrip()


def _bet(evidence: float) -> str:
    if evidence >= 1e6:
        return f"{evidence:.1e}"
    return f"{evidence:.0f}" if evidence >= 10 else f"{evidence:.2g}"

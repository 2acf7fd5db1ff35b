"""The README's figure: how soon a bad release is stopped, and how often a good one is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Protocol

__all__ = ["draw_figure"]

_ROW, _TOP, _LEFT, _BAR, _GAP = 26, 58, 110, 240, 70
_OURS, _THEIRS = "#2f7d4f", "#9aa3ad"


class _Outcome(Protocol):
    @property
    def stopped(self) -> float: ...

    def times(self) -> list[float]: ...


def draw_figure(bad: Mapping[str, _Outcome], good: Mapping[str, _Outcome]) -> str:
    """Return an SVG of two rows of bars, one a detector.

    :param bad: detector -> outcome of a release whose errors rise from 0.5 to 5 %.
    :param good: the same of a healthy one at 0.5 %.
    """
    names = [name for name in bad if name in good and not name.startswith("e ")]
    times = {name: statistics.median(bad[name].times()) for name in names}
    rates = {name: 100.0 * good[name].stopped for name in names}
    width, height = _LEFT + 2 * (_BAR + _GAP), _TOP + _ROW * len(names) + 12
    second = _LEFT + _BAR + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 22, "Errors rise from 0.5 to 5 %:", bold=True),
        _text(_LEFT, 40, "seconds until the release is stopped (median)"),
        _text(second, 22, "Nothing is wrong, errors stay at 0.5 %:", bold=True),
        _text(second, 40, "releases stopped all the same"),
    ]
    longest = max([*times.values(), 1.0])
    for row, name in enumerate(names):
        at = _TOP + _ROW * row
        colour = _OURS if name.startswith("gate") else _THEIRS
        parts.append(_text(_LEFT - 8, at + 14, name, anchor="end"))
        parts += _bar(_LEFT, at, times[name] / longest, f"{times[name]:.0f} s", colour)
        parts += _bar(second, at, rates[name] / 100.0, _percent(rates[name]), colour)
    return "\n".join([*parts, "</svg>", ""])


def _bar(left: float, top: float, share: float, label: str, colour: str) -> list[str]:
    length = max(2.0, _BAR * share)
    return [
        f'<rect x="{left}" y="{top}" width="{length:.1f}" height="18" fill="{colour}"/>',
        _text(left + length + 6, top + 14, label),
    ]


def _percent(rate: float) -> str:
    return f"{rate:.0f} %" if rate >= 10 or rate == 0 else f"{rate:.1f} %"


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" fill="#222222"{weight}>{text}</text>'

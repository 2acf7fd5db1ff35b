"""A plot of evidence over time: a release of the same version, and one with a fault."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["draw_evidence"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 360, 70, 20, 40, 46
# Evidence is drawn between these powers of ten at most.
_LOWEST, _HIGHEST = -6.0, 8.0

Line = Sequence[tuple[float, float]]


def draw_evidence(healthy: Line, faulty: Line, *, limit: float, fault: str, title: str) -> str:
    """Return an SVG of both lines, (seconds, evidence), on a logarithmic scale, with the limit."""
    longest = max((at for at, _ in [*healthy, *faulty]), default=1.0) or 1.0
    logs = [_log(evidence) for _, evidence in [*healthy, *faulty]]
    low = math.floor(min([*logs, -1.0]))
    high = math.ceil(max([*logs, _log(limit)]) + 0.3)

    def x(at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / longest

    def y(log: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - log) / (high - low)

    def line(points: Line, colour: str) -> str:
        path = " ".join(f"{x(at):.1f},{y(_log(value)):.1f}" for at, value in [(0.0, 1.0), *points])
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'

    def text(left: float, top: float, words: str, *, anchor: str = "start") -> str:
        return (
            f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}" fill="#222222">'
            f"{_escaped(words)}</text>"
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        text(_LEFT, 20, title),
    ]
    for power in range(low, high + 1, max(1, (high - low) // 7)):
        parts.append(
            f'<line x1="{_LEFT}" y1="{y(power):.1f}" x2="{_WIDTH - _RIGHT}" y2="{y(power):.1f}" '
            'stroke="#e3e6e9"/>'
        )
        parts.append(text(_LEFT - 8, y(power) + 4, f"10^{power}:1", anchor="end"))
    for k in range(5):
        at = longest * k / 4
        parts.append(text(x(at), _HEIGHT - _BOTTOM + 18, f"{at:.0f} s", anchor="middle"))
    edge = y(_log(limit))
    parts += [
        f'<line x1="{_LEFT}" y1="{edge:.1f}" x2="{_WIDTH - _RIGHT}" y2="{edge:.1f}" '
        'stroke="#b3392f" stroke-dasharray="6 4"/>',
        text(_WIDTH - _RIGHT, edge - 5, f"stopped at {limit:g}:1", anchor="end"),
        line(healthy, "#2f7d4f"),
        line(faulty, "#b3392f"),
        text(_LEFT, _HEIGHT - 8, f"green: the same version twice; red: {fault}"),
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def _log(evidence: float) -> float:
    return max(_LOWEST, min(_HIGHEST, math.log10(max(evidence, 1e-300))))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""The moment generating function of the hypergeometric distribution, in logarithms.

How many of an interval's bad requests are the canary's if routing alone decides: every comparison
rests on what that number is expected to be worth at each odds ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["log_mgf", "log_mgfs"]

# A term this much smaller than the largest cannot change the sum of a few hundred terms.
_NEGLIGIBLE = 1e-17

# So many terms are summed as they are. Of huge arms even these can be too large for a number; the
# sum then is infinite, and each ratio is walked by itself.
_FEW_TERMS = 64


def log_mgfs(
    canary: int, stable: int, bad: int, ratios: Sequence[float], exact_limit: int
) -> list[float]:
    """Return `log_mgf` at each ratio; of few terms, as most intervals have, at once."""
    low, high = max(0, bad - stable), min(bad, canary)
    if high - low < min(_FEW_TERMS, exact_limit):
        found = _of_few_terms(canary, stable, bad, ratios)
        if all(map(math.isfinite, found)):
            return found
    return [log_mgf(canary, stable, bad, ratio, exact_limit) for ratio in ratios]


def _of_few_terms(canary: int, stable: int, bad: int, ratios: Sequence[float]) -> list[float]:
    """Evaluate the polynomial in the ratio whose coefficients are the chances; inf if too large."""
    low, high, rest = max(0, bad - stable), min(bad, canary), stable - bad
    term, terms = 1.0, [1.0]
    for k in range(low, high):
        term *= (canary - k) * (bad - k) / ((k + 1) * (rest + k + 1))
        terms.append(term)
    whole = sum(terms)
    terms.reverse()
    found = []
    for ratio in ratios:
        total = 0.0
        for term in terms:
            total = total * ratio + term
        found.append(low * math.log(ratio) + math.log(total / whole))
    return found


def log_mgf(canary: int, stable: int, bad: int, ratio: float, exact_limit: int) -> float:
    """Return log sum_k P(k) ratio^k, k the canary's part of `bad` under random routing.

    P is the hypergeometric distribution; above `exact_limit` terms the binomial one, whose value
    is never smaller (Hoeffding 1963), so that the test stays valid.
    """
    low, high = max(0, bad - stable), min(bad, canary)
    if high - low + 1 > exact_limit:
        share = canary / (canary + stable)
        return bad * math.log1p(share * (ratio - 1.0))
    if low == high:
        return low * math.log(ratio)
    mode = min(max(_mode(canary, stable, bad, ratio), low), high)
    peak = (
        _log_choose(canary, mode)
        + _log_choose(stable, bad - mode)
        - _log_choose(canary + stable, bad)
        + mode * math.log(ratio)
    )
    return peak + math.log(_relative_sum(canary, stable, bad, ratio, mode))


def _relative_sum(canary: int, stable: int, bad: int, ratio: float, mode: int) -> float:
    """Sum the terms relative to the one at `mode`, outwards until they no longer count.

    The terms fall off on both sides of the mode, so a short walk replaces hundreds of exponentials.
    """
    rest = stable - bad
    total = term = 1.0
    for k in range(mode + 1, min(bad, canary) + 1):
        term *= (canary - k + 1) * (bad - k + 1) * ratio / (k * (rest + k))
        total += term
        if term < _NEGLIGIBLE * total:
            break
    term = 1.0
    for k in range(mode, max(0, -rest), -1):
        term *= k * (rest + k) / ((canary - k + 1) * (bad - k + 1) * ratio)
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return total


def _mode(canary: int, stable: int, bad: int, ratio: float) -> int:
    # The smaller root of t(k) = t(k - 1), in the form that does not cancel near ratio 1.
    a = ratio - 1.0
    b = ratio * (canary + bad + 2) + stable - bad
    c = ratio * (canary + 1) * (bad + 1)
    return int(2.0 * c / (b + math.sqrt(max(0.0, b * b - 4.0 * a * c))))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

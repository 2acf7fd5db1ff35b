"""The moment generating function: by every way of summing it the same."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_rollout.analysis.evidence import RATIOS
from airflow_rollout.analysis.moments import log_mgf, log_mgfs

arms = st.tuples(st.integers(1, 300), st.integers(1, 600)).flatmap(
    lambda sizes: st.tuples(
        st.just(sizes[0]), st.just(sizes[1]), st.integers(0, sizes[0] + sizes[1])
    )
)


@settings(max_examples=100, deadline=None)
@given(arms, st.sampled_from(RATIOS))
def test_closed_form_never_claims_more_than_the_exact_one(sizes, ratio):
    canary, stable, bad = sizes
    exact = log_mgf(canary, stable, bad, ratio, 10_000)
    assert log_mgf(canary, stable, bad, ratio, 0) >= exact - 1e-9


@settings(max_examples=200, deadline=None)
@given(arms, st.sampled_from([0, 3, 500]))
def test_many_ratios_at_once_give_what_each_gives_alone(sizes, exact_limit):
    canary, stable, bad = sizes
    alone = [log_mgf(canary, stable, bad, ratio, exact_limit) for ratio in RATIOS]
    assert log_mgfs(canary, stable, bad, RATIOS, exact_limit) == pytest.approx(alone, abs=1e-7)


def test_terms_too_large_for_a_number_are_summed_in_another_way():
    # 60 bad requests of a canary with millions of requests beside a handful of stable's.
    (found,) = log_mgfs(10**9, 60, 60, [1e6], 500)
    assert math.isfinite(found)
    assert found == pytest.approx(60 * math.log(1e6), rel=1e-6)

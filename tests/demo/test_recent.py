"""Both arms in the last seconds."""

from __future__ import annotations

from release_values import answer

from airflow_rollout.demo.recent import ArmNow, RecentAnswers


def test_each_arm_counts_its_own_answers() -> None:
    recent = RecentAnswers(window_seconds=5.0)
    recent.add(answer(100 + n / 10) for n in range(45))
    recent.add(answer(104 + n / 10, 500 if n == 0 else 200, version="v2") for n in range(5))
    stable, canary = recent.arms("v1", "v2", now=104.5)
    assert (stable.per_second, stable.error_share, stable.failed) == (9.0, 0.0, 0)
    assert (canary.per_second, canary.error_share, canary.failed) == (1.0, 0.2, 1)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    recent = RecentAnswers(window_seconds=5.0)
    recent.add([answer(100, 500), answer(104)])
    assert recent.arms("v1", now=108.0)[0].failed == 0
    assert recent.arms("v1", now=200.0)[0].error_share is None


def test_an_arm_without_requests_has_no_rate_and_no_latency() -> None:
    assert RecentAnswers().arms("v1", "v2", now=1.0) == (
        ArmNow(version="v1"),
        ArmNow(version="v2"),
    )


def test_a_failure_that_names_nobody_is_the_canarys() -> None:
    recent = RecentAnswers()
    recent.add([answer(100, 502, version="")])
    stable, canary = recent.arms("v1", "v2", now=101.0)
    assert (stable.failed, canary.failed) == (0, 1)


def test_an_answer_before_the_first_release_is_nobodys() -> None:
    recent = RecentAnswers()
    recent.add([answer(100, 404, version="")])
    assert recent.arms("v1", now=101.0)[0].error_share is None


def test_the_p99_is_the_windows() -> None:
    recent = RecentAnswers()
    recent.add(answer(100 + n / 100, latency_ms=n) for n in range(1, 101))
    assert recent.arms("v1", now=101.0)[0].p99_ms == 99

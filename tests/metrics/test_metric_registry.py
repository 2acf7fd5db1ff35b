"""Which metric systems there are, and what their options may say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.errors import SpecError
from airflow_rollout.metrics.query_sets import QUERY_SETS
from airflow_rollout.metrics.registry import PROVIDERS, check_metric, make_provider
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.traffic.registry import ROUTERS


def source(provider: str, *options: tuple[str, str]) -> MetricSource:
    return MetricSource(provider=provider, conn_id="c", every_seconds=1.0, options=options)


# What a system cannot be asked without.
NEEDED = {
    "google_monitoring": (("project", "p"),),
    "newrelic": (("account", "1"),),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_is_made_with_what_it_needs_and_can_read(name: str) -> None:
    assert callable(make_provider(source(name, *NEEDED.get(name, ()))).read)


@pytest.mark.parametrize("name", NEEDED)
def test_a_provider_names_what_it_needs(name: str) -> None:
    with pytest.raises(SpecError, match=rf"source\.{NEEDED[name][0][0]}: is missing"):
        make_provider(source(name))


@pytest.mark.parametrize("name", PROVIDERS)
def test_an_unknown_option_names_the_allowed_ones(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_provider(source(name, ("tmeout", "5")))
    assert "source.tmeout" in str(caught.value)
    assert "timeout (" in str(caught.value)


def test_an_unknown_provider_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"prometheus, .*scrape"):
        make_provider(source("promethius"))


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf", "1000"])
def test_a_timeout_out_of_bounds_is_refused(value: str) -> None:
    with pytest.raises(SpecError, match=r"source\.timeout"):
        make_provider(source("scrape", ("timeout", value)))


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), ("0.5", 0.5), ("2s", 2.0), ("1m", 60.0)])
def test_a_timeout_has_a_unit_or_is_seconds(text: str, seconds: float) -> None:
    assert read_source_options(source("scrape", ("timeout", text)), {}).timeout_seconds == seconds


VALUE = Metric(name="queue", question=Question.VALUE, query="sum(queue_length)")
ERRORS = Metric(name="errors", question=Question.ERRORS)


def test_what_a_provider_can_answer_passes() -> None:
    check_metric(ERRORS, provider="scrape", router="traefik_file")
    check_metric(ERRORS, provider="prometheus", router="traefik_file")
    check_metric(VALUE, provider="prometheus", router="anything")


@pytest.mark.parametrize(
    ("metric", "provider", "router", "words"),
    [
        (VALUE, "scrape", "traefik_file", "answers no queries.*provider .*prometheus"),
        (replace(ERRORS, query="up"), "scrape", "traefik_file", "answers no queries"),
        (replace(VALUE, query=None), "prometheus", "traefik_file", "needs a query"),
        (ERRORS, "prometheus", "istio", "no built-in queries.*traefik_file"),
    ],
)
def test_what_a_provider_can_never_answer_is_refused(
    metric: Metric, provider: str, router: str, words: str
) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        check_metric(metric, provider=provider, router=router)
    assert metric.name in str(caught.value)


def test_matchers_that_would_break_out_of_the_selector_are_refused() -> None:
    with pytest.raises(SpecError, match="matchers"):
        make_provider(source("prometheus", ("matchers", 'job="a"} or up{')))


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="twice"):
        make_provider(source("scrape", ("path", "/a"), ("path", "/b")))


def test_registry_and_query_sets_are_sorted_and_name_real_routers() -> None:
    assert list(PROVIDERS) == sorted(PROVIDERS)
    assert set(QUERY_SETS) <= set(ROUTERS)


def test_registries_import_neither_airflow_nor_a_client() -> None:
    code = (
        "import sys, airflow_rollout.metrics.registry, airflow_rollout.traffic.registry, "
        "airflow_rollout.workloads.registry\n"
        "print([m for m in ('airflow', 'httpx', 'prometheus_client') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

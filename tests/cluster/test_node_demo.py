"""The demo on a cluster ends as it should, on a real node."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from demo_run import NAMESPACE
from release_scenes import Played

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]


def test_the_demo_on_a_cluster_ends_as_it_should_and_leaves_nothing_there(
    demo: Future[Played],
) -> None:
    played = demo.result()
    done, report = played["done"], played["report"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(it["version"], it["outcome"]) for it in report["releases"]] == [
        ("v2", "rolled_back"), ("v3", "rolled_back"), ("v4", "rolled_back"), ("v5", "promoted"),
    ]  # fmt: skip
    assert all(it["canary_requests"] for it in report["releases"])
    assert "context node" in done.stdout
    assert NAMESPACE in done.stdout
    assert played["namespace"] is None
    assert played["files"] == ["demo.json"]

"""What must be true of a shop after a release."""

from __future__ import annotations

from images import image
from kube_lab import Shop
from releases import Released

from airflow_rollout.demo.answers import Answer
from airflow_rollout.release import Outcome

__all__ = ["failed_of", "is_promoted", "is_rolled_back", "is_untouched"]


def is_rolled_back(ended: Released, *words: str) -> None:
    """Say that a version was rolled back, and for one of these reasons."""
    assert ended.record.outcome is Outcome.ROLLED_BACK, ended.record.reason
    assert ended.run.state == "failed"
    told = " ".join([ended.record.reason, *(event.text for event in ended.record.timeline)])
    assert any(word in told for word in words), told


def is_promoted(ended: Released, shop: Shop, version: str) -> None:
    """Say that a version is stable, and that nothing of its release is left."""
    assert ended.record.outcome is Outcome.PROMOTED, ended.record.reason
    assert ended.run.state == "success"
    assert shop.stable_image() == image(version)
    assert shop.made() == []


def is_untouched(shop: Shop) -> None:
    """Say that stable serves alone as it did, and that nothing of a release is left."""
    assert shop.stable_image() == image("v1")
    assert shop.answers(20) == {"v1": 20}
    assert shop.made() == []
    assert shop.weights() == {"checkout": 1}


def failed_of(answers: list[Answer], version: str) -> list[Answer]:
    """Return the requests that failed with a version; empty: with nobody, at the router."""
    return [one for one in answers if one.is_failed and one.version == version]

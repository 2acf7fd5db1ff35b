"""Watch a shop's route for what must never stand in it."""

from __future__ import annotations

import time
from typing import Any

from kube_shop import CANARY, Shop
from watching import Watch

from airflow_rollout.release import ReleaseState
from airflow_rollout.traffic.records import decode_record

__all__ = ["CANARY", "RECORD", "RouteWatch"]

RECORD = "checkout.airflow-rollout/record"

_EVERY_SECONDS = 0.1

# Whoever sets a weight by hand does not know that the release ends in the same moment.
_BY_HAND_SECONDS = 2.0


class RouteWatch(Watch):
    """Read the route again and again; a context manager.

    What must not be seen: an epoch that was sealed at weight 0 and has traffic again. While the API
    server is away nothing is seen.
    """

    def __init__(self, shop: Shop) -> None:
        super().__init__(every_seconds=_EVERY_SECONDS)
        self.violations: list[str] = []
        self.by_hand_at = 0.0
        self._shop = shop
        self._sealed: dict[str, float] = {}

    def look(self) -> None:
        """Take in what the route says, if the API server says it."""
        try:
            found = self._shop.get("HTTPRoute")
        except OSError:
            return
        if found is not None:
            self._take(found)

    def _take(self, found: dict[str, Any]) -> None:
        text = (found["metadata"].get("annotations") or {}).get(RECORD)
        if text is None:
            return
        split = decode_record(text, system="watch")
        assert split is not None
        refs = found["spec"]["rules"][0].get("backendRefs") or []
        weight = next((ref.get("weight", 1) for ref in refs if ref["name"] == CANARY), 0)
        epoch = split.token.epoch
        if split.state is ReleaseState.SEALED and weight == 0:
            self._sealed.setdefault(epoch, time.time())
        elif epoch in self._sealed and not self._is_by_hand(self._sealed[epoch]):
            self.violations.append(f"sealed, then {weight} % and {split.state}")

    def _is_by_hand(self, sealed_at: float) -> bool:
        return self.by_hand_at > sealed_at - _BY_HAND_SECONDS

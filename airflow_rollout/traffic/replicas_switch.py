"""The three selectors of a Service that leads to stable, to the canary, or to both. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_rollout.cluster import canary_label

__all__ = ["Switch"]

# Shown where a selector was set by hand: some of the traffic, nobody knows how much.
_SOME = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The selectors of one Service.

    :param stable: its own, which leads to stable's pods only.
    :param label: the key in it that has another value on the canary's pods.
    """

    stable: dict[str, str]
    label: str

    @property
    def fault(self) -> str:
        """Return why it cannot switch, in words; empty: it can."""
        names = ", ".join(sorted(self.stable)) or "nothing"
        if self.label not in self.stable or len(self.stable) == 1:
            return (
                f"it selects by {names}, and needs {self.label} and a label that both versions "
                "have: give the pods, the Deployment and the Service a second label such as "
                f"{self.label}: stable, or say with `key` which label tells the versions apart"
            )
        if self.stable[self.label].endswith(canary_label("")):
            return f"it leads to {self.label}={self.stable[self.label]}, as to a canary's pods"
        return ""

    @property
    def canary(self) -> dict[str, str]:
        """Return the selector that leads to the canary's pods only."""
        return {**self.stable, self.label: canary_label(self.stable[self.label])}

    @property
    def both(self) -> dict[str, str]:
        """Return the selector that leads to all pods."""
        return {key: value for key, value in self.stable.items() if key != self.label}

    def selector(self, weight: int) -> dict[str, str]:
        """Return the selector of a weight; stable's needs no sound switch."""
        if weight == 0:
            return self.stable
        return self.canary if weight == 100 else self.both

    def knows(self, selector: dict[str, str]) -> bool:
        """Say whether a selector is one of the three."""
        forms = [self.stable] if self.fault else [self.stable, self.canary, self.both]
        return selector in forms

    def weight(self, selector: dict[str, str], *, recorded: int, is_open: bool) -> int:
        """Return the weight that a selector stands for.

        One that leads to both says of the weight only that it is neither none nor all. A strange
        one stands for any weight but the recorded one while a release is open; without a release it
        is the user's own.
        """
        if not self.knows(selector):
            other = _SOME if recorded != _SOME else _SOME + 1
            return other if is_open else 0
        if selector == self.stable:
            return 0
        if selector == self.canary:
            return 100
        return recorded if 0 < recorded < 100 else _SOME

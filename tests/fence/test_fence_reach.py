"""The machine gets to where the fence is needed; a model that never does proves nothing."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from fence_story import Story, play

_SCHEDULES = 400
_LENGTH = 60


def reached(story: Story) -> set[str]:
    """Return what a schedule got to, in words."""
    words = {str(run.result) for run in story.runs}
    for actor in story.network.actors:
        if actor.error is not None:
            words.add(f"{actor.what}: {type(actor.error).__name__}")
    for line in story.network.trace:
        words.add(str(line[0]))
        if line[0] == "end":
            words |= {word for word in _REASONS if word in f"{line[2:]}"}
    return words


_REASONS = (
    "the release has moved on", "the split belongs to", "was stopped", "is still open",
    "the previous step left", "an older one", "an earlier attempt", "already sealed",
    "already there", "too long to be sure", "somebody else changed the record",
)  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["conditional", "unconditional"])
def seen(request: pytest.FixtureRequest) -> tuple[bool, Counter[str]]:
    random = Random(2)
    counts: Counter[str] = Counter()
    for _ in range(_SCHEDULES):
        counts.update(reached(play(random.randbytes(_LENGTH), conditional=request.param)))
    return request.param, counts


@pytest.mark.parametrize(
    "word",
    [
        "promoted", "rolled back", "busy", "kill", "lost", "answer lost", "freeze", "thaw", "hand",
        "remove", "raise: ReleaseRefused", "raise: TransientAdapterError", "open: ReleaseBusy",
        "stable: ReleaseRefused", "the split belongs to", "was stopped", "is still open",
        "the previous step left", "an earlier attempt",
    ],
)  # fmt: skip
def test_schedules_reach(word: str, seen: tuple[bool, Counter[str]]) -> None:
    assert seen[1][word] >= _SCHEDULES // 100


def test_schedules_reach_what_only_this_kind_of_router_has(
    seen: tuple[bool, Counter[str]],
) -> None:
    conditional, counts = seen
    others = ("too long to be sure", "somebody else changed the record")
    mine = ("conflict", "stable: PermanentAdapterError")
    for word in mine if conditional else others:
        assert counts[word] >= _SCHEDULES // 100

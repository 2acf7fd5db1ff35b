"""The note on the stable Deployment from before its change to the end of the promotion. Pure.

It keeps version, image and the image before, which the way back puts in again. It stands there
before stable is changed: whoever promotes leaves it, asks the router's record whether that is still
allowed, and changes stable only on the very object that bears it. Whoever goes back seals the
record and takes the note away. So either the record is seen sealed or the change finds another
object: a promotion that somebody has stopped changes nothing, however late it comes.
"""

from __future__ import annotations

import json
from typing import Any

from airflow_rollout.cluster import RawObject, annotations_of, pointer
from airflow_rollout.release import Arm
from airflow_rollout.workloads.canary_objects import container_index

__all__ = ["note_for", "note_of", "stable_change"]

_PLACE = "airflow-rollout/promoting"


def note_for(canary: Arm, before: str, *, by: str) -> dict[str, str]:
    """Return the note of a promotion.

    :param before: the image that stable has until then.
    :param by: who leaves it; nobody changes stable on the note of another.
    """
    return {"version": canary.version, "image": canary.target, "before": before, "by": by}


def note_of(stable: RawObject | None) -> dict[str, str]:
    """Return the note of a promotion that is under way, empty without one."""
    text = annotations_of(stable).get(_PLACE) if stable else None
    if not text:
        return {}
    try:
        note = json.loads(text)
    except ValueError:
        return {}
    return note if isinstance(note, dict) and {"image", "before"} <= note.keys() else {}


def stable_change(
    stable: RawObject, *, image: str | None, note: dict[str, str] | None, container: str | None
) -> list[dict[str, Any]]:
    """Return the JSON patch that gives stable another image, and leaves or removes the note.

    :param image: None: not another one.
    :param note: None: it is removed.
    :param container: the container that gets the image, None: the only one.
    :raises Unfit: there is no such container.
    """
    operations: list[dict[str, Any]] = []
    place = pointer("metadata", "annotations", _PLACE)
    if note is None:
        operations.append({"op": "remove", "path": place})
    else:
        if not annotations_of(stable):
            operations.append({"op": "add", "path": "/metadata/annotations", "value": {}})
        operations.append({"op": "add", "path": place, "value": json.dumps(note)})
    if image is not None:
        index = container_index(stable, container)
        path = pointer("spec", "template", "spec", "containers", index, "image")
        operations.append({"op": "replace", "path": path, "value": image})
    return operations

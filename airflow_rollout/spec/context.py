"""What a dialect is told besides the document, and what a dialect is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings, Known
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["Context", "Dialect", "split_ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the caller said about a document."""

    bindings: Bindings
    known: Known
    ignore: Sequence[str]
    file: str | None

    def said(self, place: Field | None, binding: str | None) -> str | None:
        """Return what the file says, else what the caller says."""
        if place is None:
            return binding
        word = place.text()
        if not word:
            raise place.error("is empty", allowed="a name")
        return word

    def check_known(self, kind: str, name: str, place: Field | None = None) -> str:
        """Return `name` if the registry of `kind` holds it; `place` is where a file says it."""
        allowed = self.known.fault(kind, name)
        if not allowed:
            return name
        message = f"there is no {kind} of this name"
        if place is not None:
            raise place.error(message, found=name, allowed=allowed)
        raise SpecError(message, file=self.file, path=kind, found=name, allowed=allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to write a rollout.

    :param read: document and context to spec.
    :param reasons: path of a field that is not executed (with ``[]`` for every entry of a list)
        -> what that means, in words.
    """

    name: str
    read: Callable[[Field, Context], RolloutSpec]
    reasons: Mapping[str, str] = field(default_factory=dict)


def split_ignored(
    paths: Sequence[str], context: Context
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split unexecuted fields into those the caller agreed to ignore and the others.

    An entry covers its path and everything below it. One that covers nothing is an error: it is
    a misspelling, or the field it meant has gone and another may come back under it unseen.
    """
    ignored: set[str] = set()
    for entry in context.ignore:
        covered = {path for path in paths if _covers(entry, path)}
        if not covered:
            raise SpecError(
                "this entry of `ignore` matches no field that is not executed",
                file=context.file,
                found=entry,
                allowed=", ".join(paths) or "nothing: every field of this file is executed",
            )
        ignored |= covered
    kept = tuple(path for path in paths if path not in ignored)
    return tuple(path for path in paths if path in ignored), kept


def _covers(entry: str, path: str) -> bool:
    return path == entry or path.startswith((f"{entry}.", f"{entry}["))

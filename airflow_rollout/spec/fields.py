"""A place in the document: its value, its path and the errors that name both.

Every dialect reads through `Field`, so that a wrong value is always reported with file, line,
path, what was found and what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import TypeVar

from airflow_rollout.errors import SpecError, shorten
from airflow_rollout.spec.document import Node

__all__ = ["Field"]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# No field of any dialect is nearly as long; a longer key would bury the message.
_LONGEST_KEY = 60
_YES = frozenset({"yes", "on"})
_NO = frozenset({"no", "off"})
_Choice = TypeVar("_Choice", bound=StrEnum)
_Parsed = TypeVar("_Parsed")


class Field:
    """One value with its place; the readers raise `SpecError` when it is something else."""

    __slots__ = ("file", "node", "path")

    def __init__(self, node: Node, *, path: str, file: str | None) -> None:
        self.node = node
        self.path = path
        self.file = file

    def error(self, message: str, *, found: object = None, allowed: str = "") -> SpecError:
        """Make the error for this place."""
        return SpecError(
            message,
            file=self.file,
            path=self.path,
            line=self.node.line,
            found=found,
            allowed=allowed,
        )

    def missing(self, name: str, allowed: str) -> SpecError:
        """Make the error for a field that this mapping lacks."""
        return SpecError(
            "is missing",
            file=self.file,
            path=_below(self.path, name),
            line=self.node.line,
            allowed=allowed,
        )

    @property
    def is_null(self) -> bool:
        """Whether nothing is written here."""
        return self.node.value is None

    @property
    def is_mapping(self) -> bool:
        """Whether this holds fields."""
        return isinstance(self.node.value, dict)

    @property
    def is_list(self) -> bool:
        """Whether this holds a list."""
        return isinstance(self.node.value, list)

    @property
    def is_number(self) -> bool:
        """Whether a bare number is written here."""
        value = self.node.value
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def entries(self, known: Collection[str] | None = None) -> dict[str, Field]:
        """Return the fields of a mapping; with `known`, any other name is an error."""
        value = self.node.value
        if not isinstance(value, dict):
            raise self._wrong("fields are wanted here", "a mapping")
        found = {
            name: Field(node, path=_below(self.path, name), file=self.file)
            for name, node in value.items()
        }
        if known is not None:
            for name, field in found.items():
                if name not in known:
                    raise field.unknown(known)
        return found

    def unknown(self, known: Collection[str]) -> SpecError:
        """Make the error for a field nobody knows, with the nearest name that exists."""
        # Only a misspelling needs it, and every DAG file would pay for the import.
        from difflib import get_close_matches

        name = self.path.rpartition(".")[2]
        near = get_close_matches(name, list(known), n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        return self.error(f"is not a known field{hint}", allowed=", ".join(sorted(known)))

    def items(self) -> list[Field]:
        """Return the entries of a list."""
        value = self.node.value
        if not isinstance(value, list):
            raise self._wrong("a list is wanted here", "a list")
        return [
            Field(node, path=f"{self.path}[{index}]", file=self.file)
            for index, node in enumerate(value)
        ]

    def text(self) -> str:
        """Return text; numbers, booleans and doubtful words need quotes to be text."""
        value = self.node.value
        if self.node.doubtful:
            raise self._doubt("in quotes if it is text")
        if isinstance(value, (bool, int, float)):
            raise self._wrong("text is wanted here", "text (in quotes if it looks like a number)")
        if not isinstance(value, str):
            raise self._wrong("text is wanted here", "text")
        return value

    def boolean(self) -> bool:
        """Return a boolean; `on`, `off`, `yes` and `no` can only mean one thing here."""
        value = self.node.value
        if isinstance(value, bool):
            return value
        word = self.node.raw.lower() if self.node.doubtful else ""
        if word in _YES:
            return True
        if word in _NO:
            return False
        raise self._wrong("a boolean is wanted here", "true, false")

    def number(self, allowed: str = "a number") -> float:
        """Return a finite number."""
        value = self.node.value
        if self.node.doubtful:
            raise self._doubt("as a plain decimal number")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong("a number is wanted here", allowed)
        if not math.isfinite(value):
            raise self._wrong("a finite number is wanted here", allowed)
        return float(value)

    def integer(self, allowed: str = "a whole number") -> int:
        """Return a whole number; ``10.0`` is one."""
        value = self.number(allowed)
        if value != int(value):
            raise self._wrong("a whole number is wanted here", allowed)
        return int(value)

    def choice(self, kind: type[_Choice]) -> _Choice:
        """Return one word of an enumeration."""
        word = self.text()
        try:
            return kind(word)
        except ValueError:
            allowed = ", ".join(kind)
            raise self.error("is not a known word", found=word, allowed=allowed) from None

    def parsed(self, parse: Callable[[str], _Parsed], how: str) -> _Parsed:
        """Return text read by `parse`, whose ValueError becomes this place's error.

        :param how: how such a value is written, for example ``500ms, 90s, 5m``.
        """
        if self.is_number:
            raise self._wrong("a unit is missing", how)
        if self.node.doubtful:
            raise self._doubt(f"with its unit ({how})")
        word = self.text()
        try:
            return parse(word)
        except ValueError as error:
            raise self.error(str(error), found=word, allowed=how) from None

    def _wrong(self, message: str, allowed: str) -> SpecError:
        value = self.node.value
        if value is None:
            return self.error("is empty", allowed=allowed)
        if isinstance(value, dict):
            return self.error(f"{message}, this is a mapping", allowed=allowed)
        if isinstance(value, list):
            return self.error(f"{message}, this is a list", allowed=allowed)
        return self.error(message, found=value, allowed=allowed)

    def _doubt(self, how: str) -> SpecError:
        return self.error(
            "YAML readers disagree about this value", found=self.node.raw, allowed=how
        )


def _below(path: str, name: str) -> str:
    word = name if _WORD.fullmatch(name) and len(name) <= _LONGEST_KEY else f"[{shorten(name)}]"
    if not path:
        return word
    return f"{path}{word}" if word.startswith("[") else f"{path}.{word}"

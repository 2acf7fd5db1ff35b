"""YAML text -> one tree of values with line numbers, within limits.

The tree is built from the parser's events, so that a document is refused while it is read and not
after it has been expanded. Scalars follow YAML 1.2 (as Kubernetes and JSON do), and where YAML 1.1
would read something else, the reader keeps the doubt instead of choosing:

* ``true``/``false`` are booleans; ``yes``, ``no``, ``on``, ``off`` are taken as booleans only where
  a boolean is expected and are refused where text is, unless they stand in quotes;
* ``012``, ``0o12``, ``1_000``, ``12:30`` (octal, grouped and sexagesimal numbers of YAML 1.1),
  ``y`` and ``n`` are refused everywhere unless they stand in quotes;
* ``1m``, ``1%`` and dates are text; ``<<`` merges, tags of other types, duplicate keys and more
  than one document are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from airflow_rollout.errors import SpecError, shorten

__all__ = ["MAX_ALIASES", "MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Node", "read_document"]

# A release description is some kilobytes; these bounds are far above any real one and far below
# what would hold up the process that parses all DAG files.
MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_NODES = 20_000
MAX_ALIASES = 32

# libyaml reads ten times faster; the pure reader gives the same events where it is missing.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_CORE + name for name in ("str", "int", "float", "bool", "null")}
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DOUBTFUL = re.compile(
    r"(?i:yes|no|on|off|y|n)"
    r"|[-+]?0[0-9_]+|[-+]?0o[0-7]+|[-+]?0b[01_]+|[-+]?0x[0-9a-fA-F_]+"
    r"|[-+]?[0-9][0-9]*(_[0-9_]*)+(\.[0-9_]*)?"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
)
# Longer digits are no number anybody meant, and converting them costs quadratic time.
_LONGEST_NUMBER = 40

Value = None | bool | int | float | str | list["Node"] | dict[str, "Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the document.

    :param line: 1-based line where it begins.
    :param raw: a scalar as it is written.
    :param doubtful: a plain scalar that YAML 1.1 and 1.2 read differently.
    :param size: number of nodes in it, itself and everything behind aliases included.
    :param height: levels in it.
    """

    value: Value
    line: int
    raw: str = ""
    doubtful: bool = False
    size: int = 1
    height: int = 1


def read_document(text: str, *, file: str | None) -> Node:
    """Read the only document of a text; anything else is a `SpecError` with its line."""
    reader = _Reader(text, file)
    try:
        found = list(reader.documents())
    except yaml.YAMLError as error:
        raise _unreadable(error, file) from error
    if not found:
        raise SpecError("the file is empty", file=file, allowed="one YAML document")
    return found[0]


class _Reader:
    """Build nodes from events; every limit is checked before the node that would break it."""

    def __init__(self, text: str, file: str | None) -> None:
        self._file = file
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._aliases = 0

    def documents(self) -> Iterator[Node]:
        seen = False
        for event in self._events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            self._anchors.clear()
            node = self._node(next(self._events), 1)
            # Templating tools leave empty documents between separators; they say nothing.
            if node.value is None:
                continue
            if seen:
                raise self._fault("the file holds several documents", node.line, "one document")
            seen = True
            yield node

    def _node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line, depth)
        if depth > MAX_DEPTH:
            raise self._fault("nested too deeply", line, f"{MAX_DEPTH} levels")
        self._count(1, line)
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event, _CORE + "seq", line)
            node = self._sequence(line, depth)
        else:
            self._check_tag(event, _CORE + "map", line)
            node = self._mapping(line, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _sequence(self, line: int, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return _parent(items, items, line)

    def _mapping(self, line: int, depth: int) -> Node:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, entries)
            entries[key] = self._node(next(self._events), depth + 1)
        return _parent(entries, list(entries.values()), line)

    def _key(self, event: Any, entries: dict[str, Node]) -> str:
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.ScalarEvent):
            raise self._fault("a key is not plain text", line, "text")
        self._count(1, line)
        node = self._scalar(event, line)
        if node.doubtful:
            raise self._fault(
                f"YAML readers disagree about the key {shorten(event.value)}",
                line,
                "the key in quotes",
            )
        if event.value == "<<" and not event.style:
            raise self._fault("`<<` merges are not read", line, "the fields written out")
        if event.value in entries:
            raise self._fault(f"the key {shorten(event.value)} stands twice", line, "each key once")
        return str(event.value)

    def _scalar(self, event: Any, line: int) -> Node:
        raw = event.value
        tag = None if event.tag in (None, "!") else event.tag
        if tag is not None and tag not in _SCALAR_TAGS:
            raise self._foreign_tag(tag, line)
        # Quotes, `!` and `!!str` all say: this is text.
        if tag == _CORE + "str" or event.tag == "!" or (tag is None and event.style):
            return Node(raw, line, raw)
        if _DOUBTFUL.fullmatch(raw):
            return Node(raw, line, raw, doubtful=True)
        return Node(_plain(raw), line, raw)

    def _alias(self, anchor: str, line: int, depth: int) -> Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._fault("too many aliases", line, f"{MAX_ALIASES} in a document")
        node = self._anchors.get(anchor)
        if node is None:
            raise self._fault(
                f"the alias {shorten(anchor)} names nothing, or something that contains it",
                line,
                "an anchor that ends before it",
            )
        if depth + node.height - 1 > MAX_DEPTH:
            raise self._fault("nested too deeply through an alias", line, f"{MAX_DEPTH} levels")
        self._count(node.size, line)
        return node

    def _count(self, more: int, line: int) -> None:
        self._nodes += more
        if self._nodes > MAX_NODES:
            raise self._fault("too many values", line, f"{MAX_NODES} with aliases expanded")

    def _check_tag(self, event: Any, core: str, line: int) -> None:
        if event.tag not in (None, "!", core):
            raise self._foreign_tag(event.tag, line)

    def _foreign_tag(self, tag: str, line: int) -> SpecError:
        return self._fault(f"the tag {shorten(tag)} is not read", line, "values without tags")

    def _fault(self, message: str, line: int, allowed: str) -> SpecError:
        return SpecError(message, file=self._file, line=line, allowed=allowed)


def _parent(value: Value, children: list[Node], line: int) -> Node:
    return Node(
        value,
        line,
        size=1 + sum(child.size for child in children),
        height=1 + max((child.height for child in children), default=0),
    )


def _plain(raw: str) -> Value:
    if raw in _NULL:
        return None
    if raw in _TRUE:
        return True
    if raw in _FALSE:
        return False
    if _NOT_FINITE.fullmatch(raw):
        return float(raw.replace(".", ""))
    if len(raw) > _LONGEST_NUMBER:
        return raw
    if _INTEGER.fullmatch(raw):
        return int(raw)
    if _FLOAT.fullmatch(raw):
        return float(raw)
    return raw


def _unreadable(error: yaml.YAMLError, file: str | None) -> SpecError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "broken"
    return SpecError(
        f"not readable as YAML: {problem}",
        file=file,
        line=None if mark is None else mark.line + 1,
        allowed="one YAML document in UTF-8",
    )

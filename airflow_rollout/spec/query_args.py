"""Argo's `{{args.x}}` in queries: values that a file gives once and names in many queries.

    - {name: service-name, value: checkout}
    - {name: team, valueFrom: {fieldRef: {fieldPath: "metadata.labels['team']"}}}

A value has to be known when the file is read. Pod hashes are not (`{{ arm }}` says which arm is
asked), and a secret belongs into a connection, never into a query that is shown and kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_rollout.spec.fields import Field

__all__ = ["fill_args", "known_fields", "read_args"]

_PLACE = re.compile(r"\{\{\s*args\.([^{}\s]+)\s*\}\}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)

_UNKNOWABLE = {
    "podTemplateHashValue": "{{ arm }} in the query: it stands for canary and for stable",
    "secretKeyRef": "a connection of the metric system: queries are shown and kept",
}


def known_fields(metadata: Field, **usual: str) -> dict[str, str]:
    """Return what a `fieldPath` can name: the metadata of the file.

    :param usual: values where the file says none.
    """
    known = {f"metadata.{name}": value for name, value in usual.items()}
    for name, place in metadata.entries().items():
        if place.is_mapping:
            for key, entry in place.entries().items():
                known[f"metadata.{name}['{key}']"] = entry.text()
    return known


def read_args(place: Field | None, known: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments by name.

    :param known: what a `fieldPath` can name.
    :raises SpecError: a value that nobody knows when the file is read, or a name given twice.
    """
    args: dict[str, str] = {}
    for item in place.items() if place else ():
        fields = item.entries(("name", "value", "valueFrom"))
        if "name" not in fields:
            raise item.missing("name", "the name after args.")
        name = fields["name"].text()
        if not _NAME.fullmatch(name) or name in args:
            raise fields["name"].error(
                "is no name of its own", found=name, allowed="letters, digits, -, _ and ., once"
            )
        if ("value" in fields) == ("valueFrom" in fields):
            raise item.error("has no value of its own", allowed="value or valueFrom")
        args[name] = (
            fields["value"].text() if "value" in fields else _looked_up(fields["valueFrom"], known)
        )
    return args


def fill_args(query: Field, args: Mapping[str, str]) -> str:
    """Return a query with its arguments put in; other braces stay.

    :raises SpecError: an argument that the file does not give.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in args:
            raise query.error(
                "names an argument that the file does not give", found=f"args.{found[1]}",
                allowed=", ".join(f"args.{name}" for name in args) or "none: analysis has no args",
            )  # fmt: skip
        return args[found[1]]

    return _PLACE.sub(value, query.text())


def _looked_up(place: Field, known: Mapping[str, str]) -> str:
    fields = place.entries(("fieldRef", *_UNKNOWABLE))
    for name, instead in _UNKNOWABLE.items():
        if name in fields:
            raise fields[name].error("is not known when the file is read", allowed=instead)
    if "fieldRef" not in fields:
        raise place.missing("fieldRef", "fieldRef: {fieldPath: metadata.name}")
    reference = fields["fieldRef"].entries(("fieldPath",))
    if "fieldPath" not in reference:
        raise fields["fieldRef"].missing("fieldPath", ", ".join(known))
    path = reference["fieldPath"]
    if path.text() not in known:
        raise path.error("is not in the file", found=path.text(), allowed=", ".join(known))
    return known[path.text()]

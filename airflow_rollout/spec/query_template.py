"""Queries of the native format that ask the same of both arms: `{{ arm }}` and what the file knows.

    sum(rate(errors{job="{{ service }}-{{ arm }}", namespace="{{ namespace }}"}[1m]))

Names only, no expressions; an unknown name is refused when the file is read.
"""

from __future__ import annotations

import re

__all__ = ["TEMPLATE_NAMES", "fill_query", "unknown_names"]

TEMPLATE_NAMES = ("arm", "namespace", "service")

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def unknown_names(query: str) -> list[str]:
    """Return what stands in braces and is no name that can be filled in."""
    found = [name for name in _PLACE.findall(query) if name not in TEMPLATE_NAMES]
    # Braces that do not close are a template too, one that nobody could fill in.
    return [*found, "{{"] if "{{" in _PLACE.sub("", query) else found


def fill_query(query: str, *, arm: str, namespace: str, service: str) -> str:
    """Return the query of one arm; names that are not known are left as they are.

    :param arm: ``canary`` or ``stable``.
    """
    values = {"arm": arm, "namespace": namespace, "service": service}
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), query)

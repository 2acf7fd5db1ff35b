"""Names and adapter options as every dialect reads them."""

from __future__ import annotations

import re
from collections.abc import Collection

from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.model import Options

__all__ = ["option_texts", "read_name"]

# Names become DAG ids, file names and label values, so they hold nothing that means something
# to a shell, a path or a query.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?", re.ASCII)


def read_name(field: Field) -> str:
    """Return a name that is safe as a DAG id, a file name and a label value."""
    name = field.text()
    if not _NAME.fullmatch(name):
        raise field.error(
            "is not a usable name",
            found=name,
            allowed="letters, digits, -, _ and ., beginning and ending with a letter or digit",
        )
    return name


def option_texts(fields: dict[str, Field], taken: Collection[str]) -> Options:
    """Return an adapter's own options as text, sorted so that their order changes nothing."""
    return tuple(
        (name, _option(field)) for name, field in sorted(fields.items()) if name not in taken
    )


def _option(field: Field) -> str:
    if field.is_list:
        return ",".join(_option(item) for item in field.items())
    if field.is_mapping or field.is_null or field.node.doubtful:
        return field.text()
    return field.node.raw

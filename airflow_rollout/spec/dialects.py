"""The dialects, written out: which document is read by which file.

A further dialect is one more file here and one more line in `DIALECTS`. Dialects do not know each
other; what they share is `Field` (reading) and `Context` (what the caller said).
"""

from __future__ import annotations

import re

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.context import Context, Dialect
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.flagger import FLAGGER
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.spec.native import NATIVE

__all__ = ["DIALECTS", "read_spec", "why_unsupported"]

_INDEX = re.compile(r"\[[0-9]+\]")

# (apiVersion, kind) -> who reads it.
DIALECTS: dict[tuple[str, str], Dialect] = {
    ("airflow-rollout/v1", "Rollout"): NATIVE,
    ("flagger.app/v1beta1", "Canary"): FLAGGER,
}


def read_spec(document: Field, context: Context) -> RolloutSpec:
    """Turn a document into a spec by the dialect its apiVersion and kind name."""
    top = document.entries()
    for name in ("apiVersion", "kind"):
        if name not in top:
            raise document.missing(name, _supported())
    version, kind = top["apiVersion"].text(), top["kind"].text()
    dialect = DIALECTS.get((version, kind))
    if dialect is None:
        raise _foreign(top, version, kind)
    return dialect.read(document, context)


def why_unsupported(spec: RolloutSpec, path: str) -> str:
    """Say what not executing a field means, for a path of `unsupported` or `ignored`."""
    for dialect in DIALECTS.values():
        if dialect.name == spec.dialect:
            return dialect.reasons.get(_INDEX.sub("[]", path), "")
    return ""


def _foreign(top: dict[str, Field], version: str, kind: str) -> SpecError:
    """Blame the kind when only the kind is foreign, else the apiVersion."""
    place = top["kind"] if any(version == known for known, _ in DIALECTS) else top["apiVersion"]
    return place.error(
        "this kind of document is not read by this version",
        found=f"{version} {kind}",
        allowed=_supported(),
    )


def _supported() -> str:
    return "; ".join(f"apiVersion {version}, kind {kind}" for version, kind in sorted(DIALECTS))

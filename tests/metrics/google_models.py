"""Google Cloud Monitoring's published contract: the discovery document of Google's own client."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema

__all__ = ["check_answer", "listing"]


@cache
def _document() -> dict[str, Any]:
    documents = files("googleapiclient.discovery_cache") / "documents"
    return dict(json.loads((documents / "monitoring.v3.json").read_text()))


def listing() -> dict[str, Any]:
    """Return how time series are listed: method, path, parameters."""
    methods = _document()["resources"]["projects"]["resources"]["timeSeries"]["methods"]
    return dict(methods["list"])


def check_answer(answer: object) -> None:
    """Raise `jsonschema.ValidationError` for what is no answer to that."""
    schemas = {name: _strict(schema) for name, schema in _document()["schemas"].items()}
    jsonschema.validate(answer, {"$ref": "#/$defs/ListTimeSeriesResponse", "$defs": schemas})


def _strict(schema: Any) -> Any:
    """Return a schema of Google's as JSON Schema; a field that it does not name is a fault."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    found = {name: _strict(value) for name, value in schema.items() if name != "id"}
    if found.get("type") == "any":
        del found["type"]
    if "properties" in found:
        found["additionalProperties"] = False
    return found

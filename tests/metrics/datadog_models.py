"""Datadog's own published models: they raise where some JSON does not fit them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["convert"]


def convert(data: object, module: str, name: str) -> Any:
    """Return Datadog's own model of some JSON."""
    # Imported here: it takes a second that tests of other systems need not pay.
    from datadog_api_client import Configuration
    from datadog_api_client.model_utils import validate_and_convert_types

    model = getattr(import_module(f"datadog_api_client.{module}"), name)
    return validate_and_convert_types(
        data, (model,), ["body"], True, True, configuration=Configuration()
    )

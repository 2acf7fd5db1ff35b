"""Modules that a DAG file's classes name and only a running task needs.

A DAG file is parsed every half a minute; making the record's value classes would be a sixth of
what its first rollout costs. They are loaded when they are first used.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["record"]


def _late(name: str) -> ModuleType:
    """Return a module that loads itself at the first look into it."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(name, name=name)
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from airflow_rollout import record
else:
    record = _late("airflow_rollout.record")

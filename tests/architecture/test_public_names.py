"""What is public says so, exists, and says in its first line what it does."""

from __future__ import annotations

import ast
import re
from importlib import import_module

import pytest
from tree import Definition, modules

import airflow_rollout

# Verbs in the third person: "Returns ..." describes, "Return ..." is what the style asks for.
_DESCRIBES = re.compile(r"(?:Returns|Makes|Gets|Sets|Reads|Writes|Creates|Checks|Builds|Runs)\b")
_NO_SENTENCE_END = re.compile(r"[^.:?!]$")

_PUBLIC = [module for module in modules() if not module.is_private]


def test_a_module_with_public_definitions_has_all() -> None:
    without = {
        str(module): public
        for module in _PUBLIC
        if module.exported is None
        and (public := [name for name in module.definitions if not name.startswith("_")])
    }
    assert not without


def test_everything_in_all_exists() -> None:
    missing = {
        f"{module}.{name}"
        for module in _PUBLIC
        if str(module) != airflow_rollout.__name__
        for name in module.exported or ()
        if not hasattr(import_module(module.name), name)
    }
    assert not missing


def test_all_names_nothing_twice() -> None:
    twice = [
        str(module)
        for module in _PUBLIC
        if len(set(module.exported or ())) != len(module.exported or ())
    ]
    assert not twice


def test_a_module_says_what_it_is() -> None:
    assert [str(module) for module in modules() if not ast.get_docstring(module.tree)] == []


def test_public_names_are_documented_in_one_first_sentence() -> None:
    faults = {
        f"{module}.{name}": fault
        for module in _PUBLIC
        for name, node in module.definitions.items()
        if name in (module.exported or ()) and (fault := _fault(node))
    }
    assert not faults


def _fault(node: Definition) -> str:
    first, _, rest = (ast.get_docstring(node) or "").partition("\n")
    if not first:
        return "has no docstring"
    if rest and rest.split("\n")[0].strip():
        return "the first line does not end its sentence"
    if _NO_SENTENCE_END.search(first):
        return f"is no sentence: {first}"
    if _DESCRIBES.match(first):
        return f"describes instead of telling: {first}"
    return ""


@pytest.mark.parametrize("name", airflow_rollout.__all__)
def test_public_names_of_the_package_resolve(name: str) -> None:
    assert getattr(airflow_rollout, name) is not None


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = airflow_rollout.no_such_name

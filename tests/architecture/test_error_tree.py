"""The drawing of the exception tree is the tree."""

from __future__ import annotations

import inspect
import re

import pytest

from airflow_rollout import errors

_LINE = re.compile(r"(?P<indent> *)(?P<name>[A-Z]\w+)(?:\((?P<parameters>[\w, ]+)\))?")


def _drawn() -> dict[str, tuple[str | None, list[str]]]:
    """Return error -> parent and parameters, as the docstring draws them."""
    tree: dict[str, tuple[str | None, list[str]]] = {}
    path: list[tuple[int, str]] = []
    lines = inspect.cleandoc(errors.__doc__ or "").splitlines()
    for line in lines[lines.index("RolloutError") :]:
        match = _LINE.match(line)
        if match is None:
            break
        depth, name = len(match["indent"]), match["name"]
        path = [(at, parent) for at, parent in path if at < depth]
        parameters = [word.strip() for word in (match["parameters"] or "").split(",") if word]
        tree[name] = (path[-1][1] if path else None, parameters)
        path.append((depth, name))
    return tree


def test_the_drawing_shows_every_error_under_its_parent() -> None:
    real = {
        name: (None if cls is errors.RolloutError else cls.__mro__[1].__name__)
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, Exception)
    }
    assert {name: parent for name, (parent, _) in _drawn().items()} == real


@pytest.mark.parametrize("name", [name for name, (_, given) in _drawn().items() if given])
def test_the_drawing_shows_what_an_error_carries(name: str) -> None:
    parameters = inspect.signature(getattr(errors, name)).parameters
    assert set(_drawn()[name][1]) <= set(parameters)


def test_everything_in_the_tree_is_public() -> None:
    assert set(_drawn()) == set(errors.__all__)

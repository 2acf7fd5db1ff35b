"""The part of Go's text templates that queries use: names, functions, pipelines, trimmed blanks.

    {{ target }}    {{ variables.direction }}    {{ index variables "direction" }}
    {{ printf "%s-canary" target }}    {{ namespace | printf "%s_%s" "a" | urlquery }}
    {{- "x" -}}    {{/* a comment */}}

A template knows only what it is given. Control flow (`if`, `range` ...) is not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

__all__ = ["Names", "TemplateFault", "render_template"]

Value = str | int | float | Mapping[str, str]
Names = Mapping[str, str | Mapping[str, str]]

_ACTION = re.compile(r"\{\{(?:(-)\s)?(.*?)(?:\s(-))?\}\}", re.DOTALL)
_COMMENT = re.compile(r"\s*/\*.*\*/\s*", re.DOTALL)
_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|`(?P<raw>[^`]*)`|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])'
    r"|(?P<name>[A-Za-z_]\w*(?:\.\w+)*)|(?P<mark>[|()]))",
    re.ASCII,
)
_VERB = re.compile(r"%([-+ 0#]*\d*(?:\.\d+)?)([a-zA-Z%])")
_END = ("end", "")

Token = tuple[str, str]


class TemplateFault(ValueError):
    """Say what a template wants that cannot be given."""


def render_template(text: str, names: Names) -> str:
    """Return the text with its actions carried out.

    :param names: what a name stands for: a text, or a mapping whose entries follow a dot.
    :raises TemplateFault: an unknown name or function, or what is no action.
    """
    parts: list[str] = []
    position, trims = 0, False
    for action in _ACTION.finditer(text):
        plain = text[position : action.start()]
        plain = plain.lstrip() if trims else plain
        parts.append(plain.rstrip() if action[1] else plain)
        parts.append(_carried_out(action[2], names))
        position, trims = action.end(), bool(action[3])
    rest = text[position:].lstrip() if trims else text[position:]
    if "{{" in rest:
        raise TemplateFault("{{ is not closed")
    return "".join([*parts, rest])


def _carried_out(inner: str, names: Names) -> str:
    if _COMMENT.fullmatch(inner):
        return ""
    tokens = _tokens(inner)
    value = _pipeline(tokens, names)
    if tokens[0] != _END:
        raise TemplateFault(f"{tokens[0][1]!r} is not expected")
    return _shown(value)


def _tokens(inner: str) -> list[Token]:
    tokens: list[Token] = []
    inner, position = inner.rstrip(), 0
    while position < len(inner):
        found = _TOKEN.match(inner, position)
        if found is None or found.lastgroup is None:
            raise TemplateFault(f"{inner[position:].strip()!r} cannot be read")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return [*tokens, _END]


def _pipeline(tokens: list[Token], names: Names) -> Value:
    """Carry out commands in turn, the value of each being the last argument of the next."""
    value = _command(tokens, names, ())
    while tokens[0] == ("mark", "|"):
        tokens.pop(0)
        value = _command(tokens, names, (value,))
    return value


def _command(tokens: list[Token], names: Names, piped: tuple[Value, ...]) -> Value:
    kind, text = tokens[0]
    if kind == "name" and text in _FUNCTIONS:
        tokens.pop(0)
        arguments = []
        while tokens[0] != _END and tokens[0] not in (("mark", "|"), ("mark", ")")):
            arguments.append(_operand(tokens, names))
        return _FUNCTIONS[text](*arguments, *piped)
    value = _operand(tokens, names)
    if piped:
        raise TemplateFault(f"{text!r} takes no argument")
    return value


def _operand(tokens: list[Token], names: Names) -> Value:
    kind, text = tokens.pop(0)
    if kind == "text":
        return _unquoted(text)
    if kind == "raw":
        return text
    if kind == "number":
        return float(text) if "." in text else int(text)
    if kind == "name":
        return _named(text, names)
    if (kind, text) == ("mark", "("):
        value = _pipeline(tokens, names)
        if tokens.pop(0) != ("mark", ")"):
            raise TemplateFault("( is not closed")
        return value
    raise TemplateFault(f"{text!r} is not expected" if text else "something is missing")


def _named(text: str, names: Names) -> Value:
    name, _, entry = text.partition(".")
    value = names.get(name)
    if isinstance(value, Mapping) and entry:
        value = value.get(entry)
    elif entry:
        value = None
    if value is None:
        known = [*(name for name in names), *_FUNCTIONS]
        raise TemplateFault(f"{text!r} is not known; known: {', '.join(known)}")
    return value


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        raise TemplateFault(f"{text} cannot be read") from None


def _shown(value: Value) -> str:
    if isinstance(value, Mapping):
        raise TemplateFault("a mapping is no text")
    return str(value)


def _print(*values: Value) -> str:
    """Join values, with a blank between two that are both no texts."""
    text = ""
    for index, value in enumerate(values):
        apart = index and not isinstance(value, str) and not isinstance(values[index - 1], str)
        text += (" " if apart else "") + _shown(value)
    return text


def _printf(*values: Value) -> str:
    pattern, *rest = values or ("",)

    def filled(verb: re.Match[str]) -> str:
        if verb[2] == "%":
            return "%"
        if not rest:
            raise TemplateFault(f"printf has no value for {verb[0]}")
        return _formatted(verb, rest.pop(0))

    text = _VERB.sub(filled, _shown(pattern))
    if rest:
        raise TemplateFault("printf has more values than verbs")
    return text


def _formatted(verb: re.Match[str], value: Value) -> str:
    if verb[2] == "q" and isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    python = {"v": "s", "s": "s", "d": "d", "f": "f"}.get(verb[2])
    fits = isinstance(value, {"d": int, "f": float}.get(verb[2], str | int | float))
    if python is None or not fits or (verb[2] == "s" and not isinstance(value, str)):
        raise TemplateFault(f"printf cannot write {value!r} as {verb[0]}")
    return f"%{verb[1]}{python}" % value


def _index(*values: Value) -> str:
    found, *keys = values or ("",)
    if not isinstance(found, Mapping) or len(keys) != 1 or keys[0] not in found:
        raise TemplateFault(f"index finds nothing at {', '.join(map(str, keys))}")
    return found[str(keys[0])]


def _urlquery(*values: Value) -> str:
    return quote_plus(_print(*values))


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "index": _index,
    "print": _print,
    "printf": _printf,
    "urlquery": _urlquery,
}

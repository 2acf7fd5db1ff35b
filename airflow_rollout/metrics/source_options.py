"""Options of metric systems as a spec gives them: names, texts, numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.spec.options import option_number, option_seconds, read_options

__all__ = ["SourceOptions", "read_source_options"]

_PLACE = re.compile(r"\{(\w*)\}")


class SourceOptions:
    """The options of one source, each read once and checked.

    :param timeout_seconds: how long a read may take where `timeout` says nothing.
    """

    def __init__(self, found: Mapping[str, str], timeout_seconds: float) -> None:
        self._found = found
        self.timeout_seconds = self.seconds("timeout", timeout_seconds, minimum=0.1, maximum=120)

    def text(self, name: str, default: str = "") -> str:
        """Return an option as it is written."""
        return self._found.get(name, default)

    def needed(self, name: str, why: str) -> str:
        """Return an option that has no default.

        :raises SpecError: it is missing or empty.
        """
        value = self.text(name).strip()
        if not value:
            raise SpecError("is missing", path=f"source.{name}", allowed=why)
        return value

    def seconds(self, name: str, default: float, *, minimum: float, maximum: float) -> float:
        """Return a duration in seconds; a bare number is seconds."""
        text = self._found.get(name)
        if text is None:
            return default
        return option_seconds(text, path=f"source.{name}", minimum=minimum, maximum=maximum)

    def whole(self, name: str, default: int, *, minimum: int, maximum: int) -> int:
        """Return a whole number."""
        text = self._found.get(name, str(default))
        value = option_number(text, path=f"source.{name}", minimum=minimum, maximum=maximum)
        if value != int(value):
            raise SpecError("is no whole number", path=f"source.{name}", found=text)
        return int(value)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return one of the allowed words; the first is the default."""
        value = self._found.get(name, allowed[0])
        if value not in allowed:
            raise SpecError(
                "is none of them", path=f"source.{name}", found=value, allowed=", ".join(allowed)
            )
        return value

    def pattern(self, name: str, default: str) -> str:
        """Return a text with `{service}` and `{namespace}` to be filled in.

        :raises SpecError: another name in braces.
        """
        text = self._found.get(name, default)
        unknown = set(_PLACE.findall(text)) - {"service", "namespace"}
        if unknown:
            raise SpecError(
                "holds an unknown name", path=f"source.{name}", found=text,
                allowed="{service} and {namespace}",
            )  # fmt: skip
        return text


def read_source_options(
    source: MetricSource, allowed: Mapping[str, str], *, timeout_seconds: float = 5.0
) -> SourceOptions:
    """Return the options of a source, `timeout` among them.

    :param allowed: name -> what it is for, shown when an unknown one is found.
    :raises SpecError: an unknown option, or a timeout out of bounds.
    """
    named = {
        **allowed,
        "timeout": f"how long a read may take, {timeout_seconds:g}s if not given",
    }
    return SourceOptions(
        read_options(source.options, allowed=named, path="source"), timeout_seconds
    )

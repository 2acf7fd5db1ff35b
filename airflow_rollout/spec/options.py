"""Read the options that a spec hands to an adapter: known names only, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.durations import parse_duration

__all__ = ["option_number", "option_seconds", "read_options"]


def read_options(
    options: tuple[tuple[str, str], ...], *, allowed: Mapping[str, str], path: str
) -> dict[str, str]:
    """Return the options as a dict.

    :param allowed: name -> what it is for, shown when an unknown one is found.
    :param path: where the options stand in the spec, for example ``traffic``.
    :raises SpecError: an unknown option, or one given twice.
    """
    found: dict[str, str] = {}
    for name, value in options:
        if name not in allowed:
            names = "; ".join(f"{key} ({use})" for key, use in sorted(allowed.items()))
            raise SpecError(
                "unknown option", path=f"{path}.{name}", found=name, allowed=names or "no options"
            )
        if name in found:
            raise SpecError("given twice", path=f"{path}.{name}", found=value)
        found[name] = value
    return found


def option_number(
    text: str, *, path: str, minimum: float, maximum: float, unit: str = ""
) -> float:  # fmt: skip
    """Read a number within bounds from an option.

    :raises SpecError: not a number, or out of bounds.
    """
    allowed = f"a number from {minimum:g} to {maximum:g}" + (f" ({unit})" if unit else "")
    try:
        value = float(text)
    except ValueError:
        raise SpecError("not a number", path=path, found=text, allowed=allowed) from None
    if not minimum <= value <= maximum:
        raise SpecError("out of bounds", path=path, found=text, allowed=allowed)
    return value


def option_seconds(text: str, *, path: str, minimum: float, maximum: float) -> float:
    """Return a duration in seconds; a bare number is seconds.

    :raises SpecError: not a duration, or out of bounds.
    """
    try:
        value = float(text)
    except ValueError:
        value = parse_duration(text, path=path)
    return option_number(str(value), path=path, minimum=minimum, maximum=maximum, unit="s")

"""Load a rollout from a file: the limits of reading, then the dialect."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings, Known
from airflow_rollout.spec.context import Context
from airflow_rollout.spec.dialects import read_spec
from airflow_rollout.spec.document import MAX_BYTES, read_document
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["load_spec", "missing_bindings", "parse_spec"]

_NOTHING_SAID = Bindings()
_NOTHING_CHECKED = Known()


def load_spec(
    file: str | Path,
    *,
    bindings: Bindings = _NOTHING_SAID,
    ignore: Sequence[str] = (),
    known: Known = _NOTHING_CHECKED,
) -> RolloutSpec:
    """Load the rollout a file describes.

    :param file: the YAML document; at most 1 MB of UTF-8.
    :param bindings: what the document cannot say.
    :param ignore: paths of fields that need not be executed; each covers what is below it.
    :param known: names of the adapters; None in it means that a name is not checked.
    :raises SpecError: whatever is wrong, the file itself included.
    """
    return parse_spec(_read(file), file=str(file), bindings=bindings, ignore=ignore, known=known)


def parse_spec(
    text: str | bytes,
    *,
    file: str | None,
    bindings: Bindings = _NOTHING_SAID,
    ignore: Sequence[str] = (),
    known: Known = _NOTHING_CHECKED,
) -> RolloutSpec:
    """Read the rollout a text describes; see `load_spec`. `file` only names it in errors."""
    document = read_document(_decode(text, file), file=file)
    context = Context(bindings=bindings, known=known, ignore=ignore, file=file)
    return read_spec(Field(document, path="", file=file), context)


def missing_bindings(file: str | Path, *, bindings: Bindings = _NOTHING_SAID) -> tuple[str, ...]:
    """Return the bindings that a good file still needs from its caller, as a caller writes them.

    A native file may say some of them itself, so each is tried: it is needed if the file cannot
    be read without it.
    """
    text = _read(file)
    missing = []
    for name in bindings.missing():
        try:
            parse_spec(text, file=str(file), bindings=bindings.filled(but=name))
        except SpecError:
            missing.append(name)
    return tuple(missing)


def _read(file: str | Path) -> bytes:
    """Read a regular file up to the limit; a pipe or device could block or never end."""
    name = str(file)
    try:
        mode = Path(file).stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise SpecError(f"is {what}", file=name, allowed="a YAML file")
        with Path(file).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise SpecError(message, file=name, allowed="a YAML file") from error
    except ValueError as error:
        raise SpecError(f"is not a file name: {error}", file=name) from error


def _decode(text: str | bytes, file: str | None) -> str:
    """Bound and decode before anything is parsed; a byte order mark is no content."""
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > MAX_BYTES:
            raise SpecError("the file is too large", file=file, allowed="1 MB")
        return data.decode("utf-8-sig")
    except UnicodeError as error:
        message = f"is not UTF-8: {error.reason} at byte {error.start}"  # type: ignore[attr-defined]
        raise SpecError(message, file=file, allowed="one YAML document in UTF-8") from error

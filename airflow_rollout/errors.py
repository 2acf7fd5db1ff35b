"""The whole exception tree of the package.

RolloutError
  SpecError(file, path, found, allowed)   a document is wrong; raised while the DAG file is parsed
  ReleaseRefused(found, wanted)           the fence said no
    ReleaseBusy(found, wanted)            another release is open: worth asking again later
  AdapterError(system)
    TransientAdapterError                 timeout, refused, 429, 5xx: worth another try
    PermanentAdapterError                 404, unreadable answer, bad query: not worth one
      AccessDenied                        401, 403: neither, but rights may be given back

Everything that leaves this package on purpose is a `RolloutError`; behaviour is chosen by class,
never by message text.
"""

from __future__ import annotations

__all__ = [
    "AccessDenied",
    "AdapterError",
    "PermanentAdapterError",
    "ReleaseBusy",
    "ReleaseRefused",
    "RolloutError",
    "SpecError",
    "TransientAdapterError",
]


class RolloutError(Exception):
    """Stand for every error this package raises on purpose."""


class SpecError(RolloutError):
    """Say what is wrong in a document, where, and what would be right.

    :param message: one sentence about the fault.
    :param file: the document's file, None when it was built in code.
    :param path: the field, for example ``spec.analysis.metrics[0].thresholdRange.min``.
    :param found: the value that was found, shown shortened.
    :param allowed: what is allowed there, in words.
    :param line: 1-based line in the file, None when unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        path: str = "",
        found: object = None,
        allowed: str = "",
        line: int | None = None,
    ) -> None:
        self.message = message
        self.file = file
        self.path = path
        self.found = found
        self.allowed = allowed
        self.line = line
        super().__init__(str(self))

    def __str__(self) -> str:
        place = self.file or "<spec>"
        if self.line is not None:
            place += f":{self.line}"
        text = f"{place}: "
        if self.path:
            text += f"{self.path}: "
        text += self.message
        if self.found is not None:
            text += f"; found {shorten(self.found)}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        return text


class ReleaseRefused(RolloutError):
    """Say that the fence refused a write: what was found at the router and what was wanted.

    :param reason: one sentence for a person.
    :param found: the split as it was read, in words.
    :param wanted: the split that was asked for, in words.
    """

    def __init__(self, reason: str, *, found: str, wanted: str) -> None:
        self.reason = reason
        self.found = found
        self.wanted = wanted
        super().__init__(f"{reason} (found: {found}; wanted: {wanted})")


class ReleaseBusy(ReleaseRefused):
    """Say that another release of the service is open; once it has ended, this one may open."""


class AdapterError(RolloutError):
    """Say that a metric system, router or workload could not be asked or answered badly.

    :param system: which one, for example ``prometheus`` or ``traefik_file``.
    """

    def __init__(self, message: str, *, system: str) -> None:
        self.system = system
        self.message = message
        super().__init__(f"{system}: {message}")


class TransientAdapterError(AdapterError):
    """A failure that may pass: timeout, connection refused, 429, 5xx.

    :param retry_after_seconds: what the system asked us to wait, None when it did not say.
    """

    def __init__(
        self, message: str, *, system: str, retry_after_seconds: float | None = None
    ) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message, system=system)


class PermanentAdapterError(AdapterError):
    """A failure that another try will not mend: 404, bad query, unreadable answer."""


class AccessDenied(PermanentAdapterError):
    """401 or 403: nothing was done.

    As final as the others for whoever asks a question. Whoever must not leave something half done
    asks again: what was taken away by mistake is given back.
    """


def shorten(value: object, limit: int = 80) -> str:
    """Show a value in at most `limit` characters, so that an error stays one readable line."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."

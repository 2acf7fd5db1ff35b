"""Flagger's inline queries: the variables that a file fixes are put in, nothing else is guessed.

Flagger renders queries as Go templates. `{{ name }}`, `{{ namespace }}`, `{{ target }}`,
`{{ service }}` and `{{ interval }}` are known when the file is read, and `{{ variables.x }}` where
the metric's `templateVariables` say what x is. A query that needs more (functions, `{{ ingress }}`)
is not executed and is listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["QUERY_REASON", "Variables"]

QUERY_REASON = (
    "the metric is not asked: it is built in already, or its query needs more than "
    "name, namespace, target, service, interval and its own templateVariables"
)

_VARIABLE = re.compile(r"\{\{ *([a-z]+(?:\.\w+)?) *\}\}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What a Canary says about itself, as its queries name it."""

    name: str
    namespace: str
    target: str
    service: str

    def render(self, query: str, interval: str, own: Mapping[str, str]) -> str | None:
        """Return the query with its variables put in, None when it needs more than these.

        :param interval: the metric's window as it is written, for example ``1m``.
        :param own: the metric's `templateVariables`.
        """
        values: Mapping[str, str] = {
            "name": self.name,
            "namespace": self.namespace,
            "target": self.target,
            "service": self.service,
            "interval": interval,
            **{f"variables.{name}": value for name, value in own.items()},
        }
        text = _VARIABLE.sub(lambda found: values.get(found[1], found[0]), query)
        return None if "{{" in text or "}}" in text else text

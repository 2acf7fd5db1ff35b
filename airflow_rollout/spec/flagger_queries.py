"""Flagger's inline queries: the variables that a file fixes are put in, nothing else is guessed.

Flagger renders queries as Go templates. `{{ name }}`, `{{ namespace }}`, `{{ target }}`,
`{{ service }}`, `{{ ingress }}` and `{{ interval }}` are known when the file is read, and
`{{ variables.x }}` where the metric's `templateVariables` say what x is. A query that needs more
(`{{ route }}`, which only the cluster knows) is not executed and is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_rollout.spec.go_template import Names, TemplateFault, render_template

__all__ = ["QUERY_REASON", "Variables"]

QUERY_REASON = (
    "the metric is not asked: it is built in already, or its query needs more than name, "
    "namespace, target, service, ingress, interval, its own templateVariables and the functions "
    "printf, print, index and urlquery"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What a Canary says about itself, as its queries name it.

    :param ingress: name of the ingress it refers to, None where it refers to none.
    """

    name: str
    namespace: str
    target: str
    service: str
    ingress: str | None = None

    def render(self, query: str, interval: str, own: Mapping[str, str]) -> str | None:
        """Return the query with its variables put in, None when it needs more than these.

        :param interval: the metric's window as it is written, for example ``1m``.
        :param own: the metric's `templateVariables`.
        """
        names: Names = {
            "name": self.name,
            "namespace": self.namespace,
            "target": self.target,
            "service": self.service,
            "interval": interval,
            "variables": own,
            **({} if self.ingress is None else {"ingress": self.ingress}),
        }
        try:
            return render_template(query, names)
        except TemplateFault:
            return None

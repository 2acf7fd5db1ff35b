"""What each router calls its request counters: one row a router, data only.

Every metric system that reads a router's own metrics uses these rows, so a new router is one row
here and works with all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.metrics.base import MetricQuery

__all__ = ["QUERY_SETS", "QuerySet", "query_set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySet:
    """Names of the families and labels of one router.

    :param requests: counter of finished requests by status.
    :param durations: histogram of request durations, without its suffix.
    :param alive: a family without arm labels that the router always exposes: where it is seen, a
        missing series of an arm means zero requests and not silence.
    :param arm_label: the label that tells the arms apart.
    :param canary: the arm's name in that label, with `{service}` and `{namespace}` to fill in.
    :param stable: the same for the other arm.
    :param around: what stands before and behind that name, as regular expressions, with
        `{namespace}` and `{route}` to fill in.
    :param status_label: the label with the status code.
    :param own_labels: labels the router itself sets; all others name the scraped process.
    :param client_gone: the status of a request whose client left before the answer: neither a
        request nor an error of the service. It stays in the latency: the client did wait.
    :param seconds_per_unit: unit of the histogram's boundaries.
    """

    requests: str
    durations: str
    alive: str
    arm_label: str
    canary: str
    stable: str
    status_label: str
    own_labels: frozenset[str]
    around: tuple[str, str] = ("", "")
    client_gone: str = "499"
    seconds_per_unit: float = 1.0

    def of(self, service: str, namespace: str, route: str) -> QuerySet:
        """Return the row for one service: with all names filled in."""
        names = {"service": service, "namespace": namespace}
        # Not by `format`: a regular expression has braces of its own.
        before, behind = (
            text.replace("{namespace}", re.escape(namespace)).replace("{route}", re.escape(route))
            for text in self.around
        )
        return replace(
            self,
            canary=self.canary.format(**names),
            stable=self.stable.format(**names),
            around=(before, behind),
        )

    @property
    def arms(self) -> tuple[str, str]:
        """Return the names of canary and stable."""
        return self.canary, self.stable

    def pattern(self, arm: str) -> str:
        """Return a regular expression for the label's values of an arm (RE2 and Python)."""
        before, behind = self.around
        return before + re.escape(arm) + behind

    def arm_of(self, value: str) -> str:
        """Return the arm's name in a value of the label, empty where there is none."""
        if self.around == ("", ""):
            return value
        before, behind = self.around
        found = re.fullmatch(f"{before}(.*){behind}", value)
        return found[1] if found else ""

    def counts(self, status: str) -> bool:
        """Say whether a status is an answered request."""
        return status != self.client_gone

    def is_error(self, status: str) -> bool:
        """Say whether a status is the server's fault (5xx)."""
        return len(status) == 3 and status.startswith("5")


_TRAEFIK_FILE = QuerySet(
    requests="traefik_service_requests_total",
    durations="traefik_service_request_duration_seconds",
    alive="traefik_config_reloads_total",
    arm_label="service",
    canary="{service}-canary@file",
    stable="{service}-stable@file",
    status_label="code",
    own_labels=frozenset({"code", "method", "protocol", "service"}),
)

QUERY_SETS: dict[str, QuerySet] = {
    # Those of Traefik as the controller: one series for each entry point and place of a backend of
    # a route. What other routes send to the same Service is no part of the release. It joins
    # namespace and Service by a dash, so shop/a-b and shop-a/b look alike.
    "gateway_api": replace(
        _TRAEFIK_FILE,
        canary="{namespace}-{service}-canary",
        stable="{namespace}-{service}",
        around=(
            "(?:http|grpc)route-{namespace}-{route}-gw-.*-[0-9a-f]{20}-svc-",
            "-[0-9]+@kubernetesgateway",
        ),
    ),
    "traefik_file": _TRAEFIK_FILE,
}


def query_set(query: MetricQuery, *, system: str) -> QuerySet:
    """Return the row of a query's router, for its service.

    :raises PermanentAdapterError: no row; it names the routers that have one.
    """
    router = query.router
    row = QUERY_SETS.get(router)
    if row is None:
        raise PermanentAdapterError(
            f"no built-in queries for router {router!r}; known: {', '.join(QUERY_SETS)}",
            system=system,
        )
    return row.of(query.service, query.namespace, query.route or query.service)

"""The classes behind the connection types of metric systems: they test a connection from the UI.

Releases do not go through these classes; they use `open_systems`.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from airflow.sdk import BaseHook

from airflow_rollout.errors import RolloutError
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.credentials import connect_source
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.answers import plain_words
from airflow_rollout.metrics.registry import connection_form
from airflow_rollout.wire import HttpRequest, ask_http, refuse_status

__all__ = ["DynatraceHook", "NewRelicHook", "PrometheusHook", "SplunkHook", "WavefrontHook"]

_TIMEOUT_SECONDS = 10.0


class _MetricSystemHook(BaseHook):
    """Test the connection of one metric system.

    :param conn_id: the connection's id.
    """

    provider: ClassVar[str]
    default_conn_name: ClassVar[str]
    hook_name: ClassVar[str]
    conn_name_attr = "conn_id"

    def __init__(self, conn_id: str = "") -> None:
        super().__init__()
        self.conn_id = conn_id or self.default_conn_name

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the system answers with these credentials, and what it says if not."""
        try:
            return asyncio.run(self._test())
        except RolloutError as error:
            return False, str(error)

    async def _test(self) -> tuple[bool, str]:
        form = connection_form(self.provider)
        info = await connect_source(self.conn_id, form, airflow_connections())
        if not form.test_path:
            return True, "the connection is complete; nothing of this system can be asked for free"
        async with open_send(info, system=self.provider) as send:
            request = HttpRequest(url=form.test_path, timeout_seconds=_TIMEOUT_SECONDS)
            response = await ask_http(send, request)
        words = plain_words(response.body)
        refuse_status(response, system=self.provider, what=f"GET {form.test_path}", detail=words)
        return True, f"{self.hook_name} answers"


class DynatraceHook(_MetricSystemHook):
    """Test a Dynatrace connection."""

    provider = "dynatrace"
    default_conn_name = "dynatrace_default"
    conn_type = "dynatrace"
    hook_name = "Dynatrace"


class NewRelicHook(_MetricSystemHook):
    """Test a New Relic connection."""

    provider = "newrelic"
    default_conn_name = "newrelic_default"
    conn_type = "newrelic"
    hook_name = "New Relic"


class PrometheusHook(_MetricSystemHook):
    """Test a Prometheus, or what speaks its query API."""

    provider = "prometheus"
    default_conn_name = "prometheus_default"
    conn_type = "prometheus"
    hook_name = "Prometheus"


class SplunkHook(_MetricSystemHook):
    """Test a Splunk Observability connection."""

    provider = "splunk"
    default_conn_name = "splunk_observability_default"
    conn_type = "splunk_observability"
    hook_name = "Splunk Observability"


class WavefrontHook(_MetricSystemHook):
    """Test a Wavefront connection."""

    provider = "wavefront"
    default_conn_name = "wavefront_default"
    conn_type = "wavefront"
    hook_name = "Wavefront"

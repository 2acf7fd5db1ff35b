"""Where a release's page is in Airflow's UI."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

__all__ = ["LINK_NAME", "PAGE_PREFIX", "ReleaseRecordLink", "release_url"]

# The class name of the operator link; Airflow keeps a task's link in an XCom named after it.
LINK_NAME = "ReleaseRecordLink"

PAGE_PREFIX = "/rollout"


def release_url(dag_id: str, run_id: str) -> str:
    """Return the address of a release's page, below Airflow's own base URL."""
    base = conf.get("api", "base_url", fallback="") or ""
    place = f"{quote(dag_id, safe='')}/{quote(run_id, safe='')}"
    return f"{base.rstrip('/')}{PAGE_PREFIX}/record/{place}"


class ReleaseRecordLink(BaseOperatorLink):
    """The button that leads from a task to the page of its release."""

    name = "Release record"

    @property
    def xcom_key(self) -> str:
        """Return the XCom in which Airflow keeps the address."""
        return f"_link_{LINK_NAME}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the address of the release's page."""
        return release_url(ti_key.dag_id, ti_key.run_id)

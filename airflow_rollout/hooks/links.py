"""Where a release's page is in Airflow's UI."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["LINK_NAME", "PAGE_PREFIX", "release_url"]

# The class name of the operator link; Airflow keeps a task's link in an XCom named after it.
LINK_NAME = "ReleaseRecordLink"

PAGE_PREFIX = "/rollout"


def release_url(dag_id: str, run_id: str) -> str:
    """Return the address of a release's page, below Airflow's own base URL.

    Airflow is imported here and not above: the adapters and tools read this module without it.
    """
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="") or ""
    place = f"{quote(dag_id, safe='')}/{quote(run_id, safe='')}"
    return f"{base.rstrip('/')}{PAGE_PREFIX}/record/{place}"

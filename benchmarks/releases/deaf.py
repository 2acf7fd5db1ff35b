"""A receiver of news that takes every connection and never answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["SETTINGS", "deaf_receiver"]

_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"

# The example's folder is measured as it is; the DAG that tells comes from one of its own.
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "dag_processor": {
        "dag_bundle_config_list": json.dumps(
            [
                {"name": "dags-folder", "classpath": _BUNDLE, "kwargs": {}},
                {
                    "name": "told",
                    "classpath": _BUNDLE,
                    "kwargs": {"path": str(Path(__file__).with_name("dags"))},
                },
            ]
        )
    }
}


@contextmanager
def deaf_receiver() -> Iterator[dict[str, str]]:
    """Yield the Airflow connection that leads to it.

    Nobody accepts: the system takes the connections, and whoever waits for an answer waits.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield {"deaf": f"http://127.0.0.1:{server.getsockname()[1]}"}

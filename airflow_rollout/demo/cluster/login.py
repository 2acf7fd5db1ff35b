"""Log in to the cluster of the user's kubeconfig, as Airflow will."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_rollout.demo.processes import LabError

__all__ = ["ClusterLogin", "ClusterUnfit", "log_in"]


class ClusterUnfit(LabError):
    """Say that this demo cannot run on this cluster, and that nothing was made there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLogin:
    """One context of a kubeconfig.

    :param config: the kubeconfig's file, or several as `KUBECONFIG` names them.
    :param api: the client library's own client.
    """

    config: str
    context: str
    server: str
    api: Any

    @property
    def connection(self) -> str:
        """Return the Airflow connection that leads to the same cluster with the same login."""
        extra = {"kube_config_path": self.config, "cluster_context": self.context}
        return json.dumps({"conn_type": "kubernetes", "extra": extra})


def log_in(context: str | None) -> ClusterLogin:
    """Read the user's kubeconfig; asks no server.

    :param context: None for the current one.
    :raises ClusterUnfit: no kubeconfig, no such context, or a login that cannot be used.
    """
    # A second of imports that only this demo pays.
    import yaml
    from kubernetes import client, config
    from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

    place = _absolute(KUBE_CONFIG_DEFAULT_LOCATION)
    settings = client.Configuration()
    # Once more where a connection was kept too long; whoever waits asks again anyway.
    settings.retries = 1
    try:
        _, current = config.list_kube_config_contexts(place)
        name = context or str(current["name"])
        config.load_kube_config(place, context=name, client_configuration=settings)
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError) as error:
        raise ClusterUnfit(f"no login to a cluster from {place}: {error}") from None
    return ClusterLogin(
        config=place, context=name, server=settings.host, api=client.ApiClient(settings)
    )


def _absolute(places: str) -> str:
    """Return one or several files by their whole names: Airflow runs in a directory of its own."""
    named = [place for place in places.split(os.pathsep) if place] or ["~/.kube/config"]
    return os.pathsep.join(str(Path(place).expanduser().absolute()) for place in named)

"""The demo on a cluster as a newcomer runs it: one command, to its end, on a real node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kube_lab import KubeLab
from python_images import write_python_images
from service_proxy import ServiceProxy

from airflow_rollout.demo.cluster.story import ROLLOUT, behaviours

__all__ = ["NAMESPACE", "play_demo"]

NAMESPACE = "airflow-rollout-demo"

# The longest a demo may take before it counts as hanging.
_PATIENCE_SECONDS = 900.0


def play_demo(lab: KubeLab, folder: Path) -> dict[str, Any]:
    """Run the command, and return how it ended and what it left.

    :param folder: an empty directory, the command's own for temporary files.
    """
    _import_images(lab, folder)
    report = folder / "demo.json"
    admin = lab.control.kubeconfig("admin", lab.control.token)
    # No node of the tests has a proxy of Kubernetes', by which the Service's address would lead on.
    with ServiceProxy(lab.admin, NAMESPACE, ROLLOUT):
        done = subprocess.run(
            [sys.executable, "-m", "airflow_rollout.cli", "demo", "--kubernetes", "--exit",
             "--report", report, "--rate", "60"],
            env={**os.environ, "KUBECONFIG": str(admin), "TMPDIR": str(folder)},
            capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False,
        )  # fmt: skip
    return {
        "done": done,
        "report": json.loads(report.read_text()) if report.exists() else None,
        "files": sorted(path.name for path in folder.iterdir()),
        "namespace": lab.admin.get("Namespace", NAMESPACE),
    }


def _import_images(lab: KubeLab, folder: Path) -> None:
    """Give the node the images of the demo, which are big."""
    archive = folder / "python.tar"
    write_python_images(behaviours(), archive)
    lab.node.import_images(archive)
    archive.unlink()

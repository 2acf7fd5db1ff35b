"""What the Airflow of these tests has: rollouts, a DAG that is none, and somebody else's plugin."""

from __future__ import annotations

from pathlib import Path

from dag_files import write_dags

__all__ = ["write_everything", "write_held"]

# Good numbers of a few seconds do not show that a version is as good as stable.
_ASKS = """apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {name: asks, namespace: test}
spec:
  canary:
    steps: [{weight: 20, hold: 6s}]
    verify: 3s
  analysis:
    interval: 3s
    on_inconclusive: ask
    min_requests: 10
    metrics:
    - {name: http_500_rate, max: 5%, compare: stable}
"""

_NONE = """from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG("none", schedule=None):
    EmptyOperator(task_id="nothing")
"""

_OTHER_PLUGIN = """from airflow.plugins_manager import AirflowPlugin
from fastapi import FastAPI
from fastapi.responses import Response

app = FastAPI()


@app.get("/other.js")
def script() -> Response:
    text = "globalThis.Other = () => globalThis.React.createElement('p', {id: 'other'}, 'other');"
    return Response(text, media_type="text/javascript")


class OtherPlugin(AirflowPlugin):
    name = "other"
    fastapi_apps = [{"app": app, "url_prefix": "/other", "name": "Other"}]
    react_apps = [
        {
            "name": "Other",
            "bundle_url": "other/other.js",
            "destination": "dag_run",
            "url_route": "other",
        }
    ]
"""


def write_held(dags: Path, *names: str) -> None:
    """Write rollouts whose releases are judged until somebody ends them, however slow that is."""
    write_dags(dags, "short.yaml", *names)
    for name in names:
        document = dags / f"{name}.yaml"
        document.write_text(document.read_text().replace("interval: 2m", "interval: 60m"))


def write_everything(dags: Path, plugins: Path) -> None:
    """Write the DAG files and the other plugin."""
    write_dags(dags, "scene.yaml", "bad", "good")
    write_held(dags, "held", "behind")
    write_dags(dags, "scene.yaml", "asks")
    (dags / "asks.yaml").write_text(_ASKS)
    (dags / "none.py").write_text(_NONE)
    plugins.mkdir()
    (plugins / "other.py").write_text(_OTHER_PLUGIN)

"""What Airflow discovers about this package."""

from __future__ import annotations

from typing import Any

from airflow_rollout import __version__
from airflow_rollout.metrics.registry import PROVIDERS, connection_form
from airflow_rollout.traffic import gateway_api, replicas, traefik_file
from airflow_rollout.wire import ConnectionForm

__all__ = ["CONNECTION_FORMS", "get_provider_info"]

# Adapter -> what a person fills in to connect it. A form without a hook is another provider's own
# type, which Airflow knows already.
CONNECTION_FORMS: dict[str, ConnectionForm] = {
    **{name: connection_form(name) for name in PROVIDERS},
    "gateway_api": gateway_api.CONNECTION,
    "replicas": replicas.CONNECTION,
    "traefik_file": traefik_file.CONNECTION,
}


_INTEGRATION = "Rollout"

_OPERATORS = ("deploy", "ensure_safe", "prepare", "promote", "promotion", "rollback")


def _modules(folder: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    modules = [f"airflow_rollout.{folder}.{name}" for name in names]
    return [{"integration-name": _INTEGRATION, "python-modules": modules}]


def _option(description: str, default: str = "", kind: str = "string") -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": kind,
        "example": None,
        "default": default,
    }


def _form(form: ConnectionForm) -> dict[str, Any]:
    """Return a form as Airflow wants it; it needs no import of the hook."""
    return {
        "connection-type": form.conn_type,
        "hook-class-name": form.hook,
        "hook-name": form.label,
        "ui-field-behaviour": {
            "hidden-fields": list(form.hidden),
            "relabeling": dict(form.relabelled),
            "placeholders": dict(form.placeholders),
        },
        "conn-fields": {
            field.name: {
                "label": field.label,
                "description": field.description,
                "schema": {
                    "type": "string" if field.required else ["string", "null"],
                    **({"format": "password"} if field.secret else {}),
                },
            }
            for field in form.fields
        },
    }


def _connection_types() -> list[dict[str, Any]]:
    """Return one form a type: several adapters may read the same system."""
    forms = {form.conn_type: form for form in CONNECTION_FORMS.values() if form.hook}
    return [_form(form) for form in forms.values()]


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in Airflow's own form."""
    return {
        "package-name": "airflow-rollout",
        "name": "Rollout",
        "description": "Progressive delivery with automated rollback.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "",
                "tags": ["software"],
            }
        ],
        "operators": _modules("operators", _OPERATORS),
        "sensors": _modules("sensors", ("metric_gate", "workload_ready")),
        "triggers": _modules("triggers", ("gate", "ready", "turn")),
        "connection-types": _connection_types(),
        "extra-links": ["airflow_rollout.hooks.links.ReleaseRecordLink"],
        "config": {
            "rollout": {
                "description": "What every rollout of this Airflow has in common.",
                "options": _OPTIONS,
            }
        },
    }


_OPTIONS = {
    "router": _option("Router of rollouts whose file and call name none."),
    "router_conn_id": _option("Connection of that router."),
    "workload": _option("Workload kind of rollouts whose file and call name none."),
    "provider": _option("Metric system of rollouts whose file and call name none."),
    "provider_conn_id": _option("Connection of that metric system."),
    "every": _option("How often that metric system is asked, for example 5s."),
    "rollback_pool": _option("Pool of the rollback tasks; it must exist.", "default_pool"),
    "live_seconds": _option(
        "How often a gate renews its piece of the release's record.", "5", "float"
    ),
}

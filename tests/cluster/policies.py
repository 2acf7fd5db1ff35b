"""Admission policies of a cluster, as whoever runs it may have them."""

from __future__ import annotations

from typing import Any

__all__ = ["policy_against"]

_API = "admissionregistration.k8s.io/v1"
_KIND = "ValidatingAdmissionPolicy"


def policy_against(image: str, namespace: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a policy that refuses pods of an image in a namespace, and its binding."""
    rule = {
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
    }  # fmt: skip
    check = {
        "expression": f"object.spec.containers.all(one, one.image != '{image}')",
        "message": "the image is not signed",
    }
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [check]}
    meta = {"name": namespace}
    place = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    bound = {"policyName": namespace, "validationActions": ["Deny"], "matchResources": place}
    return (
        {"apiVersion": _API, "kind": _KIND, "metadata": meta, "spec": spec},
        {"apiVersion": _API, "kind": f"{_KIND}Binding", "metadata": meta, "spec": bound},
    )

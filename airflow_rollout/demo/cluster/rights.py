"""What the demo has to be allowed to do, asked before anything is made."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["missing_rights"]

# Of the cluster, not of any namespace.
_OF_NAMESPACES = ("create", "delete", "get")
_INSIDE = (
    ("", "configmaps", ("create",)),
    ("", "pods", ("create", "list")),
    ("", "pods/log", ("get",)),
    ("", "services", ("create", "delete", "get", "patch")),
    ("apps", "deployments", ("create", "delete", "get", "patch")),
    ("coordination.k8s.io", "leases", ("create", "get", "patch")),
    ("discovery.k8s.io", "endpointslices", ("list",)),
)


def missing_rights(namespace: str, may: Callable[[dict[str, str]], bool]) -> list[str]:
    """Return in words what may not be done.

    :param may: answers a question in the form of `resourceAttributes` of an access review.
    """
    # Who makes a namespace gives it a name, and asks for none.
    asked = [
        {
            "verb": verb,
            "resource": "namespaces",
            **({} if verb == "create" else {"name": namespace}),
        }
        for verb in _OF_NAMESPACES
    ]
    for group, words, verbs in _INSIDE:
        resource, _, sub = words.partition("/")
        place = {"group": group, "resource": resource, "namespace": namespace}
        place |= {"subresource": sub} if sub else {}
        asked += [{"verb": verb, **place} for verb in verbs]
    return [_words(one) for one in asked if not may(one)]


def _words(asked: dict[str, str]) -> str:
    sub = f"/{asked['subresource']}" if "subresource" in asked else ""
    return f"{asked['verb']} {asked['resource']}{sub}"

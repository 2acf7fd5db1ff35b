"""One namespace of the user's cluster: made, filled, looked at and removed.

Nothing outside of it is written. It is removed only by the run that made it: its name, the label of
that run and its uid have to be those.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_rollout.cluster import RawObject
from airflow_rollout.demo.cluster.login import ClusterLogin, ClusterUnfit
from airflow_rollout.demo.cluster.objects import LOAD_POD, MADE_BY, RUN_LABEL, namespace
from airflow_rollout.demo.cluster.rights import missing_rights
from airflow_rollout.demo.processes import LabError

__all__ = ["Place"]

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 15.0
_TIMES = (_CONNECT_SECONDS, _READ_SECONDS)
# A load that is silent for so long is dead, or the stream is: it is opened anew then.
_LOG_TIMES = (_CONNECT_SECONDS, 15.0)
_POLL_SECONDS = 0.5
# Nobody may press Ctrl-C meanwhile, and the cluster goes on by itself once it was asked.
_REMOVE_SECONDS = 20.0
_GONE_SECONDS = 30.0

_NOT_FOUND, _CONFLICT = 404, 409


class Place:
    """One namespace.

    `is_made` says whether it may be there, by this run.

    :param login: whose rights are used, on which cluster.
    """

    def __init__(self, login: ClusterLogin, name: str) -> None:
        from kubernetes import client

        self.name = name
        self._login = login
        self._run = secrets.token_hex(8)
        self.is_made = False
        self._core = client.CoreV1Api(login.api)
        self._apps = client.AppsV1Api(login.api)
        self._reviews = client.AuthorizationV1Api(login.api)

    def make(self) -> None:
        """Make the namespace.

        :raises ClusterUnfit: no such cluster, too few rights, or the name is somebody else's.
        """
        with _speaking(f"cluster {self._login.server}", unfit=True):
            missing = missing_rights(self.name, self._may)
            if missing:
                raise ClusterUnfit(
                    f"context {self._login.context} may not do this on its cluster, which the "
                    f"demo has to: {', '.join(missing)}"
                )
            found = self._get_namespace()
            if found is not None:
                raise ClusterUnfit(_taken(found))
            # From here on there may be one, whether its answer reaches us or not.
            self.is_made = True
            self._ask(self._core.create_namespace, namespace(self.name, self._run))

    def create(self, *bodies: RawObject) -> list[RawObject]:
        """Make objects in the namespace and return them as the cluster has them."""
        return [self._create(body) for body in bodies]

    def get_deployment(self, name: str) -> RawObject:
        """Return a Deployment."""
        with _speaking(f"Deployment {name}"):
            return self._ask(self._apps.read_namespaced_deployment, name, self.name)

    def get_service(self, name: str) -> RawObject:
        """Return a Service."""
        with _speaking(f"Service {name}"):
            return self._ask(self._core.read_namespaced_service, name, self.name)

    def pods(self, labels: str) -> list[RawObject]:
        """Return the pods with these labels."""
        with _speaking("pods"):
            found = self._ask(self._core.list_namespaced_pod, self.name, label_selector=labels)
            return list(found["items"])

    def follow_log(self, seconds: int) -> Iterable[bytes]:
        """Follow the log of the load's pod from so many seconds ago."""
        with _speaking("the log of the load"):
            answer = self._core.read_namespaced_pod_log(
                LOAD_POD, self.name, follow=True, since_seconds=max(1, seconds),
                _preload_content=False, _request_timeout=_LOG_TIMES,
            )  # fmt: skip
        return _chunks(answer)

    def remove(self) -> bool:
        """Delete the namespace if this run has made it; return whether it is gone already.

        :raises LabError: the cluster does not answer, or refuses.
        """
        if not self.is_made:
            return True
        deadline = time.monotonic() + _REMOVE_SECONDS
        while True:
            try:
                self._delete()
                break
            except LabError as error:
                if time.monotonic() > deadline:
                    raise LabError(
                        f"namespace {self.name} could not be deleted: {error}; "
                        f"{_by_hand(self.name)}"
                    ) from None
                time.sleep(_POLL_SECONDS)
        return self._is_gone()

    def _delete(self) -> None:
        from kubernetes import client

        with _speaking(f"namespace {self.name}"):
            found = self._get_namespace()
            if found is None or not self._is_ours(found) or _is_ending(found):
                return
            same = client.V1Preconditions(uid=found["metadata"]["uid"])
            self._ask(
                self._core.delete_namespace, self.name,
                body=client.V1DeleteOptions(preconditions=same),
            )  # fmt: skip

    def _is_gone(self) -> bool:
        deadline = time.monotonic() + _GONE_SECONDS
        while time.monotonic() < deadline:
            with _speaking(f"namespace {self.name}"):
                found = self._get_namespace()
            if found is None or not self._is_ours(found):
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _is_ours(self, found: RawObject) -> bool:
        return _label(found, RUN_LABEL) == self._run

    def _create(self, body: RawObject) -> RawObject:
        calls: dict[str, Callable[..., Any]] = {
            "ConfigMap": self._core.create_namespaced_config_map,
            "Deployment": self._apps.create_namespaced_deployment,
            "Pod": self._core.create_namespaced_pod,
            "Service": self._core.create_namespaced_service,
        }
        kind, name = body["kind"], body["metadata"]["name"]
        with _speaking(f"{kind} {name} in namespace {self.name}"):
            return self._ask(calls[kind], self.name, body)

    def _get_namespace(self) -> RawObject | None:
        from kubernetes.client import ApiException

        try:
            return self._ask(self._core.read_namespace, self.name)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def _may(self, attributes: dict[str, str]) -> bool:
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        found = self._ask(self._reviews.create_self_subject_access_review, body)
        return bool(found["status"]["allowed"])

    def _ask(self, call: Callable[..., Any], *values: Any, **more: Any) -> RawObject:
        answer = call(*values, _preload_content=False, _request_timeout=_TIMES, **more)
        found: RawObject = json.loads(answer.data)
        return found


@contextmanager
def _speaking(what: str, *, unfit: bool = False) -> Iterator[None]:
    """Turn what the client library raises into an error of one line."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    kind = ClusterUnfit if unfit else LabError
    try:
        yield
    except ApiException as error:
        raise kind(f"{what}: {_said(error)}") from None
    except (HTTPError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise kind(f"{what} does not answer: {reason}") from None


def _said(error: Any) -> str:
    """Return the API server's own words."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"


def _chunks(answer: Any) -> Iterator[bytes]:
    with _speaking("the log of the load"):
        try:
            yield from answer.stream(amt=None, decode_content=False)
        finally:
            answer.close()


def _taken(found: RawObject) -> str:
    name = found["metadata"]["name"]
    if _label(found, MADE_BY[0]) != MADE_BY[1]:
        return (
            f"there is a namespace {name} already that the demo did not make, and it is left "
            "alone: give another name with --namespace"
        )
    if _is_ending(found):
        return f"namespace {name} of an earlier demo is just being removed: try again in a moment"
    return (
        f"namespace {name} is that of another demo, which still runs or was killed: "
        f"{_by_hand(name)}, or give another name with --namespace"
    )


def _by_hand(name: str) -> str:
    return f"remove it with `kubectl delete namespace {name}`"


def _is_ending(found: RawObject) -> bool:
    return "deletionTimestamp" in found["metadata"]


def _label(found: RawObject, name: str) -> str | None:
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    return labels.get(name)

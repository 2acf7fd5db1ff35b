"""A real Kubernetes with one node and a gateway, and what a test does with it."""

from __future__ import annotations

import copy
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from admin import RawObject
from control_plane import RELEASER, ControlPlane
from gateway_part import GATEWAY, Gateway
from images import image
from node_part import Node
from policies import policy_against

from airflow_rollout.demo.part import Part
from airflow_rollout.demo.processes import Processes

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

EXAMPLE = Path(__file__).parents[2] / "examples/kubernetes"


PROGRAMS = ("containerd", "ctr", "runc", "ip", "unshare", "openssl", "prometheus")


def missing_here() -> str:
    """Return what this machine lacks to run a node, in words; empty: nothing."""
    if os.geteuid() != 0:
        return "a node needs root: containers, mounts, a bridge"
    if not Path("/usr/lib/cni/bridge").exists():
        return "the plugins for the network of containers are not installed (/usr/lib/cni)"
    for name in (*PROGRAMS, "go"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    return _forbidden()


# Each leaves nothing; a container's root may often do none of them.
_TRIALS = {
    "mounts in namespaces of its own": "unshare --mount --pid --fork mount -t tmpfs none /mnt",
    "a bridge": "ip link add rollouttrial type bridge && ip link del rollouttrial",
    "control groups": "for one in /sys/fs/cgroup $(ls -d /sys/fs/cgroup/*/ 2>/dev/null); do "
    '[ -e "$one/cgroup.procs" ] || continue; '
    'mkdir "$one/rollouttrial" && rmdir "$one/rollouttrial"; exit; done; exit 1',
}


def _forbidden() -> str:
    """Return what root may not do here although a node needs it, empty: nothing."""
    for what, trial in _TRIALS.items():
        done = subprocess.run(["sh", "-c", trial], capture_output=True, text=True, check=False)
        if done.returncode:
            return f"root may not make {what} here: {done.stderr.strip()}"
    return ""


def node_binaries() -> Path:
    """Build the node's programs if need be, and return where they are."""
    build = Path(__file__).with_name("node") / "build"
    done = subprocess.run([build], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip().splitlines()[-1])


class KubeLab(Part):
    """Run everything on this machine; one at a time.

    :param binaries: what `node/build` made.
    """

    def __init__(self, binaries: Path) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="rollout-k8s-"))
        self._lock = (Path(tempfile.gettempdir()) / "rollout-kubernetes.lock").open("w")
        self._processes = Processes(self._home / "logs", remove=self._home)
        self.control = ControlPlane(binaries, self._home / "control", processes=self._processes)
        self.admin = self.control.admin
        self.node = Node(
            binaries,
            self._home / "n",
            admin=self.admin,
            kubeconfig=self._home / "control/admin.kubeconfig",
            processes=self._processes,
        )
        self.gateway = Gateway(
            binaries / "gateway-api",
            admin=self.admin,
            token=self.control.token,
            ca=self.control.ca,
            processes=self._processes,
        )

    @property
    def processes(self) -> Processes:
        return self._processes

    @property
    def home(self) -> Path:
        return self._home

    def come_up(self) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for part in (self.control, self.node, self.gateway):
            part.come_up()
        self._apply_example("role.yaml", kinds=("ClusterRole", "ClusterRoleBinding"))

    def close(self) -> None:
        try:
            self.gateway.close()
            self.node.close()
        finally:
            self._processes.close()
            self._lock.close()

    def kill_api_server(self, seconds: float) -> None:
        """Kill the API server, and start it again after some seconds."""
        self.control.kill_api_server()
        time.sleep(seconds)
        self.control.start_api_server()

    def stop_api_server(self, seconds: float) -> None:
        """Let the API server stand still for some seconds: it accepts, and never answers."""
        server = self.processes["kube-apiserver"]
        server.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            server.send_signal(signal.SIGCONT)

    def namespace(self, name: str, *, replicas: int = 2) -> Shop:
        """Make a namespace with the example's service, route and Role; wait until it serves."""
        self.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.give_role(name)
        self._apply_example("service.yaml", name, replicas=replicas)
        self._apply_example("route.yaml", name, kinds=("HTTPRoute",))
        shop = Shop(self, name)
        shop.until(lambda: shop.answer() == "v1", "the stable version serves")
        return shop

    def give_role(self, namespace: str) -> None:
        """Let whoever releases do so in a namespace, by the example's Role."""
        self._apply_example("role.yaml", namespace, kinds=("Role", "RoleBinding"))

    def _apply_example(
        self, file: str, namespace: str = "", *, kinds: tuple[str, ...] = (), replicas: int = 2
    ) -> None:
        for found in yaml.safe_load_all((EXAMPLE / file).read_text()):
            if not kinds or found["kind"] in kinds:
                self.admin.apply(_placed(found, namespace, replicas), namespace)


class Shop:
    """One namespace with the example's service in it."""

    def __init__(self, lab: KubeLab, namespace: str) -> None:
        self.lab = lab
        self.name = namespace
        self.admin = lab.admin

    def get(self, kind: str, name: str = "checkout") -> RawObject | None:
        return self.admin.get(kind, name, self.name)

    def patch(self, kind: str, name: str, change: Any) -> None:
        self.admin.patch(kind, name, self.name, change)

    def answer(self) -> str:
        """Return which version answers one request, or the status of an error."""
        request = urllib.request.Request(self.lab.gateway.url, headers={"host": self.host})
        try:
            with _direct.open(request, timeout=3) as found:
                return found.read().decode().strip()  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            return str(error.code)
        except OSError as error:
            return type(error).__name__

    def answers(self, count: int) -> dict[str, int]:
        """Return how many of some requests each version answered."""
        found: dict[str, int] = {}
        for _ in range(count):
            version = self.answer()
            found[version] = found.get(version, 0) + 1
        return found

    @property
    def host(self) -> str:
        return f"{self.name}.test"

    def is_accepted(self, kind: str) -> bool:
        """Say whether the gateway has taken a route as it stands now."""
        found = self.get(kind)
        parents = ((found or {}).get("status") or {}).get("parents") or [{}]
        generation = (found or {"metadata": {}})["metadata"].get("generation")
        conditions = parents[0].get("conditions") or []
        return bool(conditions) and all(
            one["status"] == "True" and one["observedGeneration"] == generation
            for one in conditions
        )

    def weights(self, kind: str = "HTTPRoute") -> dict[str, int]:
        """Return weight by backend, as the route says it."""
        found = self.get(kind)
        if found is None:
            return {}
        refs = found["spec"]["rules"][0].get("backendRefs") or []
        return {ref["name"]: ref.get("weight", 1) for ref in refs}

    def stable_image(self) -> str:
        found = self.get("Deployment")
        assert found is not None
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def may_make_pod(self, image_name: str) -> bool:
        """Say whether the API would take a pod of this image."""
        container = {"name": "asked", "image": image_name}
        body = {"metadata": {"name": "asked"}, "spec": {"containers": [container]}}
        path = f"/api/v1/namespaces/{self.name}/pods?dryRun=All"
        try:
            self.admin.ask("POST", path, json.dumps(body).encode())
        except urllib.error.HTTPError:
            return False
        return True

    def has_room_for(self, pods: int) -> None:
        """Let the namespace have no more pods than these."""
        kind = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
        self.admin.apply({**kind, "spec": {"hard": {"pods": str(pods)}}}, self.name)

    def refuse(self, image_name: str) -> None:
        """Let nobody make pods of an image in the namespace."""
        policy, binding = policy_against(image_name, self.name)
        self.admin.apply(policy)
        self.admin.apply(binding)
        # The API server knows of a policy a moment later.
        self.until(
            lambda: self.may_make_pod(image("v1")) and not self.may_make_pod(image_name),
            "the policy is in force",
        )

    def first_warning(self) -> float:
        """Return when the cluster said for the first time that something is wrong here."""
        found = self.admin.get("Event", "", self.name)
        assert found is not None
        texts = [
            one.get("firstTimestamp") or one.get("eventTime")
            for one in found["items"]
            if one.get("type") == "Warning"
        ]
        return min(datetime.fromisoformat(text).timestamp() for text in texts if text)

    def revisions(self) -> dict[str, str]:
        """Return the version of each object that a release changes."""
        kinds = ("Deployment", "HTTPRoute", "Service")
        found = {kind: self.get(kind) for kind in kinds}
        return {kind: one["metadata"]["resourceVersion"] for kind, one in found.items() if one}

    def made(self) -> list[str]:
        """Return what a release has made and not removed."""
        kinds = ("Deployment", "Service")
        return [kind for kind in kinds if self.get(kind, "checkout-canary") is not None]

    def gets_back(self, *, seconds: float = 5.0) -> None:
        """Wait until the gateway has followed the route: all requests go to v1."""
        self.until(lambda: self.answers(30) == {"v1": 30}, "all requests on stable", seconds)

    def until(self, true: Callable[[], bool], what: str, seconds: float = 90.0) -> float:
        """Wait until something is true; return how many seconds it took."""
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"{self.name}: not within {seconds:g} s: {what}")
            time.sleep(0.05)
        return time.monotonic() - began


def _placed(found: RawObject, namespace: str, replicas: int) -> RawObject:
    """Return an object of the example as it stands on this node, for this user."""
    found = copy.deepcopy(found)
    if found["kind"] == "Deployment":
        found["spec"].update(replicas=replicas, progressDeadlineSeconds=15)
        spec = found["spec"]["template"]["spec"]
        spec["terminationGracePeriodSeconds"] = 5
        spec["containers"][0].update(image=image("v1"), imagePullPolicy="IfNotPresent")
        spec["containers"][0]["resources"] = {"limits": {"memory": "64Mi"}}
    if found["kind"] == "HTTPRoute":
        found["spec"].update(parentRefs=[GATEWAY], hostnames=[f"{namespace}.test"])
    if found["kind"].endswith("Binding"):
        group = "rbac.authorization.k8s.io"
        found["subjects"] = [{"kind": "User", "name": RELEASER, "apiGroup": group}]
    return found


def connection(lab: KubeLab) -> str:
    """Return the connection of whoever releases, as Airflow reads it from the environment."""
    extra = {"kube_config_path": str(lab.control.releaser_kubeconfig())}
    return json.dumps({"conn_type": "kubernetes", "extra": extra})

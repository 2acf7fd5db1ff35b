"""A real Kubernetes with one node and a gateway, and what a test does with it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from api_lab import Lab, connection
from control_plane import ControlPlane
from gateway_part import Gateway
from kube_shop import Shop
from node_part import Node

from airflow_rollout.demo.processes import Processes

__all__ = ["PROGRAMS", "KubeLab", "Shop", "connection", "missing_here", "node_binaries"]

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


class KubeLab(Lab):
    """Run everything on this machine; one at a time.

    :param binaries: what `node/build` made.
    """

    control: ControlPlane

    def __init__(self, binaries: Path) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="rollout-k8s-"))
        self._lock = (Path(tempfile.gettempdir()) / "rollout-kubernetes.lock").open("w")
        self._processes = Processes(self._home / "logs", remove=self._home)
        self.control = ControlPlane(binaries, self._home / "control", processes=self._processes)
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
    def users_url(self) -> str:
        """Return where users reach all shops."""
        return self.gateway.url

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
        self.give_cluster_role()

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
        """Make a namespace with the example's service and wait until it serves."""
        shop = self.place(name, replicas=replicas)
        shop.until(lambda: shop.answer() == "v1", "the stable version serves")
        return shop

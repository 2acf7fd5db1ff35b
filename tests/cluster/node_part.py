"""One node: containerd and a kubelet in namespaces of their own, on a bridge of their own.

Killing the first process of those namespaces ends every container and drops every mount; what is
left then is a bridge and a tree of empty cgroups.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from admin import Admin, is_true
from images import SANDBOX, write_archive

from airflow_rollout.demo.part import Part
from airflow_rollout.demo.processes import Processes, wait_until

NAME = "node"
BRIDGE = CGROUP = "rollouttest"
ADDRESS = "10.78.0.1"
_SUBNET = "10.78.0.0/24"
# Left to itself a bridge takes the lowest of its ports' addresses, which changes with each new pod;
# what pods send to the machine is lost then, until they have learnt the new one.
_BRIDGE_MAC = "02:00:0a:4e:00:01"
# The Services' addresses, as the API server has been told. Nobody answers there but who stands in
# for a Service (`service_proxy`).
_SERVICES = "10.96.0.0/24"
_READY_SECONDS = 120.0

# The kubelet would set these for the whole machine; it is shown files that say it has.
SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}


class Node(Part):
    """Run the node of a control plane; needs root.

    :param home: a short path: the sockets of containerd lie below it.
    :param kubeconfig: what the kubelet logs in with.
    """

    def __init__(
        self, binaries: Path, home: Path, *, admin: Admin, kubeconfig: Path, processes: Processes
    ) -> None:
        self._binaries = binaries
        self._home = home
        self._admin = admin
        self._kubeconfig = kubeconfig
        self._processes = processes

    def come_up(self) -> None:
        self._sweep()
        for name in ("cni", "containerd", "kubelet", "logs", "sys"):
            (self._home / name).mkdir(parents=True)
        for words in (
            f"link add {BRIDGE} address {_BRIDGE_MAC} type bridge",
            f"addr add {ADDRESS}/24 dev {BRIDGE}",
            f"link set {BRIDGE} up",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        for place in _cgroups():
            place.mkdir(exist_ok=True)
        write_archive(self._binaries / "service", self._home / "images.tar")
        (self._home / "resolv.conf").write_text("")
        (self._home / "containerd.toml").write_text(self._containerd())
        (self._home / "kubelet.json").write_text(json.dumps(self._kubelet()))
        (self._home / "cni/10-bridge.conflist").write_text(json.dumps(self._network()))
        for key, value in SYSCTLS.items():
            (self._home / "sys" / key.replace("/", "_")).write_text(f"{value}\n")
        self.start()

    def start(self) -> None:
        inner = Path(__file__).with_name("node_inside.py")
        arguments = [str(self._home), str(self._binaries), str(self._kubeconfig), NAME, ADDRESS]
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        child = self._processes.start("node", [*alone, sys.executable, inner, *arguments])
        wait_until(
            self._is_ready, what="ready node", timeout_seconds=_READY_SECONDS, children=[child]
        )

    def import_images(self, archive: Path) -> None:
        """Take in further images; a registry there is not."""
        socket = self._home / "containerd/c.sock"
        command = ["ctr", "-a", socket, "-n", "k8s.io", "images", "import", archive]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """End kubelet, containerd and all containers, as a machine that loses its power."""
        self._processes.end("node", grace_seconds=0.0)

    def close(self) -> None:
        self.kill()
        self._sweep()

    def _is_ready(self) -> bool:
        try:
            found = self._admin.get("Node", NAME)
        except OSError:
            return False
        return is_true(found, "Ready") and "taints" not in (found or {})["spec"]

    def _sweep(self) -> None:
        """Remove what a node leaves; an earlier run may have been killed."""
        subprocess.run(["ip", "link", "del", BRIDGE], stderr=subprocess.DEVNULL, check=False)
        for root in _cgroups():
            for place, _, _ in os.walk(root, topdown=False):
                _remove(Path(place))

    def _containerd(self) -> str:
        place, cri = self._home / "containerd", 'plugins."io.containerd.grpc.v1.cri"'
        runc = f"{cri}.containerd.runtimes.runc"
        return f"""
version = 2
root = "{place}/root"
state = "{place}/state"
[grpc]
address = "{place}/c.sock"
[ttrpc]
address = "{place}/c.sock.ttrpc"
[{cri}]
sandbox_image = "docker.io/{SANDBOX}"
# Without CAP_SYS_RESOURCE nobody may lower it.
restrict_oom_score_adj = true
[{cri}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{self._home}/cni"
[{runc}]
runtime_type = "io.containerd.runc.v2"
[{runc}.options]
Root = "{place}/runc"
"""

    def _kubelet(self) -> dict[str, object]:
        return {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "containerRuntimeEndpoint": f"unix://{self._home}/containerd/c.sock",
            "address": ADDRESS,
            "healthzPort": 0,
            "authorization": {"mode": "AlwaysAllow"},
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{CGROUP}",
            "failSwapOn": False,
            "oomScoreAdj": 0,
            # Its chains would stay in the machine's iptables.
            "makeIPTablesUtilChains": False,
            "resolvConf": f"{self._home}/resolv.conf",
            "clusterDomain": "cluster.local",
            "podLogsDir": f"{self._home}/logs",
            "volumePluginDir": f"{self._home}/plugins",
            "serializeImagePulls": False,
            "evictionHard": {"memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "kubeAPIQPS": 200,
            "kubeAPIBurst": 400,
            "eventRecordQPS": 0,
            "registryPullQPS": 0,
        }

    def _network(self) -> dict[str, object]:
        addresses = {
            "type": "host-local",
            "dataDir": f"{self._home}/cni/addresses",
            "ranges": [[{"subnet": _SUBNET, "rangeStart": "10.78.0.10"}]],
            "routes": [{"dst": _SERVICES, "gw": ADDRESS}],
        }
        # No gateway and no other route: pods reach nothing beyond the bridge, the machine reaches
        # pods.
        bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": False, "ipMasq": False}
        plugins = [{**bridge, "ipam": addresses}]
        return {"cniVersion": "1.0.0", "name": "tests", "plugins": plugins}


def _cgroups() -> list[Path]:
    """Return the kubelet's place in every hierarchy; one in the newer version of cgroups."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root / CGROUP]
    return [place / CGROUP for place in root.iterdir() if place.is_dir()]


def _remove(place: Path) -> None:
    for _ in range(100):
        try:
            place.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return

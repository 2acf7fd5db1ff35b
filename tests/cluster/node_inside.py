"""First process of a node's namespaces: mounts, containerd, images, kubelet."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

# What kubelet and containerd write to whatever they are told.
_HIDDEN = ("/run", "/var/log", "/var/lib", "/opt")


def main() -> None:
    home, binaries, kubeconfig, name, address = sys.argv[1:]
    place = Path(home)
    for directory in _HIDDEN:
        _mount("-t", "tmpfs", "none", directory)
    # Empty: an image that is not here fails at once, and nobody is asked for it.
    _mount("--bind", str(place / "resolv.conf"), "/etc/resolv.conf")
    for file in (place / "sys").iterdir():
        _mount("--bind", str(file), str(_key(file.name)))
    daemons = {_start(place, "containerd", "containerd", "--config", f"{home}/containerd.toml")}
    control = ["ctr", "-a", f"{home}/containerd/c.sock", "-n", "k8s.io"]
    while subprocess.run([*control, "version"], capture_output=True, check=False).returncode:
        time.sleep(0.05)
    subprocess.run([*control, "images", "import", f"{home}/images.tar"], check=True)
    daemons.add(
        _start(
            place, "kubelet", f"{binaries}/kubelet", f"--config={home}/kubelet.json",
            f"--kubeconfig={kubeconfig}", f"--root-dir={home}/kubelet",
            f"--cert-dir={home}/kubelet/pki", f"--hostname-override={name}",
            f"--node-ip={address}",
        )
    )  # fmt: skip
    while True:
        pid, status = os.wait()
        if pid in daemons:
            sys.exit(f"a daemon of the node has ended: {status}")


def _key(name: str) -> Path:
    root = Path("/proc/sys")
    first, _, rest = name.partition("_")
    if rest.startswith("keys_"):
        return root / first / "keys" / rest.removeprefix("keys_")
    return root / first / rest


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _start(home: Path, name: str, *command: str) -> int:
    with (home / f"{name}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log).pid


if __name__ == "__main__":
    main()

"""The images of the tests: one binary, whose behaviour stands in each image's environment."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Config = dict[str, list[str]]

SANDBOX = "tests/sandbox:1"

# version -> what makes it what it is.
VERSIONS: dict[str, dict[str, str]] = {
    "v1": {},
    "v2": {},
    "v3": {},
    "errors": {"ERRORS": "0.3"},
    "someerrors": {"ERRORS": "0.05"},
    "broken": {"ERRORS": "1"},
    "slow": {"SLOW_SECONDS": "0.4"},
    "crash": {"CRASH_AFTER_SECONDS": "-1"},
    "crashlater": {"CRASH_AFTER_SECONDS": "3"},
    "crashloop": {"CRASH_AFTER_REQUESTS": "40"},
    "memory": {"TAKE_MEGABYTES": "128"},
    "neverready": {"READY_AFTER_SECONDS": "-1"},
}


def image(version: str) -> str:
    """Return the name of a version's image."""
    return f"tests/service:{version}"


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v2/" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def empty_registry() -> Iterator[str]:
    """Yield the address of a registry that has no image; of loopback, so without TLS."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def write_archive(binary: Path, path: Path) -> None:
    """Write an archive in the OCI layout with all images of the tests' service."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as layer:
        _add(layer, "service", binary.read_bytes(), 0o755)
    configs: dict[str, Config] = {SANDBOX: {"Entrypoint": ["/service", "sandbox"], "Env": []}}
    for version, env in VERSIONS.items():
        variables = [f"{key}={value}" for key, value in {"VERSION": version, **env}.items()]
        configs[image(version)] = {"Entrypoint": ["/service"], "Env": variables}
    write_images(packed.getvalue(), configs, path)


def write_images(layer: bytes, configs: Mapping[str, Config], path: Path) -> None:
    """Write an archive in the OCI layout with images that share one layer.

    :param layer: a tar of what is in all of them.
    :param configs: name -> what a container of it runs with.
    """
    blobs: dict[str, bytes] = {}

    def blob(kind: str, data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    diff = blob("layer.v1.tar", layer)
    manifests = []
    for name, run in configs.items():
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": [diff["digest"]]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob("config.v1+json", json.dumps(config).encode()),
            "layers": [diff],
        }
        found = blob("manifest.v1+json", json.dumps(manifest).encode())
        notes = {"io.containerd.image.name": f"docker.io/{name}"}
        manifests.append({**found, "annotations": notes})
    index = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    with tarfile.open(path, "w") as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(archive, "index.json", index)
        for name, data in blobs.items():
            _add(archive, name, data)


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))

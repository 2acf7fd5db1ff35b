"""Images of Python as the demo on a cluster wants them, made of the Python that runs the tests.

There is no registry here. All of them hold the same interpreter, and each says of itself that it is
another version, as official images do.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from pathlib import Path

from images import Config, write_images

__all__ = ["write_python_images"]

_LEFT_OUT = frozenset(
    {"ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tests", "tkinter",
     "turtledemo"}
)  # fmt: skip


def write_python_images(minors: Iterable[str], path: Path) -> None:
    """Write an archive in the OCI layout with `python:<minor>-alpine` for each of these."""
    configs: dict[str, Config] = {
        f"library/python:{minor}-alpine": {
            "Cmd": ["python3"],
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"PYTHON_VERSION={minor}.0"],
        }
        for minor in minors
    }
    write_images(_layer(), configs, path)


def _layer() -> bytes:
    packed = io.BytesIO()
    # Python finds its library from where it is itself.
    interpreter = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    with tarfile.open(fileobj=packed, mode="w") as layer:
        layer.add(interpreter, "usr/local/bin/python3")
        layer.add(library, f"usr/local/lib/{library.name}", filter=_kept)
        extensions = library.glob("lib-dynload/*.so")
        for shared in sorted(_shared([interpreter, *extensions])):
            layer.add(shared.resolve(), str(shared).lstrip("/"))
    return packed.getvalue()


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = set(entry.name.split("/"))
    if parts & _LEFT_OUT or any(part.startswith("config-") for part in parts):
        return None
    entry.uid = entry.gid = 0
    entry.mode |= 0o555 if entry.isdir() else 0o444
    return entry


def _shared(programs: Iterable[Path]) -> set[Path]:
    """Return the shared libraries that programs want, the one that loads them included."""
    found = set()
    for program in programs:
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        found |= {Path(name) for name in re.findall(r"(/\S+) \(0x", told)}
    return found

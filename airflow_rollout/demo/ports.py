"""Ports that are free now and stay free while a process is killed and started again."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path

__all__ = ["free_ports"]

_LOWEST = 20_000
_TRIES = 200
# Where the system does not say: the lowest start of the range for outgoing connections among
# Linux (32768), macOS and Windows (49152).
_DEFAULT_EPHEMERAL = 32_768
_LINUX_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Return distinct free TCP ports of the loopback interface.

    They lie below the range the system takes for outgoing connections: a client that knocks at a
    killed server's port would otherwise, sooner or later, be given that very port as its own and
    keep the server from coming back. Where that range leaves no room the system chooses.
    """
    with ExitStack() as held:
        return [_bind(held) for _ in range(count)]


def _bind(held: ExitStack) -> int:
    highest = _ephemeral_start() - 1
    for _ in range(_TRIES if highest > _LOWEST else 0):
        listener = held.enter_context(socket.socket())
        try:
            # Chance keeps two labs on one machine apart between this check and their use.
            listener.bind(("127.0.0.1", random.randint(_LOWEST, highest)))  # noqa: S311
        except OSError:
            continue
        return int(listener.getsockname()[1])
    listener = held.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    return int(listener.getsockname()[1])


def _ephemeral_start() -> int:
    try:
        return int(_LINUX_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _DEFAULT_EPHEMERAL

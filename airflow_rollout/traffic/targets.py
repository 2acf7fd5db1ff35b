"""Where an arm serves: one or several server addresses in an `Arm.target`."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow_rollout.errors import PermanentAdapterError

__all__ = ["join_targets", "server_urls"]

# Between the addresses of an arm that runs on several machines.
SEPARATOR = ","


def join_targets(urls: list[str]) -> str:
    """Return several addresses as one target."""
    return SEPARATOR.join(urls)


def server_urls(target: str, *, schemes: tuple[str, ...], system: str) -> list[str]:
    """Split a target into its addresses and check each: scheme, host, optional port, no path.

    A path is refused, not dropped: routers forward the request's own path, so that a target with
    a path would serve something else than it says.

    :raises PermanentAdapterError: naming the address and what is allowed.
    """
    urls = [part.strip() for part in target.split(SEPARATOR)]
    for url in urls:
        fault = _fault(url, schemes)
        if fault:
            raise PermanentAdapterError(
                f"target {url!r} {fault}; allowed: {' or '.join(schemes)}://host[:port], "
                "several separated by commas",
                system=system,
            )
    return [url.rstrip("/") for url in urls]


def _fault(url: str, schemes: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"is no address ({error})"
    if _odd(url):
        return "holds characters that do not belong there"
    if parts.scheme not in schemes or not parts.hostname:
        return "is no address"
    if port == 0:
        return "has port 0"
    if parts.username is not None or parts.password is not None:
        return "holds a login"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return "has a path"
    return ""


def _odd(url: str) -> bool:
    """Say whether an address holds what no address holds; `urlsplit` drops line ends silently."""
    return any(not (mark.isascii() and (mark.isalnum() or mark in ".-_:[]%/@?#&=")) for mark in url)

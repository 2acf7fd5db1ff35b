"""The `graphite` source against a real graphite-web that reads whisper files, without carbon."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_servers import Program, free_port, needed, running

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.registry import make_provider
from airflow_rollout.spec.model import MetricSource

pytestmark = pytest.mark.real

STEP = 10
# graphite-web is Debian's, and so is the Python that has it and whisper.
_PYTHON = "/usr/bin/python3"

_SETTINGS = """\
SECRET_KEY = "of a test"
TIME_ZONE = "UTC"
ALLOWED_HOSTS = ["127.0.0.1"]
STORAGE_DIR = LOG_DIR = {home!r}
WHISPER_DIR = {home!r} + "/whisper"
INDEX_FILE = {home!r} + "/index"
STATIC_ROOT = {home!r} + "/static"
CARBONLINK_HOSTS = []
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {home!r} + "/db"}}}}
"""

_WRITE = """
import json, os, sys, whisper
for name, points in json.loads(sys.argv[1]).items():
    path = f"whisper/{name}.wsp"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    whisper.create(path, [(10, 360)])
    whisper.update_many(path, [tuple(point) for point in points])
"""


@dataclass(frozen=True, kw_only=True)
class Graphite:
    """A running graphite-web; `newest` is when the newest of its buckets began."""

    url: str
    newest: int


@pytest.fixture(scope="module")
def graphite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graphite]:
    binary = needed("graphite-manage", "the package graphite-web of Debian and Ubuntu")
    home, port = tmp_path_factory.mktemp("graphite"), free_port()
    (home / "local_settings.py").write_text(_SETTINGS.format(home=str(home)))
    environment = ["env", f"PYTHONPATH={home}", "GRAPHITE_SETTINGS_MODULE=local_settings"]
    # Old enough that the whole minute of the test is over for Graphite, too.
    newest = int(time.time()) // STEP * STEP - 60
    _run(home, *environment, binary, "migrate", "--run-syncdb")
    _run(home, _PYTHON, "-c", _WRITE, json.dumps(_series(newest)))
    command = [*environment, binary, "runserver", "--noreload", f"127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}"
    with running(Program(command, f"{url}/version/", home / "log")):
        yield Graphite(url=url, newest=newest)


def _run(home: Path, *command: str) -> None:
    subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=60)


def _series(newest: int) -> dict[str, list[tuple[int, float]]]:
    """Return two arms: 4 of 50 and 1 of 100 in the newest bucket, none of them before."""
    older = [newest - STEP * index for index in range(1, 7)]
    return {
        "app/canary/bad": [(newest, 4.0), *((at, 0.0) for at in older)],
        "app/canary/all": [(newest, 50.0), *((at, 50.0) for at in older)],
        "app/stable/bad": [(newest, 1.0), *((at, 0.0) for at in older)],
        "app/stable/all": [(newest, 100.0), *((at, 100.0) for at in older)],
    }


def read(
    graphite: Graphite, target: str, *, opened: float = -600.0, until: float = STEP + 1.0
) -> Reading:
    """Read a target; times count from when the newest bucket began."""
    source = MetricSource(provider="graphite", conn_id="c", every_seconds=5.0)
    query = MetricQuery(
        name="m", question=Question.VALUE, router="traefik_file", service="app", namespace="prod",
        expression=target,
    )  # fmt: skip
    start = graphite.newest + opened
    window = Window(start=start, end=graphite.newest + until, earliest=start)
    info = ConnectionInfo(conn_id="c", conn_type="http", host=graphite.url)

    async def reading() -> Reading:
        async with open_send(info, system="graphite") as send:
            return await make_provider(source).read(query, window, send)

    return asyncio.run(reading())


@pytest.mark.parametrize(
    ("target", "share"),
    [
        ("asPercent(app.canary.bad, app.canary.all)", 8.0),
        ("asPercent(sumSeries(app.*.bad), sumSeries(app.*.all))", 100 * 5 / 150),
        ("target=app.canary.bad&from=-10min", 4.0),
        ("alias(scale(app.canary.bad, 2), 'twice the errors')", 8.0),
    ],
)
def test_graphite_gives_the_newest_bucket_that_is_over(
    graphite: Graphite, target: str, share: float
) -> None:
    reading = read(graphite, target)
    assert isinstance(reading, Value)
    assert reading.canary == pytest.approx(share)
    assert reading.at == graphite.newest + STEP


def test_a_bucket_of_graphites_that_is_not_over_is_left_out(graphite: Graphite) -> None:
    reading = read(graphite, "app.canary.bad", until=STEP - 1.0)
    assert isinstance(reading, Value)
    assert (reading.canary, reading.at) == (0.0, graphite.newest)


def test_a_bucket_that_began_before_the_release_is_left_out(graphite: Graphite) -> None:
    reading = read(graphite, "app.canary.bad", opened=1.0, until=STEP + 20.0)
    assert isinstance(reading, NoData)


@pytest.mark.parametrize("target", ["app.nobody.bad", "sumSeries("])
def test_graphite_answers_an_unknown_series_and_a_fault_alike(
    graphite: Graphite, target: str
) -> None:
    reading = read(graphite, target)
    assert isinstance(reading, NoData)
    assert "a fault in the target" in reading.reason


@pytest.mark.parametrize(
    ("target", "words"),
    [("app.*.bad", "2 series"), ("nobodysFunction(app.canary.bad)", "nobodysFunction")],
)
def test_graphite_keeps_its_words(graphite: Graphite, target: str, words: str) -> None:
    with pytest.raises(PermanentAdapterError, match=words):
        read(graphite, target)

"""What an open page costs a real Airflow: processor time of its API server while a release runs."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from airflow_rollout.demo.lab import Lab
from airflow_rollout.demo.processes import LabError
from airflow_rollout.release import ReleaseState
from benchmarks.report import Figure, Of, Wanted

__all__ = ["airflow_figures"]

_SERVICE = "watched"
_RUN = "release-v2"
_AIRFLOW = "the tab in a real Airflow"
_GROUP = "API server, a release is judged"
_SECONDS = 10.0
# Airflow's own page asks for much when it is opened; what an open one costs begins after that.
_SETTLE_SECONDS = 5.0
_PACE_SECONDS = 1.0
_FEED_PERCENT = 3.0
_PATIENCE_SECONDS = 90.0

_CHART = "!!document.querySelector('.rollout .plot .line.canary')?.getAttribute('d')"
_TASKS = "document.body.innerText.includes('step_01')"

Visit = Callable[[], AbstractContextManager[None]]


def airflow_figures(chromium: Path, runs: int) -> list[Figure]:
    """Measure `runs` times, in turns: nobody looks, then somebody does, here and there.

    What somebody costs is what the server takes more than when nobody looked, a little before.
    """
    warm: list[float] = []
    with tempfile.TemporaryDirectory(prefix="rollout-pages-") as home, _stage(home, chromium) as it:
        url = f"{it.url}/dags/{_SERVICE}/runs/{_RUN}"
        visits: dict[str, Visit] = {
            "the Rollout tab is open": lambda: _tab(it, f"{url}/plugin/rollout", _CHART, warm),
            "Airflow's own list of tasks is open instead": lambda: _tab(it, url, _TASKS, []),
            "what the Rollout tab asks, alone": lambda: _asked(it),
        }
        alone, more = _measured(it.lab, visits, runs)
        _check_judged(it)
    return [
        Figure(group=_AIRFLOW, name="first chart, warm", unit="ms", values=tuple(warm)),
        Figure(group=_GROUP, name="nobody looks, of a core", unit="%", values=tuple(alone)),
        *(
            Figure(
                group=_GROUP, name=f"{name}, more of a core", unit="%", values=tuple(values),
                wanted=_wanted(name),
            )
            for name, values in more.items()
        ),
    ]  # fmt: skip


def _check_judged(stage: Any) -> None:
    """Refuse figures of pages that had stopped asking, since the release was over."""
    split = stage.scene(_SERVICE).split()
    if split is None or split.state is not ReleaseState.OPEN:
        raise LabError(f"the release was not judged to the end: {split}")


def _wanted(name: str) -> Wanted | None:
    is_ours = name.endswith("alone")
    return Wanted(at_most=_FEED_PERCENT, of=Of.MEDIAN) if is_ours else None


def _measured(
    lab: Lab, visits: dict[str, Visit], runs: int
) -> tuple[list[float], dict[str, list[float]]]:
    alone: list[float] = []
    more: dict[str, list[float]] = {name: [] for name in visits}
    for _ in range(runs):
        for name, visit in visits.items():
            alone.append(_percent(lab, nullcontext))
            more[name].append(_percent(lab, visit) - alone[-1])
    return alone, more


def _percent(lab: Lab, visit: Visit) -> float:
    """Return what the API server takes of a core during a visit, once it has begun."""
    with visit():
        time.sleep(_SETTLE_SECONDS)
        began, used = time.perf_counter(), _used(lab)
        time.sleep(_SECONDS)
        return (_used(lab) - used) / (time.perf_counter() - began) * 100


def _used(lab: Lab) -> float:
    """Return the processor seconds of the API server's processes until now."""
    times = [psutil.Process(pid).cpu_times() for pid in lab.airflow.pids("api-server")]
    return float(sum(one.user + one.system for one in times))


@contextmanager
def _stage(home: str, chromium: Path) -> Iterator[Any]:
    """Yield a stage of the tests with one release that is judged for an hour."""
    stages = import_module("ui_stage")
    dags = Path(home) / "dags"
    import_module("installed").write_held(dags, _SERVICE)
    settings = {"rollout": {"live_seconds": 1}}
    with (
        import_module("browser").Browser(chromium) as browser,
        Lab((_SERVICE,), dags=dags, settings=settings) as lab,
    ):
        lab.airflow.wait_for_dag(_SERVICE)
        stage = stages.Stage(lab=lab, browser=browser)
        stages.start(stage, _SERVICE)
        yield stage


@contextmanager
def _tab(stage: Any, url: str, is_there: str, warm: list[float]) -> Iterator[None]:
    """Open a page and, once its files are in the browser, again; `warm` gets the milliseconds."""
    tab = stage.tab()
    try:
        for page in (url, "about:blank", url):
            began = time.perf_counter()
            tab.go(page)
            tab.wait(is_there if page == url else "true", _PATIENCE_SECONDS)
        warm.append((time.perf_counter() - began) * 1000)
        yield
        stage.check_quiet(tab)
    finally:
        tab.close()


@contextmanager
def _asked(stage: Any) -> Iterator[None]:
    """Ask once a second what the Rollout tab asks, with what it was told before."""
    is_over = threading.Event()
    cookies = {"_token": stage.token("admin")}

    def ask() -> None:
        cursor = ""
        with httpx.Client(cookies=cookies, trust_env=False) as client:
            while not is_over.wait(_PACE_SECONDS):
                url = f"{stage.url}/rollout/feed/run/{_SERVICE}/{_RUN}?since={quote(cursor)}"
                cursor = client.get(url).raise_for_status().json()["cursor"]

    with ThreadPoolExecutor(max_workers=1) as pool:
        asking = pool.submit(ask)
        try:
            yield
        finally:
            is_over.set()
        asking.result()

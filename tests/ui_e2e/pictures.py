"""Take the README's pictures of the pages from the demo: `python tests/ui_e2e/pictures.py docs`.

The demo is started as a user would start it, and its releases are looked at while they run.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from browser import Browser, Tab  # noqa: E402

from airflow_rollout.cli.airflow_api import AirflowApi  # noqa: E402
from airflow_rollout.cli.airflow_session import AirflowSession, Login  # noqa: E402
from airflow_rollout.demo.example import ROLLOUT, VERSIONS  # noqa: E402

_COMMAND = [sys.executable, "-m", "airflow_rollout.cli", "demo"]
_ADDRESS = re.compile(r"Airflow UI\s+(\S+).*?user\s+(\S+).*?password\s+(\S+)", re.DOTALL)
_PATIENCE_SECONDS = 300.0
_END_SECONDS = 60.0
_BADGE = "document.querySelector('.rollout .title .badge')?.innerText ?? ''"


@contextmanager
def demo() -> Iterator[tuple[str, Login]]:
    """Run the demo and yield where its Airflow is and how to log in; ends as with Ctrl-C."""
    # In the clone that this file is a part of, whatever else is installed.
    with subprocess.Popen(_COMMAND, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            said = ""
            while not (found := _ADDRESS.search(said)):
                line = process.stdout.readline()
                if not line:
                    raise SystemExit(f"the demo has ended:\n{said}")
                said += line
            url, user, password = found.groups()
            yield url, Login(user=user, password=password)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_END_SECONDS)


def run_of(api: AirflowApi, tab: Tab, version: str) -> str:
    """Wait until a version is being released and return its run."""

    def found() -> str:
        runs = api.runs(ROLLOUT)
        return next((run.run_id for run in runs if run.conf.get("version") == version), "")

    return str(tab.wait(found, _PATIENCE_SECONDS))


def take(url: str, login: Login, browser: Browser, folder: Path) -> None:
    """Look at a rollback and a promotion while they happen, and at the list after them."""
    api = AirflowApi(AirflowSession(url, login))
    token = httpx.post(
        f"{url}/auth/token", json={"username": login.user, "password": login.password}
    ).json()["access_token"]
    page = f"{url}/dags/{ROLLOUT}/runs/{{}}/plugin/rollout"

    def open_tab(*, dark: bool = False, height: int = 1250) -> Tab:
        tab = browser.open(width=1440, height=height, dark=dark)
        tab.cookie(url, "_token", token)
        return tab

    def take_end(tab: Tab, outcome: str, name: str) -> None:
        tab.wait(f"({_BADGE}).includes('{outcome}')", _PATIENCE_SECONDS)
        tab.picture(folder / f"{name}.png")

    light, dark = open_tab(), open_tab(dark=True)
    run = run_of(api, light, VERSIONS[0].name)
    for tab in (light, dark):
        tab.go(page.format(run))
    take_end(light, "rolled back", "rollback-light")
    take_end(dark, "rolled back", "rollback-dark")
    dark.close()
    light.go(page.format(run_of(api, light, VERSIONS[-1].name)))
    take_end(light, "promoted", "promotion")
    light.close()
    table = open_tab(height=700)
    table.go(f"{url}/plugin/rollouts?service={ROLLOUT}%2F")
    table.wait("!!document.querySelector('.rollout .history svg')", _PATIENCE_SECONDS)
    table.picture(folder / "rollouts.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder = parser.parse_args().folder
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed")
    with demo() as (url, login), Browser(Path(chromium)) as browser:
        take(url, login, browser, folder)


if __name__ == "__main__":
    main()

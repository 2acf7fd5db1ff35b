"""The settings of the lab's Airflow: one small airflow.cfg, one environment."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CLUSTER_MODULES", "AirflowPorts", "Settings", "airflow_cfg", "component_environment",
    "local_settings",
]  # fmt: skip

Settings = Mapping[str, Mapping[str, object]]
"""Section -> option -> value, as in airflow.cfg."""

ADMIN = "admin"

# What the tasks of releases on Kubernetes load, for 0.7 s of processor time each.
CLUSTER_MODULES = ("kubernetes.config",)

# Tasks and parsed DAG files are forks of scheduler and DAG processor: what those have loaded before
# no fork loads again. Half of a short task's time was that.
_LOCAL_SETTINGS = '''\
"""Local settings of a lab's Airflow."""

import importlib
import sys

PRELOADED = {preload!r}

if {{"scheduler", "dag-processor"}} & set(sys.argv):
    import anyio._backends._asyncio
    import jinja2.ext
    import prometheus_client.parser

    import airflow_rollout.analysis.judge
    import airflow_rollout.dag_factory
    import airflow_rollout.record

if "scheduler" in sys.argv:
    for name in PRELOADED:
        importlib.import_module(name)
'''

# The lab's database is thrown away with it, and what is written outlives a killed process anyway:
# only a machine that loses its power could take something. Waiting for the disk at each commit
# holds the one lock of all writers; measured with 200 ms a wait: "database is locked" after the
# default 5 s, and a triggerer that ends of it. With a log of writes beside the database those who
# read wait for nobody.
# The API server blocks its event loop while it waits for that lock, and who holds it may be another
# of its own requests, which needs the loop to commit: all wait until the wait is given up. So it
# gives up soon, its clients ask again, and everybody else outlasts that.
# Left alone, SQLite gives a new trigger the number of one that was just removed, and what that one
# still says to Airflow would be taken for the new one's, whose gate would end unasked.
_SQLITE_SETTINGS = """
from sqlalchemy import Table, event
from sqlalchemy.engine import Engine

PATIENCE_MS = 500 if "api-server" in sys.argv else 30000


@event.listens_for(Engine, "connect")
def wait_for_no_disk_and_no_writer(connection, _record):
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


@event.listens_for(Table, "before_create")
def never_give_a_number_twice(table, _connection, **_):
    if table.name == "trigger":
        table.dialect_options["sqlite"]["autoincrement"] = True
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowPorts:
    """Ports of one Airflow; the two log servers do not run, their ports are nobody's."""

    api: int
    worker_log: int
    trigger_log: int


def local_settings(*, is_sqlite: bool, preload: Sequence[str] = ()) -> str:
    """Return the `airflow_local_settings.py` of all components.

    :param preload: modules that every task loads.
    """
    text = _LOCAL_SETTINGS.format(preload=tuple(preload))
    return text + _SQLITE_SETTINGS if is_sqlite else text


def airflow_cfg(
    home: Path,
    dags: Path,
    ports: AirflowPorts,
    *,
    database_url: str | None = None,
    settings: Settings | None = None,
) -> RawConfigParser:
    """Return the configuration all components share, secrets included.

    One file written before the first component starts: components that find none would each
    write their own secrets. It also loads faster than the file of all defaults.
    """
    merged = _lab_settings(home, dags, ports, database_url)
    for section, options in (settings or {}).items():
        merged.setdefault(section, {}).update(options)
    config = RawConfigParser()
    # Doubled percent signs: Airflow reads this file with interpolation.
    config.read_dict(
        {
            section: {option: str(value).replace("%", "%%") for option, value in options.items()}
            for section, options in merged.items()
        }
    )
    return config


def _lab_settings(
    home: Path, dags: Path, ports: AirflowPorts, database_url: str | None
) -> dict[str, dict[str, object]]:
    url = f"http://127.0.0.1:{ports.api}"
    return {
        "core": {
            "dags_folder": dags,
            "executor": "LocalExecutor",
            "parallelism": 6,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": home / "passwords.json",
            # The default asks the DNS for a full name, which takes seconds on some laptops.
            "hostname_callable": "socket.gethostname",
        },
        "database": {"sql_alchemy_conn": database_url or f"sqlite:///{home / 'airflow.db'}"},
        "api": {
            "host": "127.0.0.1",
            "port": ports.api,
            "base_url": url,
            "workers": 1,
            "secret_key": secrets.token_urlsafe(32),
        },
        "api_auth": {"jwt_secret": secrets.token_urlsafe(48)},
        "logging": {
            "base_log_folder": home / "logs",
            "worker_log_server_port": ports.worker_log,
            "trigger_log_server_port": ports.trigger_log,
        },
        # Measured: the next task starts 0.2 s instead of 1.1 s after the one before it.
        "scheduler": {"scheduler_idle_sleep_time": 0.1},
        # Measured: a worker task that fails is noticed after 1 s instead of 5 s.
        "workers": {"min_heartbeat_interval": 1},
        "triggerer": {"job_heartbeat_sec": 2, "triggerer_health_check_threshold": 10},
        "dag_processor": {"refresh_interval": 5},
    }


def component_environment(home: Path, connections: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a component.

    That of this process without its Airflow settings: a newcomer who has another Airflow set up
    must get the lab's.

    :param connections: connection id -> URI or JSON.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }
    environment["AIRFLOW_HOME"] = str(home)
    for conn_id, value in connections.items():
        environment[f"AIRFLOW_CONN_{conn_id.upper()}"] = value
    for name in ("NO_PROXY", "no_proxy"):
        others = environment.get(name)
        environment[name] = ",".join(filter(None, [others, "127.0.0.1", "localhost"]))
    # Each task is a new process: without compiled modules it compiles the whole package anew, which
    # took three times as long as loading it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # Counting who starts a lab is nobody's business.
    environment["SCARF_ANALYTICS"] = "false"
    environment["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"
    # The logs are read by people and by tests.
    environment["NO_COLOR"] = "1"
    return environment

"""A real PostgreSQL in a directory of its own, which a test can take away and give back."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2

from airflow_rollout.demo.part import Part
from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import Child, Processes, wait_until

__all__ = ["PostgresServer"]

_READY_SECONDS = 60.0
_END_SECONDS = 20.0

# The server refuses to run as root.
_USERS = ("postgres", "nobody")


class PostgresServer(Part):
    """Run a PostgreSQL on a loopback port; a context manager.

    :param binary: the server's program; its companions lie beside it.
    """

    def __init__(self, binary: Path) -> None:
        self._binaries = binary.resolve().parent
        # Not below pytest's own: only the user who runs the tests may enter that.
        self._home = Path(tempfile.mkdtemp(prefix="rollout-postgres-"))
        self._data = self._home / "data"
        self._processes = Processes(self._home / "logs", remove=self._home)
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            user = next(it for it in pwd.getpwall() if it.pw_name in _USERS)
            os.chown(self._home, user.pw_uid, user.pw_gid)
            ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            self._as_user = ["setpriv", *ids, "--"]
        (self._port,) = free_ports(1)

    @property
    def url(self) -> str:
        """Return where it is, as SQLAlchemy says it."""
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self._port}/postgres"

    @property
    def child(self) -> Child:
        """Return the running server."""
        return self._processes["postgres"]

    def come_up(self) -> None:
        """Make the database and start the server."""
        self._make()
        self.start()

    def start(self) -> None:
        """Start the server, again after `stop`; returns when it takes connections."""
        options = {
            "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "max_connections": "200",
        }  # fmt: skip
        command = [*self._as_user, self._binaries / "postgres", "-D", self._data]
        command += ["-F", "-p", str(self._port)]
        command += [f"--{name}={value}" for name, value in options.items()]
        child = self._processes.start("postgres", command, cwd=self._home)
        wait_until(
            self._answers, what="PostgreSQL", timeout_seconds=_READY_SECONDS, children=[child]
        )

    def stop(self) -> None:
        """End it as `pg_ctl stop -m immediate` does: every connection is cut, nothing is tidied."""
        self.child.send_signal(signal.SIGQUIT)
        self.child.wait(_END_SECONDS)

    def is_held_by(self, pids: Collection[int]) -> bool:
        """Tell whether one of these processes has a transaction open, and may hold locks by it."""
        ports = [it.laddr.port for it in psutil.net_connections("tcp") if it.pid in pids]
        query = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE client_port = ANY(%s) AND xact_start IS NOT NULL"
        )
        with closing(self._connected()) as connection, connection.cursor() as cursor:
            cursor.execute(query, (ports,))
            return bool(cursor.fetchone()[0])

    def close(self) -> None:
        """End it and remove what it kept."""
        if "postgres" in self._processes and self.child.is_running:
            self.stop()
        self._processes.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _make(self) -> None:
        command = [*self._as_user, self._binaries / "initdb", "-D", self._data]
        command += ["--username=airflow", "--auth=trust", "--encoding=UTF8", "--no-locale"]
        command += ["--no-sync"]
        done = subprocess.run(
            command, cwd=self._home, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _answers(self) -> bool:
        try:
            self._connected().close()
        except psycopg2.OperationalError:
            return False
        return True

    def _connected(self) -> psycopg2.extensions.connection:
        where = {"host": "127.0.0.1", "port": self._port}
        return psycopg2.connect(**where, user="airflow", dbname="postgres")

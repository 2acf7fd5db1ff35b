"""Where the Airflow is and who asks: options of every subcommand that talks to it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from airflow_rollout.cli.airflow_api import AirflowApi
from airflow_rollout.cli.airflow_session import AirflowSession, Login

__all__ = ["UsageError", "add_airflow_options", "api_from"]

URL = "AIRFLOW_ROLLOUT_URL"
USER = "AIRFLOW_ROLLOUT_USER"
PASSWORD = "AIRFLOW_ROLLOUT_PASSWORD"  # noqa: S105 - the variable's name
TOKEN = "AIRFLOW_ROLLOUT_TOKEN"  # noqa: S105 - the variable's name


class UsageError(Exception):
    """The command line and the environment together do not say enough; exit code 2."""


def add_airflow_options(parser: argparse.ArgumentParser) -> None:
    """Add `--airflow-url` and the ways to log in."""
    group = parser.add_argument_group(
        "Airflow", "a password or token is better given by the environment than on the command line"
    )
    group.add_argument("--airflow-url", metavar="URL", help=f"base URL; default ${URL}")
    group.add_argument("--airflow-user", metavar="USER", help=f"default ${USER}")
    group.add_argument("--airflow-password", metavar="PASSWORD", help=f"default ${PASSWORD}")
    group.add_argument(
        "--airflow-token",
        metavar="TOKEN",
        help=f"instead of user and password; default ${TOKEN}",
    )


def api_from(options: argparse.Namespace, environment: Mapping[str, str]) -> AirflowApi:
    """Return a client for the Airflow that was named; `UsageError` when something is missing.

    An option goes before its variable, and any option that logs in before both variables that do.
    """
    url = options.airflow_url or environment.get(URL, "")
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"which Airflow? give --airflow-url or set {URL}, for example https://airflow.example.com"
            + (f"; found {url!r}" if url else "")
        )
    login = _login(options, environment)
    if not (login.token or (login.user and login.password)):
        raise UsageError(f"no login for {url}: set {TOKEN}, or {USER} and {PASSWORD}")
    return AirflowApi(AirflowSession(url, login))


def _login(options: argparse.Namespace, environment: Mapping[str, str]) -> Login:
    if options.airflow_token:
        return Login(token=options.airflow_token)
    user = options.airflow_user or environment.get(USER, "")
    password = options.airflow_password or environment.get(PASSWORD, "")
    if options.airflow_user or options.airflow_password:
        return Login(user=user, password=password)
    return Login(user=user, password=password, token=environment.get(TOKEN, ""))

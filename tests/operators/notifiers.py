"""Notifiers that remember, fail or hang."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from airflow.sdk.bases.notifier import BaseNotifier

__all__ = ["Broken", "Deaf", "ForTheTriggerer", "Notebook"]


class Notebook(BaseNotifier):
    """Write down what it is told."""

    template_fields = ("text",)

    def __init__(self, text: str = "{{ release.outcome }}: {{ release.reason }}") -> None:
        super().__init__()
        self.text = text
        self.told: list[str] = []
        self.meanwhile: Callable[[], None] | None = None

    def notify(self, context: Any) -> None:
        assert context["text"] == "{{ release.outcome }}: {{ release.reason }}"
        self.told.append(self.text)
        if self.meanwhile is not None:
            self.meanwhile()


class ForTheTriggerer(BaseNotifier):
    """Know only the asynchronous way."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    async def async_notify(self, context: Any) -> None:
        await asyncio.sleep(0)
        self.told.append(context["release"]["reason"])


class Broken(BaseNotifier):
    """Fail, and quote the secret that it tried."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def notify(self, context: Any) -> None:
        raise self.error


class Deaf(BaseNotifier):
    """Talk to a server that accepts and never answers."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def notify(self, context: Any) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.recv(1)

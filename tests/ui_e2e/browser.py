"""A real Chromium, steered over its own protocol: what a person does, and what it complains of.

Debian's package is enough; no driver, no further package.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

__all__ = ["Browser", "Tab"]

_START_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
_POLL_SECONDS = 0.1

# Far above what anything here takes: it ends a test that hangs, it decides nothing.
_PATIENCE_SECONDS = 180.0

# No first-run pages, no talk with anybody outside, and no sandbox where root runs the tests.
_OPTIONS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--mute-audio", "--hide-scrollbars",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
]  # fmt: skip


class Browser:
    """One Chromium with a profile of its own; a context manager."""

    def __init__(self, program: Path) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="rollout-chromium-"))
        self._process = subprocess.Popen(
            [str(program), *_OPTIONS, f"--user-data-dir={self._profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._tabs: list[Tab] = []
        self._port = self._read_port()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _read_port(self) -> int:
        file = self._profile / "DevToolsActivePort"
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if file.exists() and (lines := file.read_text().split()):
                return int(lines[0])
            time.sleep(_POLL_SECONDS)
        raise TimeoutError("Chromium did not start")

    def open(
        self,
        *,
        width: int = 1440,
        height: int = 1000,
        dark: bool = False,
        context: str = "",
    ) -> Tab:
        """Return a new tab with cookies, files and connections of its own, or those of a context.

        What a context has loaded once it loads again in half the time.
        """
        version = httpx.get(f"http://127.0.0.1:{self._port}/json/version").json()
        with connect(version["webSocketDebuggerUrl"]) as whole:
            if not context:
                context = _ask(whole, 1, "Target.createBrowserContext")["browserContextId"]
            target = _ask(
                whole, 2, "Target.createTarget", url="about:blank", browserContextId=context
            )["targetId"]
        tab = Tab(f"ws://127.0.0.1:{self._port}/devtools/page/{target}", context)
        tab.size(width, height)
        tab.colours(dark=dark)
        self._tabs.append(tab)
        return tab

    def close_tabs(self) -> None:
        """Close every page that is still open."""
        while self._tabs:
            self._tabs.pop().close()


def _ask(socket: ClientConnection, number: int, method: str, **params: Any) -> dict[str, Any]:
    socket.send(json.dumps({"id": number, "method": method, "params": params}))
    while True:
        answer = json.loads(socket.recv(timeout=_ANSWER_SECONDS))
        if answer.get("id") == number:
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result


class Tab:
    """One page: where it goes, what is in it, what it asked for and complained of."""

    def __init__(self, url: str, context: str) -> None:
        self.context = context
        self._open = ExitStack()
        # It is read only while it is asked something: an answer to a ping may be late.
        self._socket = self._open.enter_context(
            connect(url, max_size=None, ping_interval=None, close_timeout=0.5)
        )
        self._number = 0
        self._is_open = True
        self.complaints: list[str] = []
        self.requests: list[tuple[str, str]] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")
        # As if each had a window of its own in sight.
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)

    def close(self) -> None:
        """Close the page, so that it asks nothing more; once is enough."""
        if self._is_open:
            self._is_open = False
            self.ask("Page.close")
            self._open.close()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its answer; events on the way are kept."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=_ANSWER_SECONDS))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._keep(answer.get("method", ""), answer.get("params", {}))

    def _keep(self, event: str, params: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            text = details.get("exception", {}).get("description") or details["text"]
            self.complaints.append(f"exception: {text}")
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            words = [str(arg.get("value", arg.get("description", ""))) for arg in params["args"]]
            self.complaints.append(f"console: {' '.join(words)}")
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.complaints.append(f"log: {entry['text']} {entry.get('url', '')}")
        elif event == "Network.requestWillBeSent":
            self.requests.append((params["request"]["method"], params["request"]["url"]))

    def size(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def colours(self, *, dark: bool) -> None:
        value = "dark" if dark else "light"
        self.ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}],
        )
        # Airflow keeps the choice of a user here.
        self.ask(
            "Page.addScriptToEvaluateOnNewDocument",
            source=f"try {{ localStorage.setItem('theme', '{value}') }} catch {{}}",
        )

    def cookie(self, url: str, name: str, value: str) -> None:
        self.ask("Network.setCookie", url=url, name=name, value=value)

    def go(self, url: str) -> None:
        self.ask("Page.navigate", url=url)

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page; promises are awaited."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def hear(self) -> None:
        """Take in what the page has done or complained of until now."""
        # Two turns: a promise that nobody waits for is told of at the end of its turn.
        self.js("new Promise((done) => setTimeout(() => setTimeout(done)))")

    def text(self, selector: str = ".rollout") -> str:
        """Return the visible text of an element, empty where there is none."""
        quoted = json.dumps(selector)
        return str(self.js(f"document.querySelector({quoted})?.innerText ?? ''"))

    def wait(
        self, condition: str | Callable[[], object], seconds: float = _PATIENCE_SECONDS
    ) -> Any:
        """Wait until an expression, or a function, is true and return it."""
        end = time.monotonic() + seconds
        while True:
            try:
                found = self.js(condition) if isinstance(condition, str) else condition()
            except RuntimeError:
                found = None  # the page was just left
            if found:
                return found
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{condition!r} after {seconds:g} s; the page says: "
                    f"{self.text('body')[:1500]!r}; it complained: {self.complaints[-5:]}"
                )
            time.sleep(_POLL_SECONDS)

    def wait_for_text(self, text: str, *, within: str = ".rollout") -> None:
        self.wait(lambda: text.lower() in self.text(within).lower())

    def click(self, selector: str) -> None:
        """Click an element as a mouse would, where it is on the screen."""
        quoted = json.dumps(selector)
        self.wait(f"!!document.querySelector({quoted})")
        place = self.js(
            f"(() => {{ const e = document.querySelector({quoted}); "
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect(); "
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left",
                clickCount=1,
            )  # fmt: skip

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key,
                windowsVirtualKeyCode=code, **more,
            )  # fmt: skip

    def type(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def picture(self, file: Path) -> None:
        data = self.ask("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(data))

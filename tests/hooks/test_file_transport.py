"""Files over a connection: in its directory, never in the event loop's way nor behind others."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from bounded import run

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks import transport
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.wire import FileContent, FileRead, FileReplace, Response, Send


def at(directory: object) -> ConnectionInfo:
    extra = {"directory": str(directory) if isinstance(directory, Path) else directory}
    return ConnectionInfo(conn_id="c", conn_type="http", extra=extra)


def test_files_are_read_and_replaced_in_the_connections_directory(tmp_path: Path) -> None:
    async def test() -> None:
        async with open_send(at(tmp_path), system="s") as send:
            assert await send(FileRead(name="a.yaml")) == FileContent(content=None)
            await send(FileReplace(name="a.yaml", content=b"1", expected=None))
            assert await send(FileRead(name="a.yaml")) == FileContent(content=b"1")
        assert (tmp_path / "a.yaml").read_bytes() == b"1"

    run(test)


def test_a_file_system_that_hangs_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        os.mkfifo(tmp_path / "a.yaml")  # to read a pipe nobody writes to takes for ever
        async with open_send(at(tmp_path), system="s") as send:
            with pytest.raises(TransientAdapterError, match="file system"):
                await send(FileRead(name="a.yaml"))
        (tmp_path / "a.yaml").open("wb").close()  # lets the reading thread end

    monkeypatch.setattr(transport, "FILE_SECONDS", 0.1)
    run(test)


def test_files_do_not_wait_for_what_keeps_the_event_loops_own_threads(tmp_path: Path) -> None:
    async def test() -> None:
        # As many name lookups do behind a name server that hangs.
        answered = threading.Event()
        threads = (os.cpu_count() or 1) + 4
        lookups = [asyncio.to_thread(answered.wait) for _ in range(threads)]
        looking = asyncio.gather(*lookups)
        await asyncio.sleep(0)
        async with open_send(at(tmp_path), system="s") as send:
            await send(FileReplace(name="a.yaml", content=b"1", expected=None))
            assert await send(FileRead(name="a.yaml")) == FileContent(content=b"1")
        answered.set()
        await looking

    run(test)


def test_requests_that_a_file_system_never_answers_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        os.mkfifo(tmp_path / "a.yaml")
        async with open_send(at(tmp_path), system="s") as send:
            for _ in range(2):
                with pytest.raises(TransientAdapterError, match="not answered for"):
                    await send(FileRead(name="a.yaml"))
            with pytest.raises(TransientAdapterError, match="not answered 2 requests"):
                await send(FileRead(name="a.yaml"))
            (tmp_path / "a.yaml").open("wb").close()
            (tmp_path / "a.yaml").unlink()
            async with asyncio.timeout(10):
                assert await when_answered(send) == FileContent(content=None)

    async def when_answered(send: Send) -> Response:
        while True:
            try:
                return await send(FileRead(name="a.yaml"))
            except TransientAdapterError:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(transport, "FILE_SECONDS", 0.1)
    monkeypatch.setattr(transport, "FILES_AT_ONCE", 2)
    run(test)


def test_threads_that_cannot_be_started_keep_no_later_request_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with open_send(at(tmp_path), system="s") as send:
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                for _ in range(transport.FILES_AT_ONCE):
                    with pytest.raises(RuntimeError, match="can't start"):
                        await send(FileRead(name="a.yaml"))
            assert await send(FileRead(name="a.yaml")) == FileContent(content=None)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    run(test)


@pytest.mark.parametrize("directory", [None, "", "relative", 5])
def test_a_connection_without_a_directory_says_so(directory: object) -> None:
    async def test() -> None:
        async with open_send(at(directory), system="s") as send:
            with pytest.raises(PermanentAdapterError, match="absolute `directory`"):
                await send(FileRead(name="a"))

    run(test)

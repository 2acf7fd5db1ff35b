"""Files: atomic, compared, locked, and every failure of the machine mapped."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_disk import small_disk

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks import files
from airflow_rollout.hooks.files import (
    WORK_DIRECTORY,
    read_file,
    read_note,
    replace_file,
    write_note,
)
from airflow_rollout.wire import FileReplaced

SYSTEM = "s"


def replace(directory: Path, content: bytes, expected: bytes | None) -> FileReplaced:
    return replace_file(directory, "a.yaml", content, expected, system=SYSTEM)


def test_a_missing_file_is_none_and_can_be_created(tmp_path: Path) -> None:
    assert read_file(tmp_path, "a.yaml", system=SYSTEM) is None
    assert replace(tmp_path, b"1", None).replaced
    assert read_file(tmp_path, "a.yaml", system=SYSTEM) == b"1"


def test_only_the_expected_content_is_replaced(tmp_path: Path) -> None:
    replace(tmp_path, b"1", None)
    assert replace(tmp_path, b"2", None) == FileReplaced(replaced=False, content=b"1")
    assert replace(tmp_path, b"2", b"0") == FileReplaced(replaced=False, content=b"1")
    assert replace(tmp_path, b"2", b"1") == FileReplaced(replaced=True, content=b"2")
    assert (tmp_path / "a.yaml").read_bytes() == b"2"


@pytest.mark.parametrize(("is_urgent", "seen"), [(True, b"2"), (False, b"1")])
def test_what_is_urgent_is_seen_before_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_urgent: bool, seen: bytes
) -> None:
    replace(tmp_path, b"1", None)
    synced = []

    def sync(handle: int) -> None:
        found = read_file(tmp_path, "a.yaml", system=SYSTEM)
        synced.append((Path(f"/proc/self/fd/{handle}").resolve().is_dir(), found))

    monkeypatch.setattr(os, "fsync", sync)
    replace_file(tmp_path, "a.yaml", b"2", b"1", is_urgent=is_urgent, system=SYSTEM)
    # The file's bytes first, then its name: urgent or not, both are on the disk at the end.
    assert synced == [(False, seen), (True, b"2")]


def test_nothing_that_a_watcher_would_load_is_left_beside_the_file(tmp_path: Path) -> None:
    replace(tmp_path, b"1", None)
    replace(tmp_path, b"2", b"1")
    assert sorted(p.name for p in tmp_path.iterdir()) == [WORK_DIRECTORY, "a.yaml"]
    assert [p.name for p in (tmp_path / WORK_DIRECTORY).iterdir()] == ["a.yaml.lock"]


def test_modes_let_the_router_read_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        replace(tmp_path, b"1", None)
    finally:
        os.umask(before)
    assert (tmp_path / "a.yaml").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / WORK_DIRECTORY).stat().st_mode & 0o777 == 0o755
    assert (tmp_path / WORK_DIRECTORY / "a.yaml.lock").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "/etc/passwd", ".a", "a\\b", "a\0b"]
)
def test_only_plain_names_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(PermanentAdapterError, match="plain file name"):
        read_file(tmp_path, name, system=SYSTEM)
    with pytest.raises(PermanentAdapterError, match="plain file name"):
        replace_file(tmp_path, name, b"", None, system=SYSTEM)


def test_a_missing_directory_is_not_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PermanentAdapterError, match="No such file"):
        read_file(tmp_path / "no", "a.yaml", system=SYSTEM)
    with pytest.raises(PermanentAdapterError, match="No such file"):
        replace(tmp_path / "no", b"1", None)


def test_a_directory_in_the_files_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(PermanentAdapterError):
        read_file(tmp_path, "a.yaml", system=SYSTEM)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"x" * 1_000_001)
    with pytest.raises(PermanentAdapterError, match="larger"):
        read_file(tmp_path, "a.yaml", system=SYSTEM)


def _write_beyond_the_limit(directory: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        replace(directory, b"2" * 10_000, b"1")
    except PermanentAdapterError as error:
        (directory / "error.txt").write_text(str(error))


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    replace(tmp_path, b"1", None)
    writer = multiprocessing.get_context("spawn").Process(
        target=_write_beyond_the_limit, args=(tmp_path,)
    )
    writer.start()
    writer.join()
    assert "File too large" in (tmp_path / "error.txt").read_text()
    assert read_file(tmp_path, "a.yaml", system=SYSTEM) == b"1"
    assert [p.name for p in (tmp_path / WORK_DIRECTORY).iterdir()] == ["a.yaml.lock"]


def test_a_disk_that_gets_full_in_mid_write_leaves_the_old_file_and_no_rest(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        replace(disk, b"1", None)
        write_note(disk, "a.lease", b"old", system=SYSTEM)
        with pytest.raises(TransientAdapterError, match="No space left"):
            replace(disk, b"2" * 100_000, b"1")
        with pytest.raises(TransientAdapterError, match="No space left"):
            write_note(disk, "a.lease", b"n" * 100_000, system=SYSTEM)
        assert read_file(disk, "a.yaml", system=SYSTEM) == b"1"
        assert read_note(disk, "a.lease", system=SYSTEM) == b"old"
        rest = sorted(it.name for it in (disk / WORK_DIRECTORY).iterdir())
        assert rest == ["a.lease", "a.yaml.lock"]
        # What was written of it takes no space away from the next try.
        assert replace(disk, b"3" * 40_000, b"1").replaced


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, TransientAdapterError),
        (errno.ESTALE, TransientAdapterError),
        (errno.EACCES, PermanentAdapterError),
        (errno.EROFS, PermanentAdapterError),
        (errno.ENOTDIR, PermanentAdapterError),
    ],
)
def test_what_the_machine_says_decides_whether_to_try_again(
    tmp_path: Path, number: int, error: type[Exception]
) -> None:
    with pytest.raises(error), files._our_errors("write", tmp_path, SYSTEM):
        raise OSError(number, os.strerror(number))


def test_a_directory_that_may_not_be_written_is_permanent(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermanentAdapterError, match="Permission denied"):
            replace(tmp_path, b"1", None)
    finally:
        tmp_path.chmod(0o755)


def test_a_lock_that_is_held_too_long_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(tmp_path, b"1", None)
    monkeypatch.setattr(files, "_LOCK_SECONDS", 0.05)
    with (tmp_path / WORK_DIRECTORY / "a.yaml.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TransientAdapterError, match=r"lock of a\.yaml"):
            replace(tmp_path, b"2", b"1")
    assert replace(tmp_path, b"2", b"1").replaced


def test_a_writer_waits_for_the_lock(tmp_path: Path) -> None:
    replace(tmp_path, b"1", None)
    held = (tmp_path / WORK_DIRECTORY / "a.yaml.lock").open("r+")
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.1, held.close).start()
    assert replace(tmp_path, b"2", b"1").replaced


def test_of_many_threads_with_the_same_expectation_one_wins(tmp_path: Path) -> None:
    replace(tmp_path, b"0", None)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: replace(tmp_path, b"%d" % n, b"0"), range(1, 33)))
    winners = [answer for answer in answers if answer.replaced]
    assert len(winners) == 1
    assert {answer.content for answer in answers} == {winners[0].content}


def _count_up(directory: Path, times: int) -> None:
    done = 0
    while done < times:
        found = read_file(directory, "a.yaml", system=SYSTEM)
        assert found is not None
        head = int(found.split(b"\n")[0])
        body = b"%d\n" % (head + 1)
        done += replace(directory, body * 2000, found).replaced


def test_processes_lose_no_update_and_readers_see_whole_files(tmp_path: Path) -> None:
    replace(tmp_path, b"0\n" * 2000, None)
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_count_up, args=(tmp_path, 20)) for _ in range(3)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        content = read_file(tmp_path, "a.yaml", system=SYSTEM)
        assert content is not None
        assert len(set(content.split(b"\n")[:-1])) == 1
        seen.add(content.split(b"\n")[0])
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    final = read_file(tmp_path, "a.yaml", system=SYSTEM)
    assert final == b"60\n" * 2000
    assert len(seen) > 1

"""Children really end, theirs too, however the parent ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import LabError, Processes, ending_on_sigterm, wait_until
from airflow_rollout.demo.sessions import members

# A tree as Airflow makes them: the leader starts a child that makes a process group of its own,
# which starts another one. All write their pid, then sleep; `{}` is what the leader does last.
TREE = """
import os, signal, sys, time
def note(): print(os.getpid(), flush=True)
note()
if os.fork() == 0:
    os.setpgid(0, 0)
    note()
    if os.fork() == 0:
        note()
    time.sleep(600)
{}
time.sleep(600)
"""
TREE_SIZE = 3


def tree(last: str = "") -> list[str]:
    return [sys.executable, "-S", "-c", TREE.format(last)]


def pids_in(log: Path, count: int = TREE_SIZE) -> list[int]:
    """Wait until `count` processes have written their pid, and return them."""
    found: list[int] = []

    def complete() -> bool:
        text = log.read_text() if log.exists() else ""
        found[:] = [int(word) for word in text.split() if word.isdigit()]
        return len(found) == count

    wait_until(complete, what="pids", timeout_seconds=20)
    return found


def alive(pids: list[int]) -> list[int]:
    def lives(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [pid for pid in pids if lives(pid)]


def wait_gone(pids: list[int], timeout_seconds: float = 20) -> None:
    wait_until(lambda: not alive(pids), what="end", timeout_seconds=timeout_seconds)


def test_leaving_ends_children_and_their_children(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("tree", tree())
        pids = pids_in(child.log)
        assert alive(pids) == pids
        assert sorted(members([child.pid])) == sorted(pids)
    assert alive(pids) == []


def test_an_exception_ends_them_too(tmp_path: Path) -> None:
    pids = []

    def interrupted() -> None:
        with Processes(tmp_path) as processes:
            pids.extend(pids_in(processes.start("tree", tree()).log))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(pids) == TREE_SIZE
    assert alive(pids) == []


def test_who_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)"
    with Processes(tmp_path, grace_seconds=0.3) as processes:
        child = processes.start("tree", tree(deaf))
        wait_until(lambda: "deaf" in child.tail(), what="handler", timeout_seconds=20)
        pids = pids_in(child.log)
        processes.end("tree")
        assert child.exit_code == -signal.SIGKILL
        assert alive(pids) == []


def test_the_leader_may_end_in_order_within_the_grace(tmp_path: Path) -> None:
    orderly = (
        "signal.signal(signal.SIGTERM, lambda *_: (print('in order', flush=True), sys.exit(0)))"
    )
    with Processes(tmp_path, grace_seconds=10) as processes:
        child = processes.start("orderly", tree(orderly + "\nprint('ready', flush=True)"))
        wait_until(lambda: "ready" in child.tail(), what="ready", timeout_seconds=20)
        pids = pids_in(child.log)
        processes.end("orderly")
        assert child.exit_code == 0
        assert "in order" in child.tail()
        assert alive(pids) == []


def test_orphans_of_a_dead_leader_are_ended(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("tree", tree())
        pids = pids_in(child.log)
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        assert len(alive(pids)) == TREE_SIZE - 1
        processes.end("tree")
        assert alive(pids) == []


def test_orphans_too_may_end_in_order(tmp_path: Path) -> None:
    leader = """
import os, signal, sys, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, lambda *_: (print("orphan ended", flush=True), os._exit(0)))
    print("ready", flush=True)
    time.sleep(600)
time.sleep(600)
"""
    with Processes(tmp_path, grace_seconds=20) as processes:
        child = processes.start("leader", [sys.executable, "-S", "-c", leader])
        wait_until(lambda: "ready" in child.tail(), what="orphan", timeout_seconds=20)
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        processes.end("leader")
        assert "orphan ended" in child.tail()


def test_a_name_is_free_again_after_its_process_died(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        first = processes.start("one", [sys.executable, "-S", "-c", "print('first')"])
        first.wait(10)
        second = processes.start("one", tree())
        with pytest.raises(LabError, match="one already runs"):
            processes.start("one", tree())
        assert second.tail().startswith("first"), "one log goes on"


def test_who_yields_lets_others_go_first_and_so_do_its_descendants(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        pids = pids_in(processes.start("tree", tree(), yields=True).log)
        others = pids_in(processes.start("others", tree()).log)
        here = os.getpriority(os.PRIO_PROCESS, 0)
        assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in others] == [here] * TREE_SIZE
        assert all(os.getpriority(os.PRIO_PROCESS, pid) > here for pid in pids)


def test_what_a_retired_child_left_running_ends_with_the_rest(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("tree", tree())
        pids = pids_in(child.log)
        with pytest.raises(LabError, match="still runs"):
            processes.retire("tree")
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        processes.retire("tree")
        assert "tree" not in processes
        processes.start("tree", tree())
        assert len(alive(pids)) == TREE_SIZE - 1
    assert alive(pids) == []


# Whoever runs the tests may ignore the terminal's signals, as nohup does; children inherit that.
PARENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from pathlib import Path
from airflow_rollout.demo.processes import Processes, ending_on_sigterm
with ending_on_sigterm(), Processes() as processes:
    child = processes.start("tree", {command!r})
    print(child.log, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_outlives_a_parent_that_is_killed(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(command=tree())],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    with parent.stdout:
        log = Path(parent.stdout.readline().strip())
        pids = pids_in(log)
        parent.send_signal(number)
        code = parent.wait(20)
    if number in {signal.SIGTERM, signal.SIGHUP}:
        assert code == 128 + number
    wait_gone(pids)
    wait_until(lambda: not log.parent.exists(), what="removed directory", timeout_seconds=20)


def test_sigterm_becomes_an_exit_only_inside(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def told_to_end() -> None:
        with ending_on_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(SystemExit) as end:
        told_to_end()
    assert end.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_closed_terminal_does_not_end_who_ignores_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_on_sigterm():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_child_that_ends_too_early_shows_its_log(tmp_path: Path) -> None:
    broken = textwrap.dedent("""
        import sys
        print("cannot bind to the port")
        sys.exit(3)
    """)
    with Processes(tmp_path) as processes:
        child = processes.start("server", [sys.executable, "-S", "-c", broken])
        with pytest.raises(LabError) as error:
            wait_until(lambda: False, what="answer", timeout_seconds=20, children=[child])
    assert "server ended with code 3 before answer" in str(error.value)
    assert "cannot bind to the port" in str(error.value)


def test_a_wait_that_runs_out_shows_the_logs(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("slow", tree("print('still loading', flush=True)"))
        wait_until(lambda: "loading" in child.tail(), what="line", timeout_seconds=20)
        with pytest.raises(LabError, match=r"(?s)no answer within 0\.1 s.*still loading"):
            wait_until(lambda: False, what="answer", timeout_seconds=0.1, children=[child])


def test_a_command_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        Processes(tmp_path) as processes,
        pytest.raises(LabError, match="nobody cannot be started"),
    ):
        processes.start("nobody", [tmp_path / "no-such-program"])


def test_free_ports_are_distinct_and_can_be_bound() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    script = "import socket,sys\nfor p in sys.argv[1:]: socket.create_server(('127.0.0.1', int(p)))"
    subprocess.run([sys.executable, "-S", "-c", script, *map(str, ports)], check=True, timeout=20)

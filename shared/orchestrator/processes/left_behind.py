"""What programs left running on this machine: found by a mark in its environment, and ended.

Each command that a dispatcher starts carries `SLUICE_ATTEMPT`: the program that waits for it (host, number and start of
the process), in which namespace that number holds, and a number of its own. Children inherit it, also those that left
the process group or the session. Run as a program of its own (`python left_behind.py PROGRAM`) this file waits until
its standard input closes, which nothing prevents when the dispatcher dies, and ends what carries that program's mark.
It imports nothing heavy, as it stays.

Not found: what cleared its environment, and what belongs to another user. Without /proc nothing is.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

MARK = "SLUICE_ATTEMPT"
PASSES = 50
"""Looks at all processes of the machine: what is about to fork when it is ended may get a child away."""

_NUMBERS = itertools.count(1)
_LOCK = threading.Lock()
_GUARDED: dict[int, tuple[subprocess.Popen[bytes], int]] = {}


def program(pid: int) -> str:
    """A process of this machine, told from one that had its number before; nothing where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            began = file.read().rpartition(")")[2].split()[19]
    except OSError:
        began = ""
    return f"{socket.gethostname()} {pid} {began}"


def is_gone(text: str) -> bool:
    """Whether a program of this machine has ended; of other machines' nobody here can tell."""
    host, _, rest = text.partition(" ")
    pid, _, began = rest.partition(" ")
    return bool(began) and host == socket.gethostname() and program(int(pid)) != text


def new_mark() -> str:
    return f"{program(os.getpid())} {_namespace()} {next(_NUMBERS)}"


def end_marked(chosen: Callable[[str], bool]) -> int:
    """SIGKILL to all processes whose mark is chosen, until there are none; how many there were."""
    ended = set[int]()
    for _ in range(PASSES):
        found = [pid for pid in _processes() if _ended(pid, chosen)]
        if not found:
            break
        ended.update(found)
        time.sleep(0.01)
    return len(ended)


def end_orphans() -> int:
    """End what programs of this machine started that have ended themselves; how many processes that were."""
    here = _namespace()

    def left(mark: str) -> bool:
        """A container of this host has numbers of its own, and what it started may be seen from here."""
        whose, namespace, _ = mark.rsplit(" ", 2)
        return namespace == here and is_gone(whose)

    return end_marked(left)


def guard() -> bool:
    """See that nothing outlives this program; whether it is the first time that this is asked for."""
    with _LOCK:
        known = _GUARDED.get(os.getpid())
        if known is None or known[0].poll() is not None:
            reading, writing = os.pipe()
            command = [sys.executable, "-I", "-S", __file__, program(os.getpid())]
            # Nobody but this process holds the other end: its end is the end of the pipe.
            child = subprocess.Popen(  # noqa: S603 - it is this file
                command, stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
                start_new_session=True, env={},
            )  # fmt: skip
            os.close(reading)
            if known is None:
                atexit.register(_relieve)
            else:
                os.close(known[1])
            _GUARDED[os.getpid()] = (child, writing)
        return known is None


def _relieve() -> None:
    """A program that comes to its end by itself waits until nothing of it is left."""
    known = _GUARDED.pop(os.getpid(), None)
    if known is not None:
        os.close(known[1])
        with contextlib.suppress(subprocess.TimeoutExpired):
            known[0].wait(timeout=5)


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _ended(pid: int, chosen: Callable[[str], bool]) -> bool:
    """End a process if its mark is chosen. The descriptor keeps its number from meaning another one meanwhile."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
        marks = [one.partition(b"=")[2].decode() for one in variables if one.startswith(MARK.encode() + b"=")]
        if pid == os.getpid() or not any(chosen(mark) for mark in marks):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except (OSError, ValueError):
        return False
    finally:
        os.close(process)
    return True


if __name__ == "__main__":
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
    ):  # these are for the program that is looked after
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    end_marked(lambda mark: mark.rsplit(" ", 2)[0] == sys.argv[1])

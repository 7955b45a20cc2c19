"""Nothing of a command goes on when its time is over, or when its dispatcher was killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import TimedOut
from shared.orchestrator.processes import left_behind
from tests.shared.orchestrator.processes.forsaken import command
from tests.shared.orchestrator.running import until

ROOT = Path(__file__).parents[4]
pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here")


def numbers(folder: Path, name: str) -> list[int]:
    """Of the command and its child, once both are there."""
    files = [folder / name, folder / f"{name}-child"]
    until(lambda: all(file.exists() for file in files), what="the command")
    return [int(file.read_text()) for file in files]


def alive(process: int) -> bool:
    """Whether it still runs a program: one that was ended is there for a moment, without anything in memory."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


@contextmanager
def forsaken(folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    started = [sys.executable, "-m", "tests.shared.orchestrator.processes.forsaken", str(folder), name]
    with subprocess.Popen(started, cwd=ROOT) as child:
        yield child
        child.kill()


def guards(program: int) -> list[int]:
    """The processes that look after what this one starts."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            words = (one / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if left_behind.program(program).encode() in words:
            found.append(int(one.name))
    return found


def test_what_leaves_its_session_does_not_outlive_the_timeout(tmp_path: Path) -> None:
    with pytest.raises(TimedOut):
        command(tmp_path, "a").execute(Event("x", Operation.CREATE, "1"), Run("p", "k", timeout=1.5))

    assert [False, False] == [alive(one) for one in numbers(tmp_path, "a")]


def test_what_a_killed_program_started_is_ended_at_once(tmp_path: Path) -> None:
    with forsaken(tmp_path, "a") as child:
        started = numbers(tmp_path, "a")
        before = [alive(one) for one in started]
        child.kill()
        until(lambda: not any(alive(one) for one in started), what="the end")

    assert [True, True] == before


def test_what_nobody_looked_after_is_ended_by_the_next_one_before_it_begins(tmp_path: Path) -> None:
    """Whoever killed the program killed what looks after it first. What a living one has started is left alone."""
    with forsaken(tmp_path, "living") as living:
        others = numbers(tmp_path, "living")
        with forsaken(tmp_path, "a") as first:
            started = numbers(tmp_path, "a")
            for guard in guards(first.pid):
                os.kill(guard, signal.SIGKILL)
        with forsaken(tmp_path, "b"):
            numbers(tmp_path, "b")
            ended = [alive(one) for one in started]

        # Not asserted: that they lived until then. Any program of this machine that begins with a command ends them.
        assert [False, False] == ended
        assert [True, True] == [alive(one) for one in others]
        assert living.poll() is None


def test_numbers_of_another_namespace_say_nothing_here() -> None:
    """A dispatcher in a container with this host's name has a number 1 too; what it started lives on."""
    own, foreign = os.readlink("/proc/self/ns/pid"), "pid:[1]"
    for namespace, ends in ((foreign, False), (own, True)):
        mark = f"{socket.gethostname()} 1 99 {namespace} 1"
        with subprocess.Popen(["sleep", "60"], env={**os.environ, left_behind.MARK: mark}) as child:
            # Between fork and exec it has our environment still.
            until(lambda: b"sleep" in Path(f"/proc/{child.pid}/cmdline").read_bytes())
            left_behind.end_orphans()
            if ends:
                until(lambda: child.poll() is not None)
            alive_still = child.poll() is None
            child.kill()

        assert ends is not alive_still


@pytest.mark.parametrize("mark", ["", "nonsense", "a b", "a b c d e f", "host x y pid:[1] z"])
def test_a_mark_that_is_not_ours_is_left_alone(mark: str) -> None:
    with subprocess.Popen(["sleep", "60"], env={**os.environ, left_behind.MARK: mark}) as child:
        until(lambda: b"sleep" in Path(f"/proc/{child.pid}/cmdline").read_bytes())
        left_behind.end_orphans()
        still = child.poll() is None
        child.kill()

    assert still

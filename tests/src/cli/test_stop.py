"""Signals: the first asks for an end, the second ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from src.cli.stop import Stop

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_sets_the_flag(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    """The run looks at the flag behind every page; the person is told what happens."""
    with Stop() as stop:
        assert not stop()
        assert stop.exit_code == 0
        os.kill(os.getpid(), number)

        assert stop()
        assert stop.exit_code == 128 + number
    assert "committing" in capfd.readouterr().err


def test_the_handlers_of_before_come_back() -> None:
    """A program that calls us keeps its own."""
    before = signal.getsignal(signal.SIGTERM)
    with Stop():
        assert signal.getsignal(signal.SIGTERM) != before

    assert before == signal.getsignal(signal.SIGTERM)


def test_in_another_thread_no_handler_is_set() -> None:
    """Python allows it in the main thread only."""
    asked: list[bool] = []

    def work() -> None:
        with Stop() as stop:
            asked.append(stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert [False] == asked


def test_the_second_signal_ends_the_process_at_once() -> None:
    """Also while a thread waits for something that never comes."""
    script = """
import os, signal, threading
from src.cli.stop import Stop
threading.Thread(target=threading.Event().wait).start()
with Stop() as stop:
    os.kill(os.getpid(), signal.SIGINT)
    assert stop()
    os.kill(os.getpid(), signal.SIGINT)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False, text=True, timeout=60
    )

    assert 130 == ended.returncode
    assert ended.stderr.splitlines()[-1] == "aborted; what is committed stays"

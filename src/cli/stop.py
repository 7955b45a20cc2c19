"""Ctrl-C and SIGTERM: the first one asks the run to come to an end, the second one ends the process at once.

Both are safe: what is committed stays, what is not committed never happened.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A flag that a signal sets, while the `with` block lasts; `Stop()` itself asks whether it is set.

    The second signal leaves with `os._exit`, because threads that wait for the network cannot be interrupted otherwise.
    """

    def __init__(
        self, doing: str = "finishing the pages at hand and committing them", *, quiet: bool = False
    ) -> None:
        self.doing = doing
        self.quiet = quiet
        """Whether stderr is a log of records that a line of text would break; the caller tells then."""
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __call__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells have it; 0 when there was none."""
        return 0 if self.signal is None else 128 + self.signal

    def __enter__(self) -> Stop:
        # Python only lets the main thread handle signals; elsewhere (a server, a test) the caller stops us.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._asked) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            self._write("aborted; what is committed stays\n")
            os._exit(128 + number)
        self.signal = signal.Signals(number)
        self._write(f"\n{self.signal.name}: {self.doing}; once more aborts\n")

    def _write(self, text: str) -> None:
        """Past Python's buffers: a signal may arrive in the middle of a print."""
        if self.quiet:
            return
        os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, text.encode())

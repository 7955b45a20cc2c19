"""Showing a run while it goes on: a live table on a terminal, else one line when a stream begins and one when it ends.

What is shown is the live report of each stream, which threads of the run change while it is read: a number that is a
moment old does no harm here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from src.cli.screen import Screen, spoken

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from shared.ingestion.stream_report import StreamReport


class Progress(Protocol):
    """Whom a run tells about its streams; `moved` is called from several threads, often."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def moved(self, report: StreamReport) -> None: ...

    def ended(self, report: StreamReport) -> None: ...

    def note(self, text: str) -> None: ...


class Lines:
    """Plain lines, for logs and pipes."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._known: set[str] = set()
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def moved(self, report: StreamReport) -> None:
        with self._lock:
            if report.stream in self._known or report.stream in self._ended:
                return
            self._known.add(report.stream)
            self._say(f"{report.stream}: started")

    def ended(self, report: StreamReport) -> None:
        with self._lock:
            if report.stream not in self._ended:
                self._ended.add(report.stream)
                self._say(summary(report))

    def note(self, text: str) -> None:
        with self._lock:
            self._say(text)


class Live:
    """A table that is drawn anew four times a second; what is noted stands above it."""

    def __init__(self, console: Console, monotonic: Callable[[], float]) -> None:
        from rich.live import Live as Drawing

        self._reports: dict[str, StreamReport] = {}
        self._since: dict[str, float] = {}
        self._ended: set[str] = set()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._drawing = Drawing(console=console, get_renderable=self.table, refresh_per_second=4)

    def __enter__(self) -> Live:
        self._drawing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawing.__exit__(kind, error, trace)

    def moved(self, report: StreamReport) -> None:
        with self._lock:
            self._reports[report.stream] = report
            self._since.setdefault(report.stream, self._monotonic())

    def ended(self, report: StreamReport) -> None:
        self.moved(report)
        with self._lock:
            self._ended.add(report.stream)

    def note(self, text: str) -> None:
        self._drawing.console.print(text, highlight=False, markup=False)

    def table(self) -> Table:
        from rich.table import Table

        grid = Table(box=None, pad_edge=False, header_style="dim")
        grid.add_column("stream")
        for name in ("pages", "rows", "rows/s", "time"):
            grid.add_column(name, justify="right")
        grid.add_column("")
        with self._lock:
            for name, report in self._reports.items():
                done = name in self._ended
                seconds = report.seconds if done else self._monotonic() - self._since[name]
                grid.add_row(
                    name,
                    f"{report.live_pages:,}",
                    f"{report.live_rows:,}",
                    f"{report.live_rows / seconds:,.0f}" if seconds > 0.05 else "",
                    spoken(seconds),
                    _status(report) if done else "…",
                    style="red" if done and report.status == "failed" else None,
                )
        return grid


def _status(report: StreamReport) -> str:
    return f"{report.status}, {report.rejected:,} rejected" if report.rejected else report.status


def summary(report: StreamReport) -> str:
    """One line on what became of a stream."""
    parts = [f"{report.rows:,} rows"]
    if report.rejected:
        parts.append(f"{report.rejected:,} rejected")
    parts += [f"{report.pages:,} pages", spoken(report.seconds)]
    if report.cursor is not None:
        parts.append(f"cursor {report.cursor}")
    return f"{report.stream}: {report.status}, {', '.join(parts)}"


def progress(screen: Screen, monotonic: Callable[[], float]) -> Progress:
    """What fits where the screen is: a live table on a terminal, plain lines elsewhere."""
    if not screen.is_terminal:
        return Lines(screen.say)
    from rich.console import Console

    return Live(Console(stderr=screen.json), monotonic)

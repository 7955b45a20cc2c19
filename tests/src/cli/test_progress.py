"""What a run shows: a table on a terminal, two lines per stream elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from shared.common.fakes import FakeClock
from shared.ingestion.stream_report import StreamReport
from src.cli.progress import Lines, Live, summary


def test_lines_are_one_at_the_start_and_one_at_the_end() -> None:
    """However often a stream moves, a log does not fill up."""
    said: list[str] = []
    report = StreamReport("accounts")
    with Lines(said.append) as lines:
        for _ in range(100):
            report.rows += 10
            lines.moved(report)
        lines.ended(report)
        lines.ended(report)
        lines.moved(report)

    assert said == ["accounts: started", "accounts: done, 1,000 rows, 0 pages, 0.0 s"]


def test_a_summary_says_what_was_rejected_and_where_the_stream_stands() -> None:
    """One line is enough for most days."""
    report = StreamReport(
        "plans", status="done", rows=7, rejected=2, pages=1, seconds=75.0, cursor="2024-03-01"
    )

    assert "plans: done, 7 rows, 2 rejected, 1 pages, 1m 15s, cursor 2024-03-01" == summary(report)


def test_the_table_shows_pages_rows_and_rate_of_every_stream() -> None:
    """While it goes on and at its end."""
    clock, out = FakeClock(), io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    going, over = (
        StreamReport("accounts", live_rows=5000, live_pages=25),
        StreamReport("plans", live_rows=7, live_pages=1),
    )
    with Live(console, clock.monotonic) as live:
        live.moved(going)
        live.moved(over)
        clock.advance(10)
        over.seconds, over.status = 2.0, "failed"
        live.ended(over)
    last = [line for line in out.getvalue().splitlines() if "\x1b" not in line][-2:]

    assert ["accounts", "25", "5,000", "500", "10.0", "s", "…"] == last[0].split()
    assert ["plans", "1", "7", "4", "2.0", "s", "failed"] == last[1].split()

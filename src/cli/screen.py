"""Where a command speaks: to a person on the terminal, and with `--json` to a program on the last line of stdout."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import click

from shared.common.errors import SluiceError
from shared.common.redaction import Redactor
from src.cli.outcome import alike, told


class Screen:
    """What a command says. With `json`, stdout holds one line, the answer; all else goes to stderr."""

    def __init__(self) -> None:
        self.json = False
        self.debug = False
        self.log: logging.Logger | None = None
        """Takes what would be said on stderr, where that is a log of JSON lines."""
        self.redactor = Redactor()

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at the stream that `say` writes to."""
        return (sys.stderr if self.json else sys.stdout).isatty()

    def say(self, text: str = "") -> None:
        if self.json and self.log is not None:
            self.log.info(text)
        else:
            click.echo(self.redactor.text(text), err=self.json)

    def warn(self, text: str) -> None:
        if self.log is not None:
            self.log.warning(text)
        else:
            click.echo(self.redactor.text(text), err=True)

    def fail(
        self, error: SluiceError, *, label: str = "error", where: Mapping[str, object] | None = None
    ) -> None:
        """Tell an error; with --debug also how it came about. `where` takes the place of the error's own."""
        if self.log is not None:
            trace = error if self.debug else None
            self.log.error(told(error, label=label, where=where), exc_info=trace)
            return
        if self.debug:
            self.warn("".join(traceback.format_exception(error)).rstrip())
        self.warn(told(error, label=label, where=where))

    def fail_all(self, failed: Mapping[str, SluiceError], *, what: str) -> None:
        """Tell the errors of several streams, equal ones once with the names of their streams."""
        for names, error, where in alike(failed):
            if len(names) == 1:
                self.fail(error, label=f"{what} {names[0]} failed")
            else:
                label = f"{what} {len(names)} streams failed"
                # One of the places stands for the others of its kind.
                some = {
                    kind: f"{place} and others"
                    for kind, place in error.where.items()
                    if kind in ("url", "path", "file", "key") and kind not in where
                }
                self.fail(error, label=label, where={**where, **some, "streams": ", ".join(names)})

    def answer(self, document: Mapping[str, Any] | Sequence[Any]) -> None:
        """The one line for programs; nothing without `--json`."""
        if self.json:
            text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)
            click.echo(text)


def table(
    rows: Sequence[Sequence[object]], *, head: Sequence[str] = (), right: Sequence[int] = (), indent: int = 0
) -> str:
    """Rows as text in columns; the columns whose index is in `right` are aligned to the right.

    >>> print(table([("accounts", 20), ("plans", 3)], head=("stream", "rows"), right=[1]))
    stream    rows
    accounts    20
    plans        3
    """
    cells = [[str(value) for value in row] for row in ([head, *rows] if head else rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)] if cells else []
    lines = []
    for row in cells:
        padded = [
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(" " * indent + "  ".join(padded).rstrip())
    return "\n".join(lines)


def spoken(seconds: float) -> str:
    """A length of time as people say it.

    >>> [spoken(s) for s in (0.04, 7.25, 75, 4000, 200000)]
    ['0.0 s', '7.2 s', '1m 15s', '1h 06m', '2d 07h']
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24:02d}h"

"""`--log-format` of the commands that serve: lines for a person, or one JSON object per record for whoever collects."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import click

from src.cli.screen import Screen


def log_format(default: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option; without a `default` it is text on a terminal, and JSON where stderr goes anywhere else."""
    return click.option(
        "--log-format",
        type=click.Choice(["json", "text"]),
        default=lambda: default or ("text" if sys.stderr.isatty() else "json"),
        show_default=default or "text on a terminal, else json",
        help="What is logged on stderr: lines to read, or one JSON object per record.",
    )


def tell_as_records(screen: Screen, log: logging.Logger) -> None:
    """From now on stderr holds records of `log` and nothing else: also warnings, and what ends a thread."""
    screen.log = log
    logging.captureWarnings(True)

    def ended(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None:
            name = what.thread.name if what.thread else "?"
            log.error("the thread %s ended: %s", name, what.exc_value, exc_info=what.exc_value)

    threading.excepthook = ended

"""The command line in processes that start at once, because they are forked from one that has imported everything.

Each is a process of its own that works on its own, as `python -m src.cli` is, and a `kill -9` hits the real work.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from src.cli.app import sluice

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        __name__,
        "duckdb",
        "jsonschema_rs",
        "shared.ingestion.run",
        "shared.warehouse.duckdb_file",
        "shared.warehouse.load",
        "src.cli.load",
        "src.cli.progress",
        "src.cli.run",
        "src.cli.stop",
        "src.loading",
        "src.wiring",
        "src.workplace",
        "yaml",
    ]
)


def start(words: list[str], *, home: Path, environ: Mapping[str, str], name: str) -> ForkServerProcess:
    """Begin `sluice WORDS` in the folder `home`; what it says is in `name.out` and `name.err` there."""
    process = FORKS.Process(target=_command, args=(words, str(home), dict(environ), name))
    process.start()
    return process


def _command(words: list[str], home: str, environ: Mapping[str, str], name: str) -> None:
    os.chdir(home)
    os.environ.clear()
    os.environ.update(environ)
    for number, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sluice(words, prog_name="sluice")

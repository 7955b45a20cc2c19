"""`sluice validate`: hold the lines of a file against a schema."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from shared.common.errors import Misconfigured
from src.cli.app import json_option, verb
from src.cli.outcome import Exit
from src.cli.screen import Screen

_GZIP = b"\x1f\x8b"
_MARK = b"\xef\xbb\xbf"


@verb(
    "validate",
    "sluice validate recurly.accounts accounts.jsonl",
    "sluice validate schema.json events.jsonl.gz --json",
    "zcat events.jsonl.gz | sluice validate schema.json -",
)
@click.argument("schema")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def validate(context: click.Context, schema: str, file: Path) -> None:
    """Check each line of FILE (JSON lines, also gzipped; - for standard input) against SCHEMA, and name all faults.

    SCHEMA is a file, SOURCE.STREAM or SOURCE.STREAM@2. Formats are asserted; NaN and keys that occur twice are refused;
    blank lines are skipped. Exit code 4: a line is not valid.
    """
    from shared.contracts.validate import Duplicates, Validator
    from src.contracts import read_contract
    from src.workplace import Workplace

    screen: Screen = context.obj
    validator = Validator.for_contract(read_contract(Workplace.open(), schema), duplicates=Duplicates.REFUSE)
    faults: list[dict[str, Any]] = []
    lines = invalid = 0
    for number, line in _lines(file):
        found = validator.check(line)
        lines, invalid = lines + 1, invalid + bool(found)
        for fault in found:
            screen.say(f"line {number}: {fault.pointer or '/'}: {fault.message} ({fault.keyword})")
            if screen.json:
                faults.append(
                    {
                        "line": number,
                        "pointer": fault.pointer,
                        "keyword": fault.keyword,
                        "message": fault.message,
                    }
                )
    screen.say(f"{lines - invalid} of {lines} lines are valid")
    screen.answer({"valid": not invalid, "lines": lines, "invalid": invalid, "faults": faults})
    context.exit(Exit.VIOLATION if invalid else Exit.DONE)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1."""
    with _opened(file) as stream:
        try:
            for number, line in enumerate(stream, start=1):
                text = line.removeprefix(_MARK) if number == 1 else line
                if text.strip():
                    yield number, text.rstrip(b"\r\n")
        except (OSError, EOFError) as error:
            raise Misconfigured(f"cannot read {file}: {error}") from None


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file or standard input, unzipped when it begins as gzip does."""
    from isal import igzip

    try:
        raw = sys.stdin.buffer if str(file) == "-" else file.open("rb")
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}") from None
    with io.BufferedReader(cast("io.RawIOBase", raw)) as stream:  # also over what is no file, such as a pipe
        if stream.peek(2)[:2] != _GZIP:
            yield stream
            return
        with igzip.open(stream) as unzipped:
            yield unzipped

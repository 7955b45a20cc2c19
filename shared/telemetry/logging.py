"""Structured logs: JSON where programs read them, readable lines elsewhere, and no secret in either.

Every record is redacted value by value before it is written out, also tracebacks and what libraries say.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import IO, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from shared.common.redaction import MASK, Redactor, looks_secret

_PLAIN = frozenset({"level", "location", "message", "timestamp", "service", "exception", "exception_name"})
_LIBRARIES = logging.WARNING


def open_log(
    service: str,
    *,
    redactor: Redactor,
    level: str = "INFO",
    as_json: bool = True,
    stream: IO[str] | None = None,
    libraries: bool = False,
    spread: bool = False,
    dated: bool = False,
) -> Logger:
    """The log of this process: a Powertools Logger that writes to `stream` (stdout).

    `append_keys(source=…, run=…)` adds context to all later lines. With `libraries`, warnings of everything else that
    logs in this process come out in the same form, instead of as the Lambda runtime would print them. With `spread`,
    what is in `where` of a record becomes fields of it. With `dated`, readable lines have the date and the zone too.
    """
    line = json_line if as_json else partial(readable_line, dated=dated)

    def serialize(record: Any) -> str:
        return line(redacted(flat(record) if spread else record, redactor))

    log = Logger(
        service=service,
        level=level,
        stream=stream,
        json_serializer=serialize,
        utc=True,
        use_rfc3339=True,
        serialize_stacktrace=False,  # the traceback is in `exception` as text already
    )
    # Powertools keeps the logger of a service for ever; the last call wins, so that nobody's secrets pass by it.
    formatter, handler = log.registered_formatter, log.registered_handler
    if isinstance(formatter, LambdaPowertoolsFormatter) and isinstance(handler, logging.StreamHandler):
        formatter.json_serializer = serialize
        handler.setStream(stream or sys.stdout)
    log.setLevel(level)
    if libraries:
        _adopt_libraries(log, stream)
    return log


def _adopt_libraries(log: Logger, stream: IO[str] | None) -> None:
    root = logging.getLogger()
    root.setLevel(_LIBRARIES)
    if not root.handlers:
        root.addHandler(logging.StreamHandler(stream))
    for handler in root.handlers:
        handler.setFormatter(log.registered_formatter)
        if log.name not in (getattr(f, "logger", None) for f in handler.filters):
            handler.addFilter(_not_from(log.name))


def _not_from(name: str) -> Callable[[logging.LogRecord], bool]:
    """Our own records have a handler already and would come out twice."""

    def keep(record: logging.LogRecord) -> bool:
        return record.name != name and not record.name.startswith(f"{name}.")

    keep.logger = name  # type: ignore[attr-defined]  # as Powertools marks its own filter
    return keep


def redacted(value: Any, redactor: Redactor) -> Any:
    """The value with secrets masked in every text of it, and whatever stands under a name that looks secret."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redactor.text(value)
        case Mapping():
            return {
                str(name): MASK if item and looks_secret(str(name)) else redacted(item, redactor)
                for name, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [redacted(item, redactor) for item in value]
    return redactor.text(str(value))


def flat(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record with the entries of its `where` as fields; what the record itself says stays.

    >>> flat({"level": "INFO", "where": {"event": 5, "process": "load", "level": 3}})
    {'level': 'INFO', 'event': 5, 'process': 'load'}
    """
    where = record.get("where")
    if not isinstance(where, Mapping):
        return record
    own = {name: value for name, value in record.items() if name != "where"}
    return {**own, **{name: value for name, value in where.items() if name not in own}}


def json_line(record: Mapping[str, Any]) -> str:
    """The record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def readable_line(record: Mapping[str, Any], *, dated: bool = False) -> str:
    """The record for a person: time, level, message, then the context; a traceback follows on lines of its own.

    >>> readable_line(
    ...     {"level": "INFO", "timestamp": "2026-11-20T10:15:00.000+00:00", "message": "done", "rows": 3}
    ... )
    '10:15:00 INFO     done  rows=3'
    """
    stamp = str(record.get("timestamp", ""))
    time = stamp if dated else stamp[11:19]
    message = record.get("message", "")
    text = message if isinstance(message, str) else json_line({"message": message})
    context = " ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in record.items()
        if name not in _PLAIN and value is not None
    )
    trace = f"\n{record['exception']}" if record.get("exception") else ""
    return f"{time} {record.get('level', ''):<8} {text}{'  ' + context if context else ''}{trace}"

"""What the commands of `sluice dispatch` share: their options, reading a document, and telling of events."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured
from src.cli.log_format import tell_as_records
from src.cli.screen import Screen, spoken, table

if TYPE_CHECKING:
    from shared.common.documents import Document
    from shared.orchestrator.configuration import Configuration
    from shared.orchestrator.journal import Kept, Store, Written
    from shared.orchestrator.settings import Surroundings

CONFIG = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
JOURNAL = click.option(
    "--journal",
    default=lambda: os.environ.get("DISPATCH_JOURNAL") or "sqlite:///.sluice/dispatch.db",
    show_default="sqlite:///.sluice/dispatch.db, or DISPATCH_JOURNAL",
    metavar="URL",
    help="sqlite:///file, sqlite:////absolute/file or postgresql://user:password@host/database.",
)


BEFORE = click.option(
    "--before", type=click.IntRange(0), default=0, metavar="NUMBER", help="Only events older than this one."
)


def read(config: Path) -> Document:
    from shared.orchestrator.configuration import read_configuration

    try:
        return read_configuration(config.read_bytes(), file=str(config))
    except OSError as error:
        raise Misconfigured(
            f"{config} cannot be read: {error.strerror}", hint="name a file that is there"
        ) from None


def written(config: Path) -> Written | None:
    """The text of a document that is no JSON, which would lose its comments."""
    from shared.orchestrator.journal import Written

    kinds = {".toml": "application/toml", ".yml": "application/yaml", ".yaml": "application/yaml"}
    kind = kinds.get(config.suffix.lower())
    return Written(kind, config.read_text(encoding="utf-8-sig")) if kind else None


def parsed(config: Path) -> Configuration:
    from src.dispatching import kinds

    return kinds().parse(read(config))


def current(journal: str) -> Configuration:
    from shared.common.documents import read_json_document
    from src.dispatching import kinds, open_journal

    version = open_journal(journal).document()
    if not version.number:
        raise Misconfigured("this journal holds no document", hint="name a file, or another --journal")
    text = json.dumps(version.document, indent=2, ensure_ascii=False)
    return kinds().parse(read_json_document(text, file="document"))


def surrounded(screen: Screen, *, served: str = "") -> Surroundings:
    from src.dispatching import surroundings
    from src.workplace import Workplace

    place = Workplace.open()
    screen.redactor = place.redactor
    own = _log_to(place.telemetry(served=served).log)
    if served == "json":
        tell_as_records(screen, own)
    return surroundings(place)


def _log_to(log: Any) -> logging.Logger:
    """What the dispatcher says comes out as all of this program's log does, with secrets masked."""
    own = logging.getLogger("sluice.dispatch")
    own.handlers, own.propagate = [log.registered_handler], False
    own.setLevel(logging.INFO)
    return own


def shape(found: Configuration) -> str:
    return f"{len(found.input)} inputs, {len(found.process)} processes, {len(found.graph().links)} links"


def listed(screen: Screen, found: list[Kept]) -> None:
    rows = [
        (one.id, clock_time(one.at), one.standing.text, one.event.trigger, one.event.operation.text,
         _cut(one.event.location, 60), _cut(one.event.id, 40), _why(one))
        for one in found
    ]  # fmt: skip
    head = ("number", "at", "", "trigger", "operation", "location", "id", "")
    screen.say(table(rows, head=head, right=[0]) if rows else "none")


def _cut(text: str, most: int) -> str:
    """The text on one line, not wider than `most`.

    >>> _cut("a" * 9, 5), _cut("a  b", 5)
    ('aaaa…', 'a b')
    """
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def further(screen: Screen, numbers: list[int], limit: int) -> None:
    """Say how to go on behind a full page."""
    if len(numbers) == limit:
        screen.say(f"older ones: --before {numbers[-1]}")


def _why(one: Kept) -> str:
    from shared.orchestrator.journal import Phase

    return "; ".join(
        f"{o.process}: {o.error.splitlines()[0][:80]}"
        for o in one.outcomes
        if o.phase is Phase.DEAD and o.error
    )


def journey(screen: Screen, one: Kept) -> None:
    screen.say(f"event {one.id}, {one.standing.text}, {clock_time(one.at)}\n{one.event.to_json()}")
    for stop in one.to_plain()["journey"]:
        attempt = f", attempt {stop['attempt']}, {spoken(stop['seconds'])}" if "attempt" in stop else ""
        screen.say(f"  {stop['process']}: {stop['phase']}{attempt}")
        for text in (stop.get("error"), stop.get("logs")):
            if text:
                screen.say("\n".join(f"    {line}" for line in text.splitlines()))


def kept(store: Store, number: int) -> Kept:
    found = store.event(number)
    if found is None:
        raise Misconfigured(f"there is no event {number}", hint="sluice dispatch events lists the newest")
    return found


def clock_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")

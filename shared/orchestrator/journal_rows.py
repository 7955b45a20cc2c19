"""Rows of a journal as values, the same for every database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.orchestrator.event import Event, Operation
from shared.orchestrator.graph import route_from_json
from shared.orchestrator.journal import Kept, Outcome, Phase, Standing, Versioned, Written

_TEXT = "$text"
"""No document has a key of this name."""


def event_of(text: str) -> Event:
    """An event out of the journal: what is in there was whole when it was taken."""
    plain = json.loads(text)
    name = plain["operation"]
    return Event(
        plain["location"],
        Operation.UNKNOWN if name == "unknown" else Operation.parse(name),
        plain["id"],
        plain["trigger"],
        plain.get("payload"),
    )


def row_of(o: Outcome) -> tuple[Any, ...]:
    """The columns of an outcome, in the order of `outcome_of`."""
    return (o.event, o.process, int(o.phase), o.attempt, o.at, o.seconds, o.due, o.error, o.logs, o.deaths)


def outcome_of(row: Sequence[Any]) -> Outcome:
    return Outcome(
        row[0], row[1], Phase(row[2]), row[3], row[4],
        seconds=row[5], due=row[6], error=row[7], logs=row[8], deaths=row[9],
    )  # fmt: skip


def kept_of(rows: Iterable[Sequence[Any]], outcomes: Mapping[int, Sequence[Outcome]]) -> Iterable[Kept]:
    for number, key, body, route, at, standing in rows:
        known = tuple(outcomes.get(number, ()))
        yield Kept(number, key, event_of(body), route_from_json(route), at, Standing(standing), known)


def versioned(row: Sequence[Any]) -> Versioned:
    body = json.loads(row[1])
    if _TEXT not in body:
        return Versioned(row[0], body, row[2], row[3])
    return Versioned(row[0], body["document"], row[2], row[3], Written(body["kind"], body[_TEXT]))


def document_body(document: Mapping[str, Any], written: Written | None) -> str:
    """What `versioned` reads."""
    if written is None:
        return json.dumps(document)
    return json.dumps({_TEXT: written.text, "kind": written.kind, "document": document})
